"""Other tools' names for the hook points of recurrent models: which of ours each is, and which it only resembles.

Those of TransformerLens's bridge (4.3) and of MambaLens (0.0.4), as their sources have them. A name serves as ours
where both hold the same numbers on the same axes and an edit has the same effect; else it is refused, with the cure.
One name is the bridge's and ours, and differs: its `mixer.hook_conv` is [batch channel pos + d_conv - 1].
"""

import re

OF_MODEL = {
    "embed.hook_out": "hook_embed",
    "ln_final.hook_out": "ln_final.hook_normalized",
    "unembed.hook_in": "ln_final.hook_normalized",
    "hook_norm": "ln_final.hook_normalized",  # MambaLens
}
"""Name -> ours."""

_LOGITS = "the logits are what the model returns"
REFUSED_OF_MODEL = {"unembed.hook_out": _LOGITS, "hook_logits": _LOGITS}
"""Name -> what to use."""

OF_BLOCK = {
    "hook_attn_out": "hook_mixer_out",  # as of an attention layer without an MLP: TransformerLens's tools ask for it
    "hook_resid_mid": "hook_resid_post",
    "mixer.hook_in": "hook_mixer_in",
    "mixer.hook_out": "hook_mixer_out",
    "norm.hook_out": "hook_mixer_in",
    "hook_normalized_input": "hook_mixer_in",  # MambaLens
}
"""Of any block with a mixer, after `blocks.0.`."""

_READ_BY_NORM = "an edit of it would reach the norm and not the stream; use hook_resid_pre for both, or hook_mixer_in"
REFUSED_OF_BLOCK = {"norm.hook_in": _READ_BY_NORM, "hook_layer_input": _READ_BY_NORM}

OF_MAMBA = {
    "mixer.in_proj.hook_in": "hook_mixer_in",
    "mixer.hook_ssm_dt": "mixer.hook_dt",
    "mixer.hook_dt_proj": "mixer.hook_dt",
    "mixer.dt_proj.hook_out": "mixer.hook_dt",
    "mixer.out_proj.hook_in": "mixer.hook_gated",
    "mixer.out_proj.hook_out": "hook_mixer_out",
    "mixer.hook_ssm_out": "hook_mixer_out",
    "hook_skip": "mixer.hook_gate",  # MambaLens from here
    "hook_in_proj": "mixer.hook_x",
    "hook_conv": "mixer.hook_conv",
    "hook_ssm_input": "mixer.hook_u",
    "hook_delta_2": "mixer.hook_dt",
    "hook_delta": "mixer.hook_delta",
    "hook_A_bar": "mixer.hook_A_bar",
    "hook_B": "mixer.hook_B",
    "hook_C": "mixer.hook_C",
    "hook_ssm_output": "mixer.hook_y",
    "hook_after_skip": "mixer.hook_gated",
    "hook_out_proj": "hook_mixer_out",
}

_IN_PROJ = "it holds x and the gate side by side; use mixer.hook_x and mixer.hook_gate [batch pos channel]"
_X_PROJ = "it holds what becomes Delta, B and C side by side; use mixer.hook_dt, mixer.hook_B and mixer.hook_C"
_LOW_RANK = "the step size before its map to the channels has no hook point; use mixer.hook_dt [batch pos channel]"
_AXES = "its axes are [{}]; use {} [batch pos {}]"
REFUSED_OF_MAMBA = {
    "mixer.hook_in_proj": _IN_PROJ,
    "mixer.in_proj.hook_out": _IN_PROJ,
    "mixer.conv1d.hook_in": _AXES.format("batch channel pos", "mixer.hook_x", "channel"),
    "mixer.conv1d.hook_out": _AXES.format("batch channel pos + d_conv - 1", "mixer.hook_conv", "channel"),
    "mixer.hook_x_proj": _X_PROJ,
    "mixer.x_proj.hook_in": "an edit of it would not reach the scan; use mixer.hook_u [batch pos channel]",
    "mixer.x_proj.hook_out": _X_PROJ,
    "mixer.dt_proj.hook_in": _LOW_RANK,
    "mixer.hook_ssm_write": _AXES.format("batch channel pos state", "mixer.hook_write", "channel state"),
    "mixer.hook_ssm_state": _AXES.format("batch channel pos state", "mixer.hook_state", "channel state"),
    "hook_delta_1": _LOW_RANK,  # MambaLens from here
    "hook_A": "it is a weight, not an activation: the model's blocks[i].mixer.A [channel state]",
    "hook_B_bar": "it is Delta B, without the input; use mixer.hook_write, Delta B u [batch pos channel state]",
    "hook_h_start": "the state before the first position is given to the model, as `past`",
    "hook_y": "it leaves out D u; use mixer.hook_y, which is C h + D u [batch pos channel]",
}

OF_MAMBA2 = {
    "mixer.in_proj.hook_in": "hook_mixer_in",
    "mixer.inner_norm.hook_gate": "mixer.hook_gate",
    "mixer.inner_norm.hook_out": "mixer.hook_gated",
    "mixer.hook_inner_norm": "mixer.hook_gated",
    "mixer.hook_ssm_write": "mixer.hook_write",
    "mixer.hook_ssm_state": "mixer.hook_state",
    "mixer.out_proj.hook_in": "mixer.hook_gated",
    "mixer.out_proj.hook_out": "hook_mixer_out",
    "mixer.hook_ssm_out": "hook_mixer_out",
}

_IN_PROJ2 = "it holds all maps of the stream side by side; use mixer.hook_gate, mixer.hook_conv_in and mixer.hook_dt"
REFUSED_OF_MAMBA2 = {
    "mixer.hook_in_proj": _IN_PROJ2,
    "mixer.in_proj.hook_out": _IN_PROJ2,
    "mixer.conv1d.hook_in": _AXES.format("batch inner pos", "mixer.hook_conv_in", "inner"),
    "mixer.conv1d.hook_out": _AXES.format("batch inner pos + d_conv - 1", "mixer.hook_conv", "inner"),
    "mixer.inner_norm.hook_in": _AXES.format("batch pos channel", "mixer.hook_y", "head d_head"),
}

MAMBALENS_STEP = re.compile(r"(blocks\.\d+)\.hook_h\.(\d+)")
"""Its state after one position, [batch channel state]: `blocks.0.hook_h.5` is `blocks.0.mixer.h.5`."""
