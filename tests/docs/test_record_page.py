"""The page of the record says what `docs/record.json` holds, and of a model that is the preset."""

import json
from pathlib import Path

import pytest

from interp.base.estimates import proportion_interval
from interp.models import build
from interp.training.presets import preset

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "record.md").read_text(encoding="utf-8")
FOUND = json.loads((DOCS / "record.json").read_text(encoding="utf-8"))
LETTERS = sorted({m["letters"] for m in FOUND["measured"]})


def row(begins: str) -> list[str]:
    """The cells of the first row of the page that begins so."""
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {begins} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("training", FOUND["trainings"], ids=lambda training: f"seed {training['seed']}")
def test_every_count_on_the_page_was_measured(training):
    counts = {m["letters"]: f"{m['right']}/{m['strings']}" for m in FOUND["measured"] if m["seed"] == training["seed"]}
    cells = row(str(training["seed"]))
    assert cells[1] == f"{training['cpu_seconds']:.0f} s" and training["cpu_seconds"] < 420
    assert cells[2:] == [counts.get(letters, "") for letters in LETTERS]


def test_the_longer_trainings_are_counted_alike():
    longer = FOUND["longer"]
    config, _, recipe = preset(longer["preset"])
    assert recipe.steps * recipe.batch == longer["strings_of_training"]
    assert build(config).n_parameters == FOUND["parameters"]
    assert all(len(m["first_errors"]) == m["strings"] - m["right"] for m in longer["measured"])
    for training in longer["trainings"]:
        here = [m for m in longer["measured"] if m["seed"] == training["seed"]]
        counts = [f"{m['right']}/{m['strings']}" for m in here]
        assert row(f"longer32, {training['seed']}")[1:] == [f"{training['cpu_seconds']:.0f} s", *counts]
    for at, letters in enumerate(sorted({m["letters"] for m in longer["measured"]})):
        here = [m for m in longer["measured"] if m["letters"] == letters]
        right, strings = (sum(m[name] for m in here) for name in ("right", "strings"))
        low, high = proportion_interval(right, strings)
        cell = row("longer32, together, Clopper-Pearson 95 %")[2 + at]
        assert cell == f"{right}/{strings} [{low:.3f}, {high:.3f}]"


def test_counts_together_have_exact_intervals():
    for letters, cell in zip(LETTERS, row("together, Clopper-Pearson 95 %")[2:], strict=True):
        here = [m for m in FOUND["measured"] if m["letters"] == letters]
        right, strings = (sum(m[name] for m in here) for name in ("right", "strings"))
        low, high = proportion_interval(right, strings)
        assert cell == f"{right}/{strings} [{low:.3f}, {high:.3f}]"
        assert all(len(m["first_errors"]) == m["strings"] - m["right"] for m in here)


def test_the_page_is_of_the_preset():
    config, _, recipe = preset("long32")
    assert build(config).n_parameters == FOUND["parameters"] <= 350_000 and f"{FOUND['parameters']:,}" in PAGE
    assert recipe.steps * recipe.batch == FOUND["strings_of_training"] and recipe.lengths == (1, 64)


def test_measured_shares_lie_in_the_predicted_intervals():
    measured = {(m["seed"], m["letters"]): m for m in FOUND["measured"]}
    for predicted in FOUND["predicted"]:
        for letters, (low, high) in zip(predicted["letters"], predicted["interval"], strict=True):
            if (found := measured.get((predicted["seed"], letters))) is not None:
                bounds = proportion_interval(found["right"], found["strings"])
                assert low <= bounds.high and bounds.low <= high
