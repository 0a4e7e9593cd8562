"""Writing backwards, asked of models whose heads are known, of one that looks forwards, an untrained one; and shown."""

from dataclasses import replace

import numpy as np
import pytest

import interp
from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.loading import Loaded
from interp.measure.heads.settings import HeadSettings
from interp.models import build
from interp.studies.backwards.report import letter_rows, study_figures, tables, write_backwards_report
from interp.studies.backwards.result import BackwardsStudy
from interp.studies.backwards.run import backwards_study
from interp.studies.backwards.settings import BackwardsSettings
from interp.studies.backwards.verdict import backwards_verdict, lost, serves_from, spans
from interp.tasks.reverse import ReverseCopy

FEW = BackwardsSettings(length=18, strings=24, scoring=HeadSettings(longest=7, strings=16, level=0.2))
SMALL = BackwardsSettings(length=10, strings=24, scoring=HeadSettings(longest=3, strings=16, level=0.2))
"""At that level five untrained models are enough of a null, and it is the harder to find no head."""
GUESS = 0.5
"""Share of right letters that guessing one of eight does not reach in 24 strings: once in 100,000 times."""


@pytest.fixture(scope="module")
def across():
    """Heads of 7, 3 and 1 letters, which write every letter between them."""
    return backwards_study("planted:reverse?n=7&alphabet=8&across=true", 0, FEW)


@pytest.fixture(scope="module")
def by_distance():
    """A head of two letters, and two that write the first letters by their distance to the separator."""
    return backwards_study("planted:reverse?n=2&alphabet=8", 0, SMALL)


def alone(study: BackwardsStudy, name: str) -> np.ndarray:
    """Letters right with one of the flagged heads, the others at their mean."""
    return study.written.of(f"all but {name}").mean(axis=0)


def test_heads_of_7_3_and_1_letters_begin_at_letters_4_2_and_1_as_the_mirror_has_it(across):
    planting = interp.load("planted:reverse?n=7&alphabet=8&across=true").planting
    assert [head.name for head in across.flagged] == [planting.lookup, *planting.shorter]
    assert [(head.offset, head.n, head.first) for head in across.flagged] == [(7, 7, 4), (3, 3, 2), (1, 1, 1)]
    for head in across.flagged:
        looks = across.written.attention[across.written.heads.index(head.name), head.offset]
        assert (looks[: head.first - 1] == 0).all() and looks[head.first - 1] > 0.9
        assert serves_from(across, head) == head.first
        right = alone(across, head.name)
        assert (right[: head.first - 1] < GUESS).all() and right[head.first - 1] == 1
    assert alone(across, planting.lookup)[3:].min() > 0.9, "the long one is enough for all letters from its first on"
    assert across.written.right[0].mean() > 0.99
    long, short = across.flagged[0], across.flagged[-1]
    without = across.written.of(short.name).mean(axis=0)
    assert without[0] < GUESS and without[1:].min() > 0.95 and long.name not in lost_by_letter(across, 1)


def lost_by_letter(study: BackwardsStudy, letter: int) -> list[str]:
    return [cut.name for cut in study.ablations if cut.group == "single" and letter in lost(study, cut)]


def test_its_heads_are_how_it_writes(across):
    verdict = across.verdict
    assert verdict.answer == "yes" and across.others_needed == ()
    assert verdict.evidence("letter_accuracy_drop").interval.low > 0.5
    assert verdict.evidence("string_accuracy_without").value == 0
    assert verdict.evidence("letter_accuracy").threshold == 1 / 8
    control = next(found for found in verdict.because if found.about == ("any layer",))
    assert control.value == verdict.evidence("string_accuracy").value, "idle heads, which cost nothing"
    first = [
        (found.about[0], found.value, found.threshold) for found in verdict.because if found.quantity == "first_letter"
    ]
    assert sorted(first) == [("L1H10", 2, 2), ("L1H11", 1, 1), ("L1H9", 4, 4)]


def test_heads_that_go_by_the_distance_are_needed_for_one_letter_each_and_not_flagged(by_distance):
    planting = interp.load("planted:reverse?n=2&alphabet=8").planting
    assert [head.name for head in by_distance.flagged] == [planting.lookup]
    assert tuple(cut.name for cut in by_distance.others_needed) == planting.beginnings
    assert [lost(by_distance, cut) for cut in by_distance.others_needed] == [[1], [2]]
    assert lost(by_distance, by_distance.together) == [3, 4, 5, 6]
    assert f"{planting.beginnings[0]} for letter 1 (1.00 of its attention there 1 place behind)" in str(
        by_distance.verdict
    )
    (head,) = by_distance.flagged
    assert (head.first, serves_from(by_distance, head)) == (2, 3), "it matches two letters that were written"


