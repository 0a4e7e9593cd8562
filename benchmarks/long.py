"""What long strings cost: seconds and memory of copying 16,384 letters, and of a training step of `long32`.

Each length is copied in a process of its own, whose peak memory the system tells. The plain forward writes every
pattern out; where that does not fit into memory it is refused, and the refusal is printed. A training step is held
against the same function in PyTorch's own words. The last line is JSON.
"""

import json
import multiprocessing
import resource
import sys
import time
from collections.abc import Callable
from functools import partial
from math import log
from typing import cast

import torch
import torch.nn.functional as F
import tyro
from rounds import Run, measure, table, times_ours
from torch import Tensor, nn

from interp.base.errors import UserError
from interp.models import build
from interp.models.transformer import HookedTransformer
from interp.training.forced import predict
from interp.training.presets.attention import long32

LENGTHS = (1024, 2048, 4096, 8192, 16_384)
BATCH, LETTERS = 64, 36
"""Strings of a step, and the mean length of those that `long32` is trained on."""


def copy_once(length: int, plain: bool, threads: int) -> tuple[float, float]:
    """Processor seconds of copying one string, and the peak memory of this process in mebibytes."""
    torch.set_num_threads(threads)
    config, task, _ = long32()
    model, batch = build(config), task.sample(1, length, 0)
    if plain:
        for block in model.blocks:
            block.attn.fast = False
    began = time.process_time()
    with torch.no_grad():
        model(batch.tokens) if plain else predict(model, batch)
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return time.process_time() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / unit


def in_its_own_process(work: Callable[[], tuple[float, float]]) -> tuple[float, float] | str:
    """What it found, or the words with which it was refused."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            return pool.apply(work)
        except UserError as error:
            return str(error)


def exponent(lengths: tuple[int, ...], values: list[float]) -> float:
    """The power of the length with which a quantity grows between the two longest."""
    return log(values[-1] / values[-2]) / log(lengths[-1] / lengths[-2])


class Plain(nn.Module):
    """`long32` in PyTorch's own words: SDPA with a mask in the first layer, no hooks, the same weights."""

    windows: Tensor

    def __init__(self, ours: HookedTransformer, positions: int) -> None:
        super().__init__()
        first, second = (block.attn for block in ours.blocks)
        self.W_E, self.W_U, self.b_U = (nn.Parameter(p.detach().clone()) for p in (ours.W_E, ours.W_U, ours.b_U))
        names = [(first, ("W_values", "b_values", "W_O", "b_O")), (second, ("W_QKV", "b_QKV", "W_O", "b_O"))]
        self.layers = nn.ModuleList(
            nn.ParameterDict({name: nn.Parameter(getattr(attn, name).detach().clone()) for name in some})
            for attn, some in names
        )
        at = torch.arange(positions)
        distance = at[:, None] - at
        windows = torch.tensor(first.heads.windows)[:, None, None]
        self.register_buffer("windows", ((distance >= 0) & (distance < windows))[None])

    def forward(self, tokens: Tensor, start: int) -> Tensor:
        x = F.embedding(tokens, self.W_E)
        one, two = self.layers
        n = F.layer_norm(x, x.shape[-1:])
        v = torch.einsum("bpm,mhd->bhpd", n, one["W_values"]) + one["b_values"][:, None]
        z = F.scaled_dot_product_attention(torch.zeros_like(v), torch.zeros_like(v), v, attn_mask=self.windows)
        x = x + torch.einsum("bhpd,hdm->bpm", z, one["W_O"]) + one["b_O"]
        n = F.layer_norm(x, x.shape[-1:])
        q, k, v = torch.einsum("bpm,mwhd->wbhpd", n, two["W_QKV"]) + two["b_QKV"][:, None, :, None]
        z = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        x = (x + torch.einsum("bhpd,hdm->bpm", z, two["W_O"]) + two["b_O"])[:, start:]
        return F.layer_norm(x, x.shape[-1:]) @ self.W_U + self.b_U


def training_steps() -> dict[str, Run]:
    """Forward, loss, backward and AdamW on the same strings."""
    config, task, _ = long32()
    built, batch = build(config), task.sample(BATCH, LETTERS, 0)
    ours = cast(HookedTransformer, built)
    start = LETTERS + 1
    forwards = {
        "ours": (ours, partial(ours, batch.tokens, queries_from=start)),
        "plain SDPA": (plain := Plain(ours, batch.tokens.shape[1]), partial(plain, batch.tokens, start)),
    }
    torch.testing.assert_close(forwards["ours"][1](), forwards["plain SDPA"][1](), atol=1e-4, rtol=1e-4)
    return {name: _step(model, forward, batch.targets[:, start:]) for name, (model, forward) in forwards.items()}


def _step(model: nn.Module, forward: Callable[[], Tensor], targets: Tensor) -> Run:
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        F.cross_entropy(forward().flatten(0, 1), targets.flatten()).backward()
        optimizer.step()

    return step


def main(repeats: int = 9, threads: int = 1, quick: bool = False) -> None:
    """Measure, print, and the results as one line of JSON.

    Args:
        repeats: rounds of training steps that count.
        threads: of PyTorch.
        quick: only short strings, in two rounds.
    """
    lengths = LENGTHS[:2] if quick else LENGTHS
    print(f"{'letters':>8}{'seconds':>10}{'MiB':>8}   plain: seconds, MiB")
    seconds, memory = [], []
    for length in lengths:
        ours = in_its_own_process(partial(copy_once, length, False, threads))
        plain = in_its_own_process(partial(copy_once, length, True, threads))
        if isinstance(ours, str):
            raise UserError(ours)
        seconds.append(ours[0])
        memory.append(ours[1])
        beside = plain if isinstance(plain, str) else f"{plain[0]:.2f}, {plain[1]:,.0f}"
        print(f"{length:8,}{ours[0]:10.2f}{ours[1]:8,.0f}   {beside}")
    torch.set_num_threads(threads)
    steps = measure(training_steps(), 2 if quick else repeats)
    print(table("training step, milliseconds", {f"{BATCH} strings of {LETTERS} letters": steps}))
    ratio = times_ours(steps, "plain SDPA")
    found = {
        f"seconds_{lengths[-1]}": round(seconds[-1], 2),
        f"peak_mb_{lengths[-1]}": round(memory[-1]),
        "seconds_exponent": round(exponent(lengths, seconds), 2),
        "memory_exponent": round(exponent(lengths, memory), 2),
        "step_vs_sdpa": ratio and round(1 / ratio, 3),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    tyro.cli(main)
