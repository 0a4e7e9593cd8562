"""Other tools' names for the hook points of any recurrent model: which of ours each is, and which it only resembles.

A family's layer has the names of its own quantities beside it (`recurrent/mamba/names.py`).

Those of TransformerLens's bridge (4.3) and of MambaLens (0.0.4), as their sources have them. A name serves as ours
where both hold the same numbers on the same axes and an edit has the same effect; else it is refused, with the cure.
One name is the bridge's and ours, and differs: its `mixer.hook_conv` is [batch channel pos + d_conv - 1].
"""

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
"""Other names of points in any block with a mixer, after `blocks.0.`."""

_READ_BY_NORM = "an edit of it would reach the norm and not the stream; use hook_resid_pre for both, or hook_mixer_in"
REFUSED_OF_BLOCK = {"norm.hook_in": _READ_BY_NORM, "hook_layer_input": _READ_BY_NORM}
