"""The page about writing backwards says what `docs/backwards` holds, and of the arms that it names."""

import json
import sys
from importlib import import_module
from pathlib import Path

import pytest

from interp.base.codec import from_plain
from interp.base.estimates import proportion_interval
from interp.base.seeds import own_generator
from interp.experiments.record.result import Training
from interp.experiments.record.run.arms import ARMS
from interp.models import build
from interp.results.margins import Limit
from interp.tasks.reverse import ReverseCopy

DOCS = Path(__file__).parents[2] / "docs"
PAGE = (DOCS / "backwards.md").read_text(encoding="utf-8")
WORDS = " ".join(PAGE.split())
CAUSES = ("collisions", "palindromes", "crosstalk", "dispersion", "beginning")
KINDS = {"one layer": "one_layer", "marked": "marked"}
LINES = json.loads((DOCS / "backwards" / "trainings.json").read_text(encoding="utf-8"))
TRAININGS = {kind: [from_plain(Training, line) for line in LINES[name]] for kind, name in KINDS.items()}
HEADS = [json.loads(line) for line in (DOCS / "backwards" / "heads.jsonl").read_text(encoding="utf-8").splitlines()]


@pytest.mark.parametrize("kind", KINDS)
def test_every_count_and_error_on_the_page_was_measured(kind):
    trainings, totals = TRAININGS[kind], []
    for training in trainings:
        counts = [f"{right}/{strings}" for right, strings in zip(training.right, training.strings, strict=True)]
        assert "| " + " | ".join([kind, str(training.seed), *counts]) + " |" in PAGE
        for letters, errors in zip(training.lengths, training.first_errors, strict=True):
            said = f"{kind}, seed {training.seed}, {letters:,} letters: " + ", ".join(f"{error:,}" for error in errors)
            assert not errors or said in PAGE or (kind, training.seed) == ("one layer", 3)
    for at in range(len(trainings[0].lengths)):
        right, strings = (sum(getattr(each, name)[at] for each in trainings) for name in ("right", "strings"))
        low, high = proportion_interval(right, strings)
        totals.append(f"{right}/{strings} [{low:.3f}, {high:.3f}]")
    assert f"| {kind}, together, Clopper-Pearson 95 % |  | " + " | ".join(totals) + " |" in PAGE


def test_what_is_left_to_the_marked_one_are_first_letters():
    errors = [error for each in TRAININGS["marked"] for some in each.first_errors for error in some]
    assert f"of {len(errors)} wrong strings {sum(error < 3 for error in errors)} went wrong in their first" in WORDS


def test_predictions_on_the_page_are_those_computed_and_how_many_hold_is_counted():
    inside = predicted = 0
    for kind, trainings in TRAININGS.items():
        for training in trainings:
            limit = training.predicted
            assert limit is not None and limit.palindromes is not None
            inside, predicted = inside + (training.inside or 0), predicted + len(training.lengths)
            at = {letters: place for place, letters in enumerate(limit.lengths)}
            shares = [(limit.together[at[letters]], limit.interval[at[letters]]) for letters in (1024, 4096, 16_384)]
            cells = [f"{share:.3f} [{low:.2f}, {high:.2f}]" for share, (low, high) in shares]
            causes = limit.collisions, limit.palindromes, limit.crosstalk, limit.dispersion, limit.beginning
            cells += [f"{cause[at[4096]]:.3f}" for cause in causes]
            assert "| " + " | ".join([kind, str(training.seed), str(limit.n), *cells]) + " |" in PAGE
    assert f"Of {predicted} measured intervals {inside} overlap the predicted ones" in WORDS


def first_cause(limit: Limit, letters: int) -> str:
    at = limit.lengths.index(letters)
    return min(CAUSES, key=lambda cause: getattr(limit, cause)[at])


def test_what_stops_each_first_is_as_the_page_says():
    limits = {training.seed: training.predicted for training in TRAININGS["one layer"]}
    assert all(first_cause(limit, 2048) == "palindromes" for limit in limits.values() if limit and limit.n == 7)
    late = {seed: first_cause(limit, 16_384) for seed, limit in limits.items() if limit and limit.n == 7}
    assert late == {0: "crosstalk", 1: "crosstalk", 2: "palindromes", 4: "crosstalk"}
    for training in TRAININGS["marked"]:
        assert training.predicted is not None and min(training.predicted.palindromes or (0,)) > 0.9999


def test_the_models_are_those_of_the_arms():
    for arm, kind in (("backwards32", "one layer"), ("backwards32-marked", "marked")):
        config, task, recipe = ARMS[arm][1]()
        assert {build(config).n_parameters} == {each.n_parameters for each in TRAININGS[kind]}
        assert f"{build(config).n_parameters:,} weights" in WORDS and task.alphabet == 32
        assert recipe.steps * recipe.batch == 102_400 and recipe.lengths == (1, 64)


def test_the_table_of_the_heads_is_made_from_what_was_measured(monkeypatch):
    monkeypatch.setattr(sys, "path", [str(DOCS.parent / "benchmarks"), *sys.path])
    assert import_module("palindromes").table(HEADS) in PAGE


def longest(line: dict) -> int:
    return max(len(head["matches"]) for head in line["heads"] if head["flagged"])


def test_palindromes_shorter_than_the_longest_match_harm_nobody_and_a_mark_helps_against_all():
    for line in HEADS:
        for n, (right, otherwise) in line["palindromes"].items():
            assert otherwise >= 495 and (right >= 495 or int(n) >= longest(line))
            assert line["arm"] != "backwards32-marked" or right >= 495
    wrong = {
        n: [
            100 - line["palindromes"][n][0] / 5 for line in HEADS if line["arm"] == "backwards32" and longest(line) == 7
        ]
        for n in "789"
    }
    assert f"at seven {min(wrong['7']):.0f} to {max(wrong['7']):.0f} %" in WORDS
    marked = [(line, n, 100 - line["unmarked"][n][0] / 5) for line in HEADS if "unmarked" in line for n in "56789"]
    led, not_led = ([w for line, n, w in marked if (int(n) >= longest(line)) == so] for so in (True, False))
    assert f"{min(led):.0f} to {max(led):.0f} % are wrong after palindromes of as many letters as the longest" in WORDS
    assert f"at most {max(not_led):.0f} % after shorter ones" in WORDS
    assert all(other >= 490 for line in HEADS if "unmarked" in line for _, other in line["unmarked"].values())
    more = wrong["8"] + wrong["9"]
    assert f"{min(more):.0f} to {max(more):.0f} %; one that could not tell at all would have half wrong" in WORDS


def test_errors_after_palindromes_are_counted():
    """The strings are drawn again: those of a length and a seed are always the same."""
    seven = [line["seed"] for line in HEADS if line["arm"] == "backwards32" and longest(line) == 7]
    wrong = after = first = 0
    for training in (each for each in TRAININGS["one layer"] if each.seed in seven):
        for length, strings, errors in zip(training.lengths, training.strings, training.first_errors, strict=True):
            if not errors:
                continue
            drawn = ReverseCopy(alphabet=32).sample(strings, length, own_generator(f"record {length}", training.seed))
            answers = drawn.tokens[:, length + 2 : 2 * length + 2].tolist()
            last = [[answer[max(0, error - 7) : error] for answer in answers] for error in errors]
            wrong += len(errors)
            first += sum(error < 2 for error in errors)
            after += sum(any(len(some) == 7 and some == some[::-1] for some in each) for each in last)
    assert f"Of the {wrong} strings that the four trainings with such a head got wrong, {after} went wrong" in WORDS
    assert f"right after one, {first} in their first two letters" in WORDS and len(seven) == 4
