"""Hooks that set what they see to zero; the scale of a norm, by which is divided, they double instead."""

import torch


def to_zero(value, hook):
    return value * 2 if hook.name.endswith("hook_scale") else torch.zeros_like(value)


def to_zero_in_place(value, hook):
    if hook.name.endswith("hook_scale"):
        value.mul_(2)
    else:
        value.zero_()
