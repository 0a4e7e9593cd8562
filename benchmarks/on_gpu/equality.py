"""Does a GPU give the CPU's numbers? Logits, gradients and every hook of the model of each preset.

In single precision with TF32 off; then under autocast to bf16, which keeps two to three digits.
"""

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor

from interp.models import build
from interp.models.scan.methods import chosen, using
from interp.training.presets import PRESETS, preset
from on_gpu import Row, row

FP32, BF16, KERNELS = 1e-3, 0.05, 0.02
"""Relative errors that are allowed: of sums in another order, of two or three digits, of kernels that use TF32."""
OWN = ("torch", "chunked", "shifted", "fused")
"""The project's own methods for any device, and torch's LSTM."""
Quantities = dict[str, Tensor]


def rows(device: str, quick: bool) -> Iterator[Row]:
    torch.backends.cudnn.allow_tf32 = False
    for kind in list(PRESETS)[: 2 if quick else None]:
        yield row(kind, compared, kind, device)


def compared(kind: str, device: str) -> Row:
    """Norms of the differences relative to those of what is compared; an error if one is too large."""
    config, task, _ = preset(kind)
    tokens = task.sample(8, 10, torch.Generator().manual_seed(0)).tokens
    with using(*OWN):
        ours = quantities(config, tokens, "cpu")
        found = {name: off(value, ours[name]) for name, value in quantities(config, tokens, device).items()}
        half = quantities(config, tokens, device, bf16=True)
    found = {"logits": found["logits"], "gradients": found["gradients"], "hooks": max(found.values())}
    halves = {f"{name}_bf16": off(half[name], ours[name]) for name in ("logits", "gradients")}
    others = {}
    if set(chosen(torch.device(device)).values()) & {"mamba-ssm", "causal-conv1d"}:
        theirs = quantities(config, tokens, device)
        others = {f"{name}_kernels": off(theirs[name], ours[name]) for name in ("logits", "gradients")}
    limits = ((found, FP32), (halves, BF16), (others, KERNELS))
    wrong = [f"{name} above {most}" for part, most in limits for name, value in part.items() if not value < most]
    return {**found, **halves, **others, **({"error": ", ".join(wrong)} if wrong else {})}


def quantities(config: dict[str, Any], tokens: Tensor, device: str, bf16: bool = False) -> Quantities:
    """Logits, gradients, and whatever hooks show that is finite (scores before the softmax are not)."""
    model = build(config, seed=0).to(device)
    tokens = tokens.to(device)
    with torch.autocast(tokens.device.type, torch.bfloat16, enabled=bf16):
        model(tokens, "loss").backward()
        logits, cache = model.run_with_cache(tokens, names_filter=list(model.hook_dict))
    gradients = torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])
    hooks = {name: value for name, value in cache.items() if value.isfinite().all()}
    return {**hooks, "logits": logits, "gradients": gradients}


def off(there: Tensor, ours: Tensor) -> float:
    """The norm of the difference, relative to that of what is compared; absolute where that is next to nothing."""
    there, ours = there.detach().cpu().double(), ours.detach().double()
    return float((there - ours).norm() / ours.norm().clamp(min=1e-3))
