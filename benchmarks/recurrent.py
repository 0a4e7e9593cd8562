"""What recurrent layers with large states cost: a training step of each family beside others' torch paths.

Contestants are one model whose recurrence is run by another function: ours in chunks, ours position by position
(`using("reference")`), flash-linear-attention's naive recurrence (its files alone, which need no triton), for the gated
delta rule also transformers' torch path of Qwen3-Next; of Mamba-3 and S4D neither has a path without kernels. Logits
are compared before the clock starts. Beside them runs a step without any recurrence, below which no scan can bring it:
`scan_speedup_FAMILY` compares what the recurrences add to it. Ratios are of median processor times on one thread;
whoever needs longer than the limit is reported so. The last line is JSON.
"""

import json
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec, module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
import tyro
from rounds import Clock, Run, measure_within, table
from torch import Tensor, nn

from interp.models import build
from interp.models.recurrent import matrix_state
from interp.models.scan.matrix import matrix_scan
from interp.models.scan.methods import using

Scan = Callable[..., tuple[Tensor, Tensor]]
SHAPE = {"n_layers": 2, "d_model": 128, "d_vocab": 32}
BATCH, LENGTH = 64, 100
POSITIONS = "ours, position by position"
WITHOUT = "without the recurrence"
MATRICES = ("linear_attention", "retnet", "gla", "mlstm", "deltanet", "gated_deltanet", "rwkv7")
"""Families whose recurrence is `matrix_scan`'s."""
FAMILIES = (*MATRICES, "mamba3", "s4d")


def naive(op: str) -> Any:
    """flash-linear-attention's file of naive recurrences of an operation; None if it is not installed."""
    spec = find_spec("fla")
    if spec is None or not spec.submodule_search_locations:
        return None
    path = Path(next(iter(spec.submodule_search_locations))) / "ops" / op / "naive.py"
    file = spec_from_file_location(f"naive_{op}", path)
    assert file is not None and file.loader is not None
    module = module_from_spec(file)
    file.loader.exec_module(module)
    return module


def others(family: str) -> dict[str, Scan]:
    """Who else runs this family's recurrence, in the terms of `matrix_scan`; all start from a state of zeros."""
    found: dict[str, Scan] = {}
    if family in ("linear_attention", "retnet", "mlstm") and (ops := naive("simple_gla")):
        found["fla, naive"] = lambda q, k, v, g, *_: ops.naive_recurrent_simple_gla(q, k, v, g[..., 0], scale=1.0)
    if family == "gla" and (ops := naive("gla")):
        found["fla, naive"] = lambda q, k, v, g, *_: ops.naive_recurrent_gla(q * q.shape[3] ** 0.5, k, v, g)
    if family == "deltanet" and (ops := naive("delta_rule")):
        found["fla, naive"] = partial(_delta, ops.delta_rule_recurrence)
    if family == "gated_deltanet":
        from transformers.models.qwen3_next.modeling_qwen3_next import torch_chunk_gated_delta_rule

        found["transformers, chunked"] = partial(_gated_delta, torch_chunk_gated_delta_rule)
        if ops := naive("gated_delta_rule"):
            found["fla, naive"] = partial(_gated_delta, ops.naive_recurrent_gated_delta_rule)
    return found


def _strength(erase: Tensor, probe: Tensor, log_decay: Tensor) -> Tensor:
    """beta, from what it and the decay make of the probe."""
    return erase.norm(dim=3) / probe.norm(dim=3) / log_decay[..., 0].exp()


def _delta(rule: Any, q: Tensor, _: Tensor, v: Tensor, g: Tensor, erase: Tensor, probe: Tensor, *__: Any) -> Any:
    beta, scale = _strength(erase, probe, g), q.shape[3] ** 0.5
    mine = (q * scale, probe, v / beta[..., None], beta)
    y, state = rule(*(part.transpose(1, 2) for part in mine))
    return y.transpose(1, 2), state


def _gated_delta(rule: Any, q: Tensor, _: Tensor, v: Tensor, g: Tensor, erase: Tensor, probe: Tensor, *__: Any) -> Any:
    beta, scale = _strength(erase, probe, g), q.shape[3] ** 0.5
    return rule(q * scale, probe, v / beta[..., None], g=g[..., 0], beta=beta)


def written_out(run: Run) -> Any:
    """What `run` gives where layers run their recurrence position by position."""
    with using("reference"):
        return run()


