"""The selective scan, forward and backward, beside everything else that runs on a CPU, and against its length.

Contestants compute the same function, which is checked before the clock starts: outputs and the gradients of all
inputs. *C++ floor* is `selective_scan.cpp`, compiled here and now for this processor, where there is a compiler.
Ratios are of median processor times on one thread; whoever needs longer than the limit is reported so. The last line
is JSON, at the first size.
"""

import ctypes
import json
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import torch
import tyro
from rounds import Clock, Run, at_hand, measure_within, table, times_ours
from torch import Tensor

from interp.models.scan.methods import using
from interp.models.scan.selective import selective_scan

SIZES = ((32, 128, 256, 16), (64, 100, 128, 16), (32, 512, 256, 16), (8, 1024, 512, 16))
"""(batch, length, channels, state)."""
GROWTH = (128, 256, 512, 1024, 2048)
"""Lengths at which 4 strings of 256 channels show how time grows."""

Scan = Callable[..., Tensor]


def draw(batch: int, length: int, channels: int, state: int) -> list[Tensor]:
    """u, delta, A, B, C, D as in a layer that was just made."""
    generator = torch.Generator().manual_seed(0)
    normal = partial(torch.randn, generator=generator)
    u, B, C = normal(batch, length, channels), normal(batch, length, state), normal(batch, length, state)
    delta = torch.rand(batch, length, channels, generator=generator) * 0.1
    A = -torch.arange(1.0, state + 1).expand(channels, state).clone()
    return [x.requires_grad_() for x in (u, delta, A, B, C, torch.ones(channels))]


def ours(method: str, *inputs: Tensor) -> Tensor:
    with using(method):
        return selective_scan(*inputs)[0]


def naive(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    """The loop as one would first write it."""
    h, outputs = u.new_zeros(u.shape[0], *A.shape), []
    for t in range(u.shape[1]):
        h = torch.exp(delta[:, t, :, None] * A) * h + (delta[:, t] * u[:, t])[..., None] * B[:, t, None]
        outputs.append((h * C[:, t, None]).sum(-1) + D * u[:, t])
    return torch.stack(outputs, dim=1)


def huggingface(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    from transformers.models.mamba.modeling_mamba import mamba_selective_scan

    out: Any = mamba_selective_scan(*(x.transpose(1, 2) for x in (u, delta)), A, B.mT, C.mT, D)
    return (out[0] if isinstance(out, tuple) else out).transpose(1, 2)


def mambapy(u: Tensor, delta: Tensor, A: Tensor, B: Tensor, C: Tensor, D: Tensor) -> Tensor:
    from mambapy.mamba import MambaBlock

    return MambaBlock.selective_scan(None, u, delta, A, B, C, D)  # pyright: ignore[reportArgumentType]  # reads no self


class Floor(torch.autograd.Function):
    """The compiled scan behind autograd."""

    library: Any

    @staticmethod
    def forward(ctx: Any, *inputs: Tensor) -> Tensor:
        inputs = tuple(x.contiguous() for x in inputs)
        (batch, length, channels), state = inputs[0].shape, inputs[2].shape[1]
        y, kept = torch.empty_like(inputs[0]), inputs[0].new_empty(batch, -(-length // 16), state, channels)
        Floor.library.forward(*map(_pointer, (*inputs, y, kept)), batch, length, channels, state)
        ctx.save_for_backward(*inputs, kept)
        return y

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, ...]:
        *inputs, kept = ctx.saved_tensors
        (batch, length, channels), state = inputs[0].shape, inputs[2].shape[1]
        found = tuple(torch.zeros_like(x) for x in inputs)
        gy = gradients[0].contiguous()
        Floor.library.backward(*map(_pointer, (*inputs, kept, gy, *found)), batch, length, channels, state)
        return found


def _pointer(tensor: Tensor) -> ctypes.c_void_p:
    return ctypes.c_void_p(tensor.data_ptr())


def floor(*inputs: Tensor) -> Tensor:
    out: Any = Floor.apply(*inputs)
    return out


def compiled_floor() -> Scan | None:
    """The C++ scan; None where there is no compiler."""
    compiler = shutil.which("c++") or shutil.which("g++")
    if compiler is None:
        return None
    source = Path(__file__).with_name("selective_scan.cpp")
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "selective_scan.so"
        flags = ["-O3", "-march=native", "-ffast-math", "-shared", "-fPIC"]
        subprocess.run([compiler, *flags, str(source), "-o", str(target)], check=True)
        Floor.library = ctypes.CDLL(str(target))
    return floor


def both_ways(scan: Scan, inputs: list[Tensor], seed: Tensor) -> list[Tensor]:
    """Output, and the gradients of all inputs."""
    y = scan(*inputs)
    return [y.detach(), *torch.autograd.grad(y, inputs, seed)]


def check(contestants: dict[str, Scan]) -> None:
    """That all of them compute the same, forward and backward, at a small size."""
    inputs = draw(2, 37, 80, 16)
    seed = torch.randn(2, 37, 80, generator=torch.Generator().manual_seed(1))
    wanted = both_ways(contestants["ours"], inputs, seed)
    for name, scan in contestants.items():
        for found, own in zip(both_ways(scan, inputs, seed), wanted, strict=True):
            torch.testing.assert_close(found, own, atol=2e-4, rtol=2e-4, msg=lambda text, name=name: f"{name}: {text}")


def runs(contestants: dict[str, Scan], *size: int) -> dict[str, Run]:
    inputs = draw(*size)
    seed = torch.randn(inputs[0].shape, generator=torch.Generator().manual_seed(1))
    return {name: partial(both_ways, scan, inputs, seed) for name, scan in contestants.items()}


def main(repeats: int = 7, limit: float = 60.0, quick: bool = False) -> None:
    """Measure, print tables, and the ratios as one line of JSON.

    Args:
        repeats: rounds that count.
        limit: seconds that one run may take; whoever needs longer is reported so.
        quick: only the first size, in two rounds.
    """
    torch.set_num_threads(1)
    repeats = 2 if quick else repeats
    contestants: dict[str, Scan] = {"ours": partial(ours, "numba"), "ours, pure torch": partial(ours, "torch")}
    contestants |= {"naive loop": naive, "Hugging Face": huggingface}
    if at_hand("mambapy", "mambapy"):
        contestants["mambapy"] = mambapy
    if (cpp := compiled_floor()) is None:
        print("The C++ floor is left out: there is no compiler (c++ or g++).")
    else:
        contestants["C++ floor"] = cpp
    check(contestants)
    sizes: dict[str, dict[str, Clock | None]] = {}
    for size in SIZES[:1] if quick else SIZES:
        sizes[f"{size}"] = measure_within(runs(contestants, *size), repeats, limit)
    print(table("forward + backward, milliseconds", sizes, limit=limit))
    if not quick:
        alone = {name: scan for name, scan in contestants.items() if name not in ("naive loop", "C++ floor")}
        growth = {
            f"4 strings of {n}": measure_within(runs(alone, 4, n, 256, 16), max(2, repeats // 3), limit) for n in GROWTH
        }
        print(table("against the length, milliseconds", growth, limit=limit))
    first = sizes[f"{SIZES[0]}"]
    floor_share = times_ours(first, "C++ floor", limit)
    found = {
        "speedup_vs_hf": times_ours(first, "Hugging Face", limit),
        "speedup_vs_mambapy": times_ours(first, "mambapy", limit),
        "times_floor": floor_share and round(1 / floor_share, 2),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    tyro.cli(main)
