"""How far copiers with equally many strings and about as many weights copy, one thing changed in each.

The arms of `interp.experiments.record`, one line of JSON for each training: its weights, its lookup heads, what its
margins predict, and strings copied whole by length. What is trained is kept (below `$INTERP_HOME`), so that an
interrupted run goes on where it stopped. `--read FILE` makes the site's table from such lines
(`docs/record_arms.jsonl`) instead, and `--rates FILE` beside it that of trainings at other rates
(`docs/record_rates.jsonl`).
"""

import json
from collections.abc import Iterable
from pathlib import Path

import torch
import tyro

from interp.base.codec import from_plain, to_plain
from interp.experiments.record.result import Training
from interp.experiments.record.run import record_study
from interp.experiments.record.run.arms import ARMS
from interp.experiments.record.settings import RecordSettings

LENGTHS = (16, 32, 64, 128, 256, 512, 1024, 2048)
STRINGS = (200, 200, 200, 200, 100, 100, 50, 20)
MARGIN_LENGTHS = (64, 128, 256)


def measured(arm: str, seed: int, learning_rate: float | None) -> Training:
    """Train, or open what was trained, predict, and copy."""
    settings = RecordSettings(
        arms=(arm,),
        seeds=1,
        lengths=LENGTHS,
        strings=STRINGS,
        margin_lengths=MARGIN_LENGTHS,
        margin_strings=40,
        learning_rate=learning_rate,
    )
    return record_study(settings, seed=seed, progress=False).trainings[0]


def trainings_in(file: Path) -> list[Training]:
    """What was printed, read again."""
    return [from_plain(Training, json.loads(line)) for line in file.read_text(encoding="utf-8").splitlines()]


def table(trainings: Iterable[Training]) -> str:
    """A row for each arm: its trainings together, and how many of the measured shares were as predicted.

    The rule of the prediction was settled on trainings of seed 0; those of other seeds it had not seen.
    """
    by_arm: dict[str, list[Training]] = {}
    for training in trainings:
        by_arm.setdefault(training.arm, []).append(training)
    head = ("arm", "trainings", "weights", "n", *(f"{length:,}" for length in LENGTHS), "seed 0 as predicted", "others")
    rows = [_row(arm, by_arm[arm]) for arm in ARMS if arm in by_arm]
    return "\n".join([cells(head), cells(["---"] * len(head)), *map(cells, rows)])


AT = (64, 128, 256, 1024)
"""Lengths of which the table of rates tells."""


def rates_table(trainings: Iterable[Training]) -> str:
    """A row for each arm that was trained at several rates: strings copied whole at some lengths, at each of them."""
    found = {(training.arm, _rate(training)): training for training in trainings if training.seed == 0}
    rates = sorted({rate for _, rate in found})
    several = [arm for arm in ARMS if sum((arm, rate) in found for rate in rates) > 1]
    rows = [[arm, *(_right(found.get((arm, rate))) for rate in rates)] for arm in several]
    head = ["arm", *(f"rate {rate:g}" for rate in rates)]
    return "\n".join([cells(head), cells(["---"] * len(head)), *map(cells, rows)])


def _rate(training: Training) -> float:
    return training.learning_rate or ARMS[training.arm][1]()[2].learning_rate


def _right(training: Training | None) -> str:
    if training is None:
        return ""
    return ", ".join(str(training.right[training.lengths.index(length)]) for length in AT)


def cells(texts: Iterable[str]) -> str:
    """A row of a table."""
    return "| " + " | ".join(texts) + " |"


def _row(arm: str, trainings: list[Training]) -> list[str]:
    matched = ", ".join(str(training.predicted.n) if training.predicted else "?" for training in trainings)
    shares = [_share(trainings, at) for at in range(len(LENGTHS))]
    first, others = ([each for each in trainings if (each.seed == 0) == wanted] for wanted in (True, False))
    counts = str(len(trainings)), f"{trainings[0].n_parameters:,}"
    return [arm, *counts, matched, *shares, _inside(first), _inside(others)]


def _inside(trainings: list[Training]) -> str:
    known = [training for training in trainings if training.predicted is not None]
    return f"{sum(training.inside or 0 for training in known)} of {len(known) * len(LENGTHS)}" if known else ""


def _share(trainings: list[Training], at: int) -> str:
    """Strings copied whole of all trainings together, and the least and the most of one, where they differ."""
    each = [training.right[at] / training.strings[at] for training in trainings]
    least, mean, most = (f"{share:.2f}" for share in (min(each), sum(each) / len(each), max(each)))
    return mean if least == most else f"{mean} [{least}, {most}]"


def main(
    arms: tuple[str, ...] = tuple(ARMS),
    seeds: tuple[int, ...] = (0, 1, 2, 3, 4),
    learning_rate: float | None = None,
    read: Path | None = None,
    rates: Path | None = None,
) -> None:
    """Train every arm from every seed and print each as a line of JSON.

    Args:
        arms: names of `interp.experiments.record.run.arms.ARMS`.
        seeds: of weights and strings of training; the strings that are copied are each seed's own, too.
        learning_rate: peak of the learning rate, in place of each recipe's own.
        read: a file of such lines, of which the table is printed; nothing is trained.
        rates: a file of such lines at other rates, of which a table is printed beside those of `read`.
    """
    if read is not None:
        print(table(trainings_in(read)))
        if rates is not None:
            print(rates_table([*trainings_in(read), *trainings_in(rates)]))
        return
    torch.set_num_threads(1)
    for seed in seeds:
        for arm in arms:
            print(json.dumps(to_plain(measured(arm, seed, learning_rate))), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
