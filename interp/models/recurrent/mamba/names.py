"""Other tools' names for the hook points of a Mamba layer, after `blocks.0.`: see `interp.models.hooks.aliases`."""

OTHER_NAMES = {
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

OTHER_STEPS = {"hook_h": "h"}
"""MambaLens's state after one position, [batch channel state]: `blocks.0.hook_h.5` is `blocks.0.mixer.h.5`."""

_IN_PROJ = "it holds x and the gate side by side; use mixer.hook_x and mixer.hook_gate [batch pos channel]"
_X_PROJ = "it holds what becomes Delta, B and C side by side; use mixer.hook_dt, mixer.hook_B and mixer.hook_C"
_LOW_RANK = "the step size before its map to the channels has no hook point; use mixer.hook_dt [batch pos channel]"
_AXES = "its axes are [{}]; use {} [batch pos {}]"
REFUSED = {
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
