"""How much memory one training step on a single long string takes, of each preset's model."""

import time
from collections.abc import Iterator

from interp.models import build
from interp.training.presets import PRESETS, preset
from on_gpu import Row, peak_gib, row, strings, training_step

LENGTH = 16_384


def rows(device: str, quick: bool) -> Iterator[Row]:
    length = 64 if quick else LENGTH
    for kind in list(PRESETS)[: 2 if quick else None]:
        for bf16 in (True, False):
            what = f"{kind}, one string of {length:,}, {'bf16' if bf16 else 'fp32'}"
            yield row(what, one_step, kind, length, bf16, device)


def one_step(kind: str, length: int, bf16: bool, device: str) -> Row:
    """Most memory, and seconds; the loss must be finite."""
    config, _, _ = preset(kind)
    step = training_step(build(config, seed=0).to(device), strings(26, 1, length, device), bf16)
    begin = time.perf_counter()
    loss = float(step())
    if loss != loss:
        raise FloatingPointError("the loss is not a number")
    return {"gib": peak_gib(device), "seconds": time.perf_counter() - begin, "loss": loss}
