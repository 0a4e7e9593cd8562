"""How well each recurrent family copies at equal state, weights and examples, and at which learning rate.

Presets are found so. Each model has two layers, 4,096 numbers of matrix-valued state, and the width at which its
weights come nearest to those of the preset `mamba`, 67,392; Mamba-3, whose state grows with its width, has fewer. The
learning rate is swept on a short training, then the best rate is trained in full, from several seeds. Every training is
a line of JSON: the recipe, string and letter accuracy by length, and bits used beside the state's. What is trained is
kept in a folder a run, so that an interrupted sweep goes on where it stopped. `--read FILE` makes the table of the site
from such lines (`docs/recurrent_presets.jsonl`) instead.
"""

import json
import math
from collections.abc import Sequence
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
from interp.tasks.copy import CopyTask
from interp.training.evaluate import accuracy_by_length
from interp.training.loop import train
from interp.training.recipe import TrainConfig
from interp.training.run_folder import load_run

HEADS = {"n_heads": 2, "d_key": 32, "d_value": 32}
SHAPES: dict[str, dict[str, Any]] = {
    "mamba": {"kind": "mamba", "initialization": "mimetic"},
    "gated_deltanet": {"kind": "gated_deltanet", "d_model": 96, **HEADS, "d_conv": 4},
    "gla": {"kind": "gla", "d_model": 90, **HEADS, "d_conv": 4},
    "mlstm": {"kind": "mlstm", "d_model": 96, **HEADS, "d_conv": 4},
    "rwkv7": {"kind": "rwkv7", "d_model": 92, **HEADS},
    "mamba3": {"kind": "mamba3", "d_state": 16},
    "gated_deltanet_hybrid": {
        "kind": "hybrid",
        "d_model": 92,
        "layers": ("gated_deltanet", "attention"),
        "gated_deltanet": {**HEADS, "d_conv": 6},
        "attention": {"n_heads": 4},
    },
}
"""Name -> the model, of two layers."""


def recipe(name: str, steps: int, rate: float, seed: int) -> TrainConfig:
    """Strings from one letter to ten, as the preset `mamba` has them; of a hybrid from 5 to 30, as `hybrid`."""
    low, high = (5, 30) if "hybrid" in name else (1, 10)
    return TrainConfig(
        steps=steps,
        length=(low, high),
        learning_rate=rate,
        evaluate_lengths=(high,),
        evaluate_every=max(1, steps // 4),
        checkpoint_every=steps,
        seed=seed,
    )


def measured(name: str, steps: int, rate: float, seed: int, strings: int, folder: Path) -> dict[str, Any]:
    """Train, or open what was trained, and measure."""
    task, config, place = CopyTask(), recipe(name, steps, rate, seed), folder / f"{name}-{steps}-{rate}-{seed}"
    model: Any = build({**SHAPES[name], "d_vocab": task.vocabulary.size}, seed=seed)
    begun = process_time()
    if (place / "model.safetensors").is_file():
        model = load_run(place).model
    else:
        train(model, task, config, place, progress=False)
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
        "seconds": round(took, 1),
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


def table(lines: Sequence[dict[str, Any]]) -> str:
    """What the longest trainings of each model at each rate gave: the median of its seeds, the least and the most."""
    rows = []
    for name in SHAPES:
        longest = max((line["steps"] for line in lines if line["name"] == name), default=0)
        long = [line for line in lines if line["name"] == name and line["steps"] == longest]
        rows += [_row(name, [line for line in long if line["rate"] == rate]) for rate in _rates(long)]
    head = ("model", "weights", "state bits", "strings", "rate", "strings right (letters)", "half right at")
    head += ("most bits used", "per 1,000 bits of state", "seconds")
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *rows])


def _rates(lines: Sequence[dict[str, Any]]) -> list[float]:
    return sorted({line["rate"] for line in lines})


def _row(name: str, lines: Sequence[dict[str, Any]]) -> str:
    one, longest = lines[0], recipe(name, 1, 1.0, 0).lengths[1]
    at = one["lengths"].index(longest)
    cells = (
        name,
        f"{one['parameters']:,}",
        f"{one['state_bits'][at]:,.0f}",
        f"{one['strings']:,}",
        f"{one['rate']:g}",
        _spread([line["string_accuracy"][at] for line in lines], ".3f") + f" ({longest})",
        _spread([half(line) for line in lines], ".1f"),
        _spread([max(line["bits_used"]) for line in lines], ".1f"),
        _spread([max(map(_share, line["bits_used"], line["state_bits"])) for line in lines], ".2f"),
        _spread([line["seconds"] for line in lines], ".0f"),
    )
    return "| " + " | ".join(cells) + " |"


def _share(used: float, state: float) -> float:
    """Used bits per thousand of the state's, at the same length."""
    return 1000 * used / state


def _spread(values: Sequence[float], form: str) -> str:
    middle, *ends = (format(value, form) for value in (median(values), min(values), max(values)))
    return middle if len(values) == 1 else f"{middle} [{', '.join(ends)}]"


def main(
    names: tuple[str, ...] = tuple(SHAPES),
    rates: tuple[float, ...] = (1.5e-3, 3e-3, 6e-3, 1.2e-2),
    short: int = 600,
    steps: int = 2000,
    seeds: int = 1,
    strings: int = 1000,
    folder: Path = Path("found"),
    read: Path | None = None,
) -> None:
    """Sweep the learning rate, train the best in full, and print every measurement as a line of JSON.

    Args:
        names: models of `SHAPES`.
        rates: learning rates of the sweep.
        short: steps of each training of the sweep.
        steps: steps of a full training.
        seeds: full trainings, from seeds 0, 1, ...
        strings: of each length that is measured.
        folder: where trainings are kept.
        read: a file of such lines, of which the table is printed; nothing is trained.
    """
    if read is not None:
        print(table([json.loads(line) for line in read.read_text(encoding="utf-8").splitlines()]))
        return
    torch.set_num_threads(1)
    for name in names:
        swept = []
        for rate in rates:
            found = measured(name, short, rate, 0, strings, folder)
            print(json.dumps(found), flush=True)
            high = recipe(name, short, rate, 0).lengths[1]
            swept.append((found["letter_accuracy"][found["lengths"].index(high)], rate))
        best = max(swept)[1]
        for seed in range(seeds):
            print(json.dumps(measured(name, steps, best, seed, strings, folder)), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
