"""The page of the record says what `docs/record.json` holds, and of models that are the presets."""

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

from interp.base.estimates import proportion_interval
from interp.models import build
from interp.training.presets import MEASURED as MEASURED_PRESETS
from interp.training.presets import preset

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "record.md").read_text(encoding="utf-8")
FOUND = json.loads((DOCS / "record.json").read_text(encoding="utf-8"))
MEASURED = {(m["seed"], m["letters"]): m for m in FOUND["measured"]}
LETTERS = sorted({m["letters"] for m in FOUND["measured"]})


def row(begins: str) -> list[str]:
    """The cells of the first row of the page that begins so."""
    line = next(line for line in PAGE.splitlines() if line.startswith(f"| {begins} |"))
    return [cell.strip() for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("training", FOUND["trainings"], ids=lambda training: f"seed {training['seed']}")
def test_every_count_on_the_page_was_measured(training):
    seed, cells = training["seed"], row(str(training["seed"]))
    here = [MEASURED.get((seed, letters)) for letters in LETTERS]
    assert cells[1] == f"{training['cpu_seconds']:.0f} s"
    assert cells[2:] == ["" if m is None else f"{m['right']}/{m['strings']}" for m in here]
    assert all(len(m["first_errors"]) == m["strings"] - m["right"] for m in here if m is not None)
    for m in filter(None, here):
        if m["first_errors"]:
            assert f"seed {seed}, {m['letters']:,} letters: " + ", ".join(f"{e:,}" for e in m["first_errors"]) in PAGE


def test_counts_together_have_exact_intervals():
    for letters, cell in zip(LETTERS, row("together, Clopper-Pearson 95 %")[2:], strict=True):
        here = [m for m in FOUND["measured"] if m["letters"] == letters]
        right, strings = (sum(m[name] for m in here) for name in ("right", "strings"))
        low, high = proportion_interval(right, strings)
        assert cell == f"{right}/{strings} [{low:.3f}, {high:.3f}]"


def test_the_page_is_of_the_preset():
    config, _, recipe = preset("long32")
    assert build(config).n_parameters == FOUND["parameters"] <= 350_000 and f"{FOUND['parameters']:,}" in PAGE
    assert recipe.steps * recipe.batch == FOUND["strings_of_training"] and recipe.lengths == (1, 64)


def test_the_smaller_preset_is_counted_alike():
    config, _, recipe = preset("long")
    smaller = FOUND["long"]
    assert build(config).n_parameters == smaller["parameters"] <= 200_000
    assert recipe.steps * recipe.batch == smaller["strings_of_training"]
    for training in smaller["trainings"]:
        cells = row(f"`long`, {training['seed']}")
        assert cells[1:] == [f"{training['cpu_seconds']:.0f} s", *training["right"].values()]


def test_what_the_demo_copies_is_counted():
    config, _, recipe = preset("short")
    demo = FOUND["short"]
    assert f"{build(config).n_parameters:,} weights, {recipe.steps * recipe.batch:,} strings" in PAGE
    least = {at: min(t["right"][demo["letters"].index(at)] for t in demo["trainings"]) / 1000 for at in (30, 100, 200)}
    assert least[30] == MEASURED_PRESETS["short"].accuracy
    said = " ".join(PAGE.split())
    for at, share in least.items():
        assert f"of {at} letters {share:.3f}".replace(" 0.", " .") in said


def test_the_headline_is_of_the_counts():
    for letters, words in ((16_384, "strings of 16,384 letters"), (65_536, "of 65,536")):
        here = [m for m in FOUND["measured"] if m["letters"] == letters]
        assert {m["seed"] for m in here} == {0, 1, 2, 3, 4} and all(m["right"] == m["strings"] for m in here)
        assert f"all of {sum(m['strings'] for m in here)} {words}" in PAGE


def test_predictions_on_the_page_are_those_computed_and_how_many_hold_is_counted():
    inside = 0
    for predicted in FOUND["predicted"]:
        bounds = dict(zip(predicted["letters"], predicted["interval"], strict=True))
        said = dict(zip(predicted["letters"], predicted["together"], strict=True))
        far = [letters for letters in bounds if letters >= 4096]
        cells = [f"{said[at]:.3f} [{bounds[at][0]:.2f}, {bounds[at][1]:.2f}]" for at in far]
        assert f"| {predicted['seed']} | " + " | ".join(cells) + " |" in PAGE
        for letters, (low, high) in bounds.items():
            if (found := MEASURED.get((predicted["seed"], letters))) is not None:
                share = proportion_interval(found["right"], found["strings"])
                inside += low <= share.high and share.low <= high
    assert f"{inside} of {len(MEASURED)} measured shares" in PAGE


def test_margins_on_the_page_are_those_that_were_measured():
    for predicted in FOUND["predicted"]:
        (cells,) = zip(*(heads for heads in predicted["margin_quantiles"].values()), strict=True)
        said = [", ".join(f"{value:.1f}" for value in four) for four in cells]
        assert f"| {predicted['seed']} | " + " | ".join(said) + " |" in PAGE


def test_the_trials_of_widths_are_those_that_were_made():
    for trial in FOUND["widths"]:
        low, middle = trial["one_in_a_thousand"], trial["median"]
        ends = [f"{low:.1f}", f"{middle:.1f}", f"{low / middle:.2f}", trial["right_of_500"], trial["wrong_letters"]]
        begins = [trial["stream"], trial["layer_0"], trial["layer_1"], f"{trial['parameters']:,}", f"{trial['rate']:g}"]
        assert "| " + " | ".join(map(str, [*begins, trial["seed"], *ends])) + " |" in PAGE
    assert any(trial["stream"] == 240 and trial["parameters"] == FOUND["parameters"] for trial in FOUND["widths"])


def test_ratios_of_margins_are_those_of_the_margins():
    of_heads = [predicted["margin_quantiles"]["1024"][0] for predicted in FOUND["predicted"]]
    for ratios in ([four[1] / four[3] for four in of_heads], FOUND["three_heads"]["ratios"]):
        assert f"{min(ratios):.2f} to {max(ratios):.2f}" in PAGE


def test_the_former_record_is_counted_alike():
    before = FOUND["three_heads"]["measured"]
    for letters in (4096, 16_384, 65_536):
        here = [m for m in before if m["letters"] == letters]
        assert f"{sum(m['right'] for m in here)} of {sum(m['strings'] for m in here)}" in PAGE


def test_fewer_strings_on_the_page_are_those_of_the_trials():
    for steps, then in {(trial["steps"], trial["then"]) for trial in FOUND["fewer_strings"]}:
        here = [t for t in FOUND["fewer_strings"] if (t["steps"], t["then"]) == (steps, then)]
        right = ", ".join(str(trial["right"][2]) for trial in sorted(here, key=lambda trial: trial["seed"]))
        cells = row(f"{steps}, {then}")
        seconds = sorted(trial["seconds"] for trial in here)
        assert cells[1:] == [f"{steps * 64:,}", f"{seconds[0]:.0f} to {seconds[-1]:.0f} s", right]


def test_the_table_of_the_arms_is_made_from_their_trainings(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS.parent / "benchmarks"), *sys.path])
    arms = import_module("record_arms")
    assert arms.table(arms.trainings_in(DOCS / "record_arms.jsonl")) in PAGE


def test_the_table_of_other_rates_is_made_from_their_trainings(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS.parent / "benchmarks"), *sys.path])
    arms = import_module("record_arms")
    other = arms.trainings_in(DOCS / "record_rates.jsonl")
    assert arms.rates_table([*arms.trainings_in(DOCS / "record_arms.jsonl"), *other]) in PAGE
    bounded = ("learned-windows", "one-layer")
    assert all(training.arm in bounded or training.right[training.lengths.index(1024)] == 0 for training in other)


def test_causes_of_the_nape_arms_on_the_page_are_those_that_were_predicted(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS.parent / "benchmarks"), *sys.path])
    trainings = import_module("record_arms").trainings_in(DOCS / "record_arms.jsonl")
    limits = [t.predicted for t in trainings if t.arm.endswith("-nape") and t.predicted is not None]
    at = limits[0].lengths.index(256)
    spread = [limit.dispersion[at] for limit in limits]
    text = " ".join(PAGE.split())
    assert (
        f"crosstalk alone leaves at most {max(limit.crosstalk[at] for limit in limits):.2f} of strings of 256" in text
    )
    assert f"dispersion alone {min(spread):.2f} to {max(spread):.2f}" in text
