"""The page on SmolLM2 says what `docs/language/` holds, row by row."""

from pathlib import Path

import numpy as np

from interp.base.estimates import mean_interval, proportion_interval, share_interval
from interp.results.accuracy import StepCurve
from interp.results.heads import MovedHeads
from interp.results.language import LanguageHeads, LossTable
from interp.studies.language.result import LanguageStudy

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "smollm2.md").read_text(encoding="utf-8").splitlines()


def told(names, columns: int) -> list[str]:
    """Rows of so many columns that begin with one of these names and hold an interval."""
    rows = [line for line in PAGE if line.startswith("| ") and line.count("|") == columns + 1 and "[" in line]
    return [line for line in rows if line.split(" | ")[0][2:] in names]


def test_every_row_of_the_page_is_what_was_measured():
    rows, tasks = [], LanguageStudy.load(DOCS / "language").tasks
    for task in tasks:
        for length, tokens, right, share in zip(task.lengths, task.tokens, task.right, task.share, strict=True):
            low, high = proportion_interval(int(right.sum()), len(right))
            said = f"{right.mean():.0%} [{low:.0%}, {high:.0%}] | {share.mean():.1%}"
            rows.append(f"| {task.task} | {length} {task.unit} | {tokens:.0f} | {said} |")
    assert told({task.task for task in tasks}, 5) == rows and len(rows) == 22


def test_what_is_left_of_copies_is_what_was_measured():
    rows, found = [], LossTable.load(DOCS / "language" / "losses").losses
    for one in found:
        of = {row: place for place, row in enumerate(one.rows)}
        if "without ten others, zero" not in of:
            continue  # other rankings, which the text names
        first, unforeseen = one.first_reading[0], one.unforeseen[of["without the first ten, zero"]]
        asked = (0, *(of[f"without {of_heads}"] for of_heads in ("the first ten, mean", "the first ten, zero")))
        ends = (*(one.right[place] for place in asked), one.right[of["without ten others, zero"]])
        whole = [f"{x.mean():.0%} [{share_interval(x).low:.0%}, {share_interval(x).high:.0%}]" for x in ends]
        said = [f"{first.mean():.0%}", *whole[:3], f"{np.nanmean(unforeseen):.0%}", whole[3]]
        rows.append(f"| {one.copied} | {' | '.join(said)} |")
    assert told({one.copied for one in found}, 7) == rows and len(rows) >= 3


def test_what_moves_single_heads_is_what_was_measured():
    found = MovedHeads.load(DOCS / "language" / "letters" / "heads")
    rows = []
    for head, n, ends, moves in zip(found.heads, found.n, found.n_interval, found.moves, strict=True):
        each = [(row.mean(), *mean_interval(row)) for row in moves]
        said = " | ".join(f"{mean:.1f} [{low:.1f}, {high:.1f}]" for mean, low, high in each)
        rows.append(f"| {head} | {said} | {n} [{ends[0]}, {ends[1]}] |")
    assert told({*found.heads}, 6) == rows and len(rows) == 10


def test_how_far_the_answer_moves_is_what_was_measured():
    curve = StepCurve.load(DOCS / "language" / "letters" / "answers")
    said = (f"{v:.2f} [{i.low:.2f}, {i.high:.2f}]" for v, i in zip(curve.value, curve.interval, strict=True))
    assert f"| {' | '.join(said)} |" in PAGE
    assert f"n = {curve.n} [{curve.n_interval[0]}, {curve.n_interval[1]}]" in " ".join(PAGE)


def test_what_the_probe_loses_is_what_was_measured():
    found = LanguageHeads.load(DOCS / "language" / "heads")
    best, attention = np.argsort(-found.cost.mean(axis=1), kind="stable")[:10], found.on("key-value").attention
    rows = []
    for place in best:
        (low, high), name, lost = mean_interval(found.cost[place]), found.heads[place], found.cost[place].mean()
        rows.append(f"| {name} | {lost:.2f} [{low:.2f}, {high:.2f}] | {attention[place]:.2f} |")
    assert told({*found.heads}, 3) == rows and len(rows) == 10
