"""Every scan by every method that can run, forward and backward, on 16,384 tokens as short strings or one long one."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor

from interp.models.scan.conv import causal_conv
from interp.models.scan.lstm import lstm_scan
from interp.models.scan.methods import METHODS, using, why_not
from interp.models.scan.selective import selective_scan
from interp.models.scan.ssd import ssd_scan
from on_gpu import Row, milliseconds, peak_gib, row

TOKENS = 16_384
LENGTHS = (512, 2048, 16_384)
SLOW = "reference"
"""It goes position by position and keeps everything: only short strings."""


def rows(device: str, quick: bool) -> Iterator[Row]:
    tokens, lengths = (64, (32,)) if quick else (TOKENS, LENGTHS)
    for scan, methods in METHODS.items():
        for method in methods:
            if scan not in INPUTS:
                yield {"what": scan, "error": "no inputs are known for it here"}
            elif reason := why_not(scan, method, torch.device(device)):
                yield {"what": f"{scan} by {method}", "skipped": reason}
            else:
                for length in lengths[: 1 if method == SLOW else None]:
                    what = f"{scan} by {method}, {tokens // length} of {length}"
                    yield row(what, timed, scan, method, tokens // length, length, device)


def timed(scan: str, method: str, batch: int, length: int, device: str) -> Row:
    """Milliseconds of forward and backward, the most memory, and how far a short one is off the reference."""
    run, draw = INPUTS[scan]
    inputs = [x.to(device).requires_grad_() for x in draw(batch, length)]
    few = [x.to(device) for x in draw(2, min(length, 64))]
    with using(method):
        error = float((run(*few)[0] - _reference(run, few)).abs().max())
        ms = milliseconds(lambda: run(*inputs)[0].sum().backward(), 0.2)
    return {"ms": ms, "gib": peak_gib(device), "off": error}


def _reference(run: Callable[..., tuple[Tensor, object]], inputs: list[Tensor]) -> Tensor:
    with using(SLOW):
        return run(*inputs)[0]


def normal(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(sum(shape)))


def selective_inputs(batch: int, length: int, channels: int = 1536, state: int = 16) -> list[Tensor]:
    A = -torch.arange(1.0, state + 1).expand(channels, state).clone()
    delta = torch.rand(batch, length, channels, generator=torch.Generator().manual_seed(1)) * 0.1
    return [normal(batch, length, channels), delta, A, normal(batch, length, state), normal(batch, length, state)]


def ssd_inputs(batch: int, length: int, heads: int = 24, d_head: int = 64, state: int = 128) -> list[Tensor]:
    delta = torch.rand(batch, length, heads, generator=torch.Generator().manual_seed(1)) * 0.1
    B, C = normal(batch, length, 1, state), normal(batch, length, 1, state).flip(1)
    return [normal(batch, length, heads, d_head), delta, -normal(heads).exp(), B, C]


def conv_inputs(batch: int, length: int, channels: int = 1536, width: int = 4) -> list[Tensor]:
    return [normal(batch, length, channels), normal(channels, width), normal(channels)]


def lstm_inputs(batch: int, length: int, width: int = 256) -> list[Tensor]:
    scale = width**-0.5
    W_x, W_h = normal(width, 4 * width) * scale, normal(width, 4 * width).flip(0) * scale
    return [normal(batch, length, width), W_x, W_h, normal(4 * width)]


INPUTS: dict[str, tuple[Callable[..., tuple[Tensor, object]], Callable[[int, int], list[Tensor]]]] = {
    "selective_scan": (selective_scan, selective_inputs),
    "ssd_scan": (ssd_scan, ssd_inputs),
    "causal_conv": (causal_conv, conv_inputs),
    "lstm_scan": (lstm_scan, lstm_inputs),
}
