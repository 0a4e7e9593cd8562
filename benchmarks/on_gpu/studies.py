"""Training a preset and asking everything of it: what it takes, and whether the answer is the one that is known."""

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

import interp
from interp.models import build
from interp.studies.study import STUDIES
from interp.training.presets import preset
from on_gpu import Row, peak_gib, row

FEW = 150
"""Steps of a preset whose whole training is too long here."""
KINDS = ("mamba", "mamba2", "lstm", "hybrid")


def rows(device: str, quick: bool) -> Iterator[Row]:
    steps = 2 if quick else None
    with TemporaryDirectory() as folder:
        home = Path(folder)
        yield row("training hard-alibi", trained, "hard-alibi", home, device, steps)
        yield row("heads of hard-alibi", studied, "heads", home / "hard-alibi", device, quick)
        yield row("training mamba, a few steps", trained, "mamba", home, device, steps or FEW)
        yield row("state of mamba, tiny", studied, "state", home / "mamba", device, True)
        for kind in KINDS[: 1 if quick else None]:
            yield row(f"heads of {kind}, tiny, here and on the CPU", both, kind, home, device)
        if not quick:
            yield row("state of mamba", studied, "state", home / "mamba", device, False)


def trained(kind: str, home: Path, device: str, steps: int | None) -> Row:
    """Seconds, and the share of strings that are copied at the end."""
    config, task, recipe = preset(kind)
    recipe = recipe if steps is None else replace(recipe, steps=steps)
    model = build(config, seed=0).to(device)
    begin = time.perf_counter()
    log = interp.train(model, task, recipe, home / kind, progress=False)
    seconds = time.perf_counter() - begin
    return {"steps": recipe.steps, "seconds": seconds, "string_accuracy": float(log.string_accuracy[-1].max())}


def studied(name: str, run: Path, device: str, tiny: bool) -> Row:
    """Seconds of a study, and its answer."""
    seconds, found = clocked(name, interp.load(run, device=device), STUDIES[name].Settings.tiny() if tiny else None)
    return {"seconds": seconds, "gib": peak_gib(device), "answer": found.verdict.answer, "says": str(found.verdict)}


def both(kind: str, home: Path, device: str) -> Row:
    """Seconds of the smallest study of heads of a model that is hardly trained."""
    config, task, recipe = preset(kind)
    few: dict[str, Any] = {"steps": 1, "batch": 2, "evaluate_every": 1, "evaluate_strings": 1, "length": (2, 8)}
    run = home / f"{kind}-untrained"
    interp.train(build(config, seed=0), task, replace(recipe, **few), run, progress=False)
    tiny = STUDIES["heads"].Settings.tiny()
    here, found = clocked("heads", interp.load(run, device=device), tiny)
    cpu, ours = clocked("heads", interp.load(run), tiny)
    off = max(abs(a.score - b.score) for a, b in zip(found.scores.heads, ours.scores.heads, strict=True))
    return {"seconds": here, "cpu_seconds": cpu, "scores_off": off}


def clocked(name: str, loaded: Any, settings: Any) -> tuple[float, Any]:
    begin = time.perf_counter()
    found = STUDIES[name].run(loaded, settings, seed=0)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter() - begin, found