def nothing(q: Tensor, k: Tensor, v: Tensor, log_decay: Tensor, *more: Tensor | None) -> tuple[Tensor, Tensor]:
    """No recurrence: y is v, and every input still has a gradient."""
    given = [part for part in (q, k, log_decay, *more) if part is not None]
    return v + sum(part.mean() for part in given), v.new_zeros(())


def with_scan(scan: Scan, run: Run) -> Any:
    """What `run` gives where layers run their recurrence by `scan`."""
    module: Any = matrix_state
    module.matrix_scan = scan
    try:
        return run()
    finally:
        module.matrix_scan = matrix_scan


def strings(batch: int, length: int) -> Tensor:
    return torch.randint(0, SHAPE["d_vocab"], (batch, length), generator=torch.Generator().manual_seed(0))


def step(model: nn.Module, optimizer: torch.optim.Optimizer, tokens: Tensor) -> None:
    """Forward, loss, backward and AdamW."""
    optimizer.zero_grad()
    logits = model(tokens)
    F.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten()).backward()
    optimizer.step()


def contestants(family: str, batch: int, length: int) -> dict[str, Run]:
    """A step of each; refuses those whose logits differ."""
    ways: dict[str, Callable[[Run], Any]] = {"ours": lambda run: run(), POSITIONS: written_out}
    ways |= {name: partial(with_scan, scan) for name, scan in others(family).items()}
    made = {name: build({"kind": family, **SHAPE}, seed=0) for name in ways}
    few, tokens = strings(2, 20), strings(batch, length)
    expected = made["ours"](few)
    runs: dict[str, Run] = {}
    if family in MATRICES:
        ways[WITHOUT], made[WITHOUT] = partial(with_scan, nothing), build({"kind": family, **SHAPE}, seed=0)
    for name, model in made.items():
        logits = ways[name](partial(model, few))
        if name != WITHOUT:
            torch.testing.assert_close(logits, expected, atol=1e-5, rtol=1e-4)
        optimizer = torch.optim.AdamW(model.parameters(), lr=1e-4)
        runs[name] = partial(ways[name], partial(step, model, optimizer, tokens))
    return runs


def fastest_other(clocks: dict[str, Clock | None], limit: float) -> float | None:
    """How many times our processor time the fastest of the others took; None where there is no other."""
    own, theirs = clocks["ours"], _others(clocks, limit)
    assert own is not None
    return round(min(theirs) / own.processor, 3) if theirs else None


def fastest_other_scan(clocks: dict[str, Clock | None], limit: float) -> float | None:
    """How many times the processor time of our recurrence theirs took: each step less the one without a recurrence."""
    own, bare, theirs = clocks["ours"], clocks.get(WITHOUT), _others(clocks, limit)
    if own is None or bare is None or not theirs:
        return None
    return round((min(theirs) - bare.processor) / (own.processor - bare.processor), 3)


def _others(clocks: dict[str, Clock | None], limit: float) -> list[float]:
    own = ("ours", POSITIONS, WITHOUT)
    return [limit if clock is None else clock.processor for name, clock in clocks.items() if name not in own]


def main(repeats: int = 5, limit: float = 90.0, families: tuple[str, ...] = FAMILIES, growth: bool = True) -> None:
    """Measure, print tables, and the ratios as one line of JSON.

    Args:
        repeats: rounds that count.
        limit: seconds that one step may take; whoever needs longer is reported so.
        families: which.
        growth: whether to measure how our step grows with the length, too.
    """
    torch.set_num_threads(1)
    found: dict[str, float | None] = {}
    for family in families:
        clocks = measure_within(contestants(family, BATCH, LENGTH), repeats, limit)
        print(table(f"{family}, training step, ms", {f"{BATCH} strings of {LENGTH}": clocks}, limit=limit), flush=True)
        found[f"speedup_{family}"] = fastest_other(clocks, limit)
        found[f"scan_speedup_{family}"] = fastest_other_scan(clocks, limit)
        if growth:
            lengths = (200, 800)
            runs = {n: {"ours": contestants(family, 8, n)["ours"]} for n in lengths}
            short, long = (measure_within(runs[n], repeats, limit)["ours"] for n in lengths)
            assert short is not None
            found[f"growth_{family}"] = None if long is None else round(long.processor / short.processor / 4, 3)
    print(json.dumps(found))


if __name__ == "__main__":
    tyro.cli(main)
