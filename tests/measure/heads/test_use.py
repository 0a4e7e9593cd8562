"""How much of a copy heads carry, by their attention to the source; and how sure an n is."""

from dataclasses import replace

import numpy as np

from interp.base.interval import Interval
from interp.measure.heads.n_interval import n_interval
from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.heads.use import use_of_heads
from interp.models.planted import planted_copier
from interp.results.use import HeadUse, Left
from interp.studies.heads.verdict.use import answer_of, stands_in, use_says
from interp.tasks.copy import CopyTask


def left(letters, *heads):
    near, any_share = Interval(letters - 0.01, letters + 0.01, "Korn-Graubard"), Interval(0.0, 1.0, "Korn-Graubard")
    return Left(heads, letters, near, letters, any_share)


def use(which, lookups=None, others=None, both=None, **more):
    return HeadUse(which, "edges", 0.1, left(1.0), lookups, others, both, **more)


def test_a_copier_that_looks_up_has_nothing_left_without_its_lookup_heads():
    task, settings = CopyTask(8), HeadSettings(longest=4, strings=12)
    model, _ = planted_copier(2, 8, n_lookup=2)
    scores = score_heads(model, task, (14, 18), 0, settings)
    found = use_of_heads(model, task.vocabulary, scores, task.sample(24, 14, 0))
    assert found.use == "all" and found.edit == "edges" and found.others is None
    assert found.lost(found.lookups) > 0.9
    assert {each.heads for each in found.alone} == {(name,) for name in found.lookups.heads}


def test_what_stands_in_for_others_is_not_needed_and_not_idle():
    both = left(0.1, "L1H0", "L1H1")
    found = use("spare", left(1.0, "L1H0"), left(0.95, "L1H1"), both)
    assert stands_in(found) and answer_of(found) == "partly"
    assert "either is enough alone" in use_says(found)
    unread = use("spare", left(1.0, "L1H0"), left(0.1, "L1H1"), both)
    assert not stands_in(unread) and answer_of(unread) == "no"
    assert use_says(unread).startswith("That is not what it copies by")


def test_heads_that_stand_in_for_each_other_are_named():
    alone = (left(1.0, "L1H0"), left(0.98, "L1H1"))
    found = use("all", left(0.12, "L1H0", "L1H1"), alone=alone, kept=(left(0.98, "L1H1"), left(1.0, "L1H0")))
    assert found.redundant and found.enough == ("L1H0", "L1H1")
    assert (
        "Without one of them at most 2% of strings are lost: the other stands in for it. L1H0 or L1H1 alone is enough."
        in use_says(found)
    )
    more = replace(found, lookups=left(0.12, "L1H0", "L1H1", "L1H2"), alone=(*alone, left(1.0, "L1H2")))
    assert "at most 2% of strings are lost: the others stand in for it." in use_says(more)


def test_a_head_without_which_strings_go_wrong_is_missed_however_few_letters_it_costs():
    alone = (left(1.0, "L1H0"), replace(left(0.99, "L1H1"), strings=0.766))
    kept = (replace(left(0.985, "L1H1"), strings=0.646), replace(left(0.88, "L1H0"), strings=0.02))
    found = use("all", left(0.03, "L1H0", "L1H1"), alone=alone, kept=kept)
    assert not found.redundant and found.enough == ()
    spared = replace(left(0.95, "L1H0"), strings=0.3)
    assert not found.spares(spared) and found.spares(replace(spared, strings=0.95))


def test_n_has_no_width_where_all_strings_agree_and_some_where_they_do_not():
    def first_low(mean):
        below = np.flatnonzero(mean < 0.5)
        return int(below[0]) if len(below) else None

    sure = np.repeat([[1.0], [1.0], [0.0], [0.0]], 10, axis=1)
    assert n_interval(first_low, sure, most=3) == (2, 2)
    torn = sure.copy()
    torn[2, :5] = 1.0
    assert n_interval(first_low, torn, most=3) == (2, 3)
    assert n_interval(first_low, np.ones((4, 10)), most=3) == (4, 4)