def test_the_answer_follows_the_interval_of_the_letters_that_are_lost(by_distance):
    def answer(low, high, left):
        correct = np.full_like(by_distance.together.letter_correct, left)
        ends = Interval(low, high, "Korn-Graubard")
        together = replace(by_distance.together, letter_interval=ends, letter_correct=correct)
        return backwards_verdict(replace(by_distance, ablations=(together,))).answer

    assert by_distance.verdict.answer == "partly", "of ten letters two are left"
    assert answer(0.8, 0.9, 1 / 8) == "yes"
    assert answer(0.2, 0.3, 0.75) == "partly"
    assert answer(0.02, 0.3, 0.75) == "unsure"
    assert answer(-0.02, 0.03, 1.0) == "no"


@pytest.mark.by_default(1)
@pytest.mark.parametrize("which", ["forwards", "untrained"])
def test_a_model_without_such_heads_is_told_so(which):
    shape = {"kind": "transformer", "d_vocab": 12, "n_heads": 4, "d_model": 32}
    model = build(shape, seed=1) if which == "untrained" else interp.planted_copier(2, 8)[0]
    study = backwards_study(Loaded(model, ReverseCopy(8), {"spec": which}), 0, SMALL)
    assert study.verdict.answer == "no" and study.flagged == () and study.ablations == ()
    assert "No head does induction backwards" in str(study.verdict)
    assert list(study_figures(study)) == ["looks", "first_letters"] and len(study.shown) == len(study.heads.heads)
    (table,) = tables(study)
    assert table.rows[0][0] == "nothing"


def test_its_page_its_tables_and_what_is_kept(across, tmp_path):
    page = write_backwards_report(across, tmp_path).read_text(encoding="utf-8")
    assert "How does planted:reverse" in page and "Who writes the first letters?" in page
    assert list(study_figures(across)) == ["looks", "ablations", "first_letters"]
    again = BackwardsStudy.load(tmp_path)
    assert again.verdict == across.verdict
    np.testing.assert_array_equal(again.written.right, across.written.right)
    assert {"heads.csv", "ablations.csv", "letters.csv"} <= {path.name for path in tmp_path.iterdir()}
    rows = letter_rows(across)
    assert len(rows) == 14 and rows[0]["without_L1H11"] < GUESS < rows[0]["attention_L1H11"]
    assert rows[3]["without_all_but_L1H9_low"] > 0.8
    heads, cuts = tables(across)
    assert [row[0] for row in heads.rows] == ["L1H9", "L1H10", "L1H11"]
    assert [row[0] for row in cuts.rows] == ["nothing", "L1H9, L1H10 and L1H11", "L1H9", "L1H10", "L1H11"]


@pytest.mark.slow
def test_a_match_that_does_not_fit_the_strings_of_training_is_cut_and_told():
    loaded = replace(interp.load("planted:reverse?n=2&alphabet=8"), trained_lengths=(2, 8))
    study = backwards_study(loaded, 0, replace(FEW, length=None))
    assert study.length == 8 and study.heads.rival.shape[1] == 3 and [head.offset for head in study.flagged] == [2]
    assert study.verdict.caveats[0].startswith("matches of more than 3 letters were not looked for")


def test_numbers_are_written_as_runs():
    assert spans([1, 2, 3, 5, 7, 8]) == "1 to 3, 5, 7 and 8" and spans([4]) == "4"


def test_each_task_is_sent_to_the_study_that_asks_it():
    told: list[str] = []
    with pytest.raises(UserError, match=r"task must be writing backwards; got a CopyTask\. .* or --task reverse\."):
        backwards_study("planted:ngram?n=2", 0, FEW, told.append)
    with pytest.raises(UserError, match=r"got ReverseCopy, which does not\. Ask interp backwards, or load"):
        interp.hash_head_study("planted:reverse?n=2&alphabet=6")
    with pytest.raises(UserError, match=r"length must be at least 16, for the longest match and a rival; got 12\."):
        backwards_study("planted:reverse?n=2", 0, replace(FEW, length=12))
    with pytest.raises(UserError, match="length must be an integer from 4 to"):
        backwards_study("planted:reverse?n=2", 0, replace(FEW, length=3))
