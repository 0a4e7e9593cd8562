"""Other tools' names for the hook points of a Mamba-2 layer, after `blocks.0.`: see `interp.models.hooks.aliases`."""

OTHER_NAMES = {
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

_AXES = "its axes are [{}]; use {} [batch pos {}]"
_IN_PROJ = "it holds all maps of the stream side by side; use mixer.hook_gate, mixer.hook_conv_in and mixer.hook_dt"
REFUSED = {
    "mixer.hook_in_proj": _IN_PROJ,
    "mixer.in_proj.hook_out": _IN_PROJ,
    "mixer.conv1d.hook_in": _AXES.format("batch inner pos", "mixer.hook_conv_in", "inner"),
    "mixer.conv1d.hook_out": _AXES.format("batch inner pos + d_conv - 1", "mixer.hook_conv", "inner"),
    "mixer.inner_norm.hook_in": _AXES.format("batch pos channel", "mixer.hook_y", "head d_head"),
}
