"""How well each recurrent family copies at equal state, weights and examples, and at which learning rate.

The presets of `interp.training.presets.recurrent` were found so. The learning rate is swept on a short training, then
the best rate is trained in full, from several seeds. Every training is a line of JSON: the recipe, string and letter
accuracy by length, and bits used beside the state's. What is trained is kept (below `$INTERP_HOME`) by name, seed and
recipe, so that an interrupted sweep goes on where it stopped. `--read FILE` makes the two tables of the site from such
lines (`docs/recurrent_presets.jsonl`) instead.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from statistics import median
from time import process_time
from typing import Any

import torch
import tyro

from interp.measure.state.bits import used_bits
from interp.measure.state.size import state_size
from interp.models import build
from interp.training.evaluate import accuracy_by_length
from interp.training.kept_runs import kept_folder, kept_run
from interp.training.presets import preset
from interp.training.recipe import TrainConfig
from interp.training.run_folder import load_run

PLACE = "recurrent_presets"
"""Where run folders lie, below `interp.training.kept_runs.home`."""

FOUND_BEFORE = "mamba"
"""Preset whose rate is not swept."""
NAMES = (FOUND_BEFORE, "gated_deltanet", "gla", "rwkv7", "mlstm", "mamba3", "gated_deltanet_hybrid")
"""Presets whose models are trained. That of `mamba` was found before; the others have the rates found here."""


def recipe(name: str, steps: int, rate: float, seed: int) -> TrainConfig:
    """The preset's, for as many steps at this rate: strings from one letter to ten, of a hybrid from 5 to 30."""
    _, _, training = preset(name)
    high = training.lengths[1]
    return replace(
        training,
        steps=steps,
        learning_rate=rate,
        seed=seed,
        evaluate_lengths=(high,),
        evaluate_every=max(1, steps // 4),
        checkpoint_every=max(1, steps // 4),
    )


def measured(name: str, steps: int, rate: float, seed: int, strings: int) -> dict[str, Any]:
    """Train, or open what was trained whole, and measure.

    Seconds are of a training from its first step to its last; None where it was kept, in whole or in part.
    """
    shape, task, _ = preset(name)
    config, place = recipe(name, steps, rate, seed), f"{PLACE}/{name}"
    shape = {**shape, "d_vocab": task.vocabulary.size}
    folder = kept_folder(place, build(shape, seed=seed), task, config)
    anew, begun = not any(folder.parent.glob(f"{folder.name}*")), process_time()
    model: Any = kept_run(place, shape, task, config, progress=False, read=load_run).model
    took, high = process_time() - begun, config.lengths[1]
    lengths = sorted({max(1, round(high * share)) for share in (0.5, 0.8, 1, 1.1, 1.2, 1.3, 1.5, 2, 3)})
    accuracy = accuracy_by_length(model, task, lengths, strings, 1)
    used = used_bits(model, task, lengths, strings, 2)
    size = state_size(model, lengths)
    return {
        "name": name,
        "steps": steps,
        "strings": steps * config.batch,
        "rate": rate,
        "seed": seed,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "seconds": round(took, 1) if anew else None,
        "lengths": lengths,
        "string_accuracy": [round(float(share), 4) for share in accuracy.string_correct.mean(axis=1)],
        "letter_accuracy": [round(float(share), 4) for share in accuracy.letter_accuracy.mean(axis=1)],
        "bits_used": [round(bits, 2) for bits in used.total],
        "bits_interval": [[round(ends.low, 2), round(ends.high, 2)] for ends in used.interval],
        "state_bits": size.bits,
    }


def half(line: dict[str, Any]) -> float:
    """The length at which half of the strings are right, between those that were measured; 0 where none has half."""
    points = list(zip(line["lengths"], line["string_accuracy"], strict=True))
    for (n, above), (m, below) in pairwise(points):
        if above >= 0.5 > below:
            return n + (m - n) * (above - 0.5) / (above - below)
    return math.inf if points[-1][1] >= 0.5 else 0.0


def swept(lines: Sequence[dict[str, Any]]) -> str:
    """Strings and letters right at the longest length of training, after the shortest trainings of each model."""
    shortest, rows = min(line["steps"] for line in lines), []
    short_lines = [line for line in lines if line["steps"] == shortest]
    rates = _rates(short_lines)
    for name in NAMES:
        short = {line["rate"]: line for line in short_lines if line["name"] == name}
        if short:
            rows.append(cells(name, *(_right(short[rate]) if rate in short else "" for rate in rates)))
    return under(("model", *(f"{rate:g}" for rate in rates)), rows)


def _right(line: dict[str, Any]) -> str:
    at = _longest(line)
    return f"{line['string_accuracy'][at]:.3f} ({line['letter_accuracy'][at]:.4f})"


def _longest(line: dict[str, Any]) -> int:
    """Where the longest length of training stands among those that were measured."""
    return line["lengths"].index(recipe(line["name"], 1, 1.0, 0).lengths[1])


def table(lines: Sequence[dict[str, Any]]) -> str:
    """What the longest trainings of each model at each rate gave: the median of its seeds, the least and the most."""
    rows = []
    for name in NAMES:
        longest = max((line["steps"] for line in lines if line["name"] == name), default=0)
        long = [line for line in lines if line["name"] == name and line["steps"] == longest]
        rows += [_row(name, [line for line in long if line["rate"] == rate]) for rate in _rates(long)]
    head = ("model", "weights", "state bits", "strings", "rate", "seeds", "strings right (letters)", "half right at")
    head += ("most bits used", "per 1,000 bits of state", "seconds")
    return under(head, rows)


def under(head: Sequence[str], rows: Sequence[str]) -> str:
    """A table."""
    return "\n".join([cells(*head), "|" + "---|" * len(head), *rows])


def cells(*texts: str) -> str:
    """A row of a table."""
    return "| " + " | ".join(texts) + " |"


def _rates(lines: Sequence[dict[str, Any]]) -> list[float]:
    return sorted({line["rate"] for line in lines})


def _row(name: str, lines: Sequence[dict[str, Any]]) -> str:
    one = lines[0]
    at, last = _longest(one), one["lengths"][-1]
    return cells(
        name,
        f"{one['parameters']:,}",
        f"{one['state_bits'][at]:,.0f}",
        f"{one['strings']:,}",
        f"{one['rate']:g}",
        str(len(lines)),
        _spread([line["string_accuracy"][at] for line in lines], ".3f") + f" ({one['lengths'][at]})",
        _spread([half(line) for line in lines], ".1f").replace("inf", f"over {last}"),
        _spread([max(line["bits_used"]) for line in lines], ".1f"),
        _spread([max(map(_share, line["bits_used"], line["state_bits"])) for line in lines], ".2f"),
        _spread([line["seconds"] for line in lines if line["seconds"] is not None], ".0f"),
    )


def _share(used: float, state: float) -> float:
    """Used bits per thousand of the state's, at the same length."""
    return 1000 * used / state


def _spread(values: Sequence[float], form: str) -> str:
    if not values:
        return "kept"
    middle, *ends = (format(value, form) for value in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} [{', '.join(ends)}]"


def main(
    names: tuple[str, ...] = NAMES,
    rates: tuple[float, ...] = (1.5e-3, 3e-3, 6e-3, 1.2e-2, 2.4e-2),
    short: int = 600,
    steps: int = 2000,
    seeds: int = 3,
    strings: int = 1000,
    read: Path | None = None,
) -> None:
    """Sweep the learning rate, train the best in full, and print every measurement as a line of JSON.

    Args:
        names: of presets.
        rates: learning rates of the sweep.
        short: steps of each training of the sweep.
        steps: steps of a full training.
        seeds: full trainings, from seeds 0, 1, ...
        strings: of each length that is measured.
        read: a file of such lines, of which the table is printed; nothing is trained.
    """
    if read is not None:
        lines = [json.loads(line) for line in read.read_text(encoding="utf-8").splitlines()]
        print(swept(lines), table(lines), sep="\n\n")
        return
    torch.set_num_threads(1)
    for name in names:
        tried = []
        for rate in rates if name != FOUND_BEFORE else ():
            found = measured(name, short, rate, 0, strings)
            print(json.dumps(found), flush=True)
            tried.append((found["letter_accuracy"][_longest(found)], rate))
        best = max(tried)[1] if tried else preset(name)[2].learning_rate
        for seed in range(seeds):
            print(json.dumps(measured(name, steps, best, seed, strings)), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
