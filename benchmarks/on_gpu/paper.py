"""Training at the size of the paper (Jelassi et al. 2024): 12 layers, 1,024 wide, on strings of 300 letters.

Twenty steps each in bf16, or as many as there is time for; the first, which compiles kernels, does not count.
"""

import time
from collections.abc import Iterator
from typing import Any

from interp.models import build
from on_gpu import Row, peak_gib, row, strings, training_step

BATCH, LENGTH, STEPS, SECONDS = 32, 602, 20, 12
SIZES: dict[str, dict[str, Any]] = {
    "transformer": {"n_heads": 16, "d_mlp": 4096, "position": "hard-alibi", "windows": (*range(2, 10), *[None] * 8)},
    "mamba": {},
    "mamba2": {"d_state": 128, "d_head": 64},
}


def rows(device: str, quick: bool) -> Iterator[Row]:
    for kind, shape in SIZES.items():
        size = {"n_layers": 1, "d_model": 128} if quick else {"n_layers": 12, "d_model": 1024}
        yield row(
            f"{kind}, {size['n_layers']} x {size['d_model']}", training, {"kind": kind, **size, **shape}, device, quick
        )


def training(config: dict[str, Any], device: str, quick: bool) -> Row:
    """Strings a second, and the most memory."""
    model = build(config, seed=0).to(device)
    step = training_step(model, strings(26, 2 if quick else BATCH, 32 if quick else LENGTH, device), bf16=True)
    first, done = float(step()), 0
    begin = time.perf_counter()
    while done < (2 if quick else STEPS) and time.perf_counter() - begin < SECONDS:
        last = float(step())
        done += 1
    seconds = time.perf_counter() - begin
    size = sum(p.numel() for p in model.parameters())
    batch = 2 if quick else BATCH
    return {
        "strings_a_second": done * batch / seconds,
        "ms": seconds / done * 1e3,
        "steps": done,
        "gib": peak_gib(device),
        "million_parameters": size / 1e6,
        "loss": first,
        "loss_after": last,
    }
