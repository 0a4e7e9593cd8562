"""What a head prefers of two equal matches is told with an interval, and only where that says which."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from interp.base.interval import Interval
from interp.measure.heads.lookup import Looked
from interp.measure.heads.matching import matching
from interp.measure.heads.score import HeadSettings, score_heads
from interp.models.planted import draw, plant, planted_copier
from interp.tasks.copy import CopyTask

STEPS, STRINGS = 3, 200


def looked(lead, noise, seed):
    """One head's scores: the source's exceed the rival's by `lead`, give or take `noise`, string by string."""
    drawn = torch.Generator().manual_seed(seed)
    rival = torch.zeros(1, STEPS * STRINGS)
    source = lead + noise * torch.randn(rival.shape, generator=drawn)
    return Looked(rival + 0.5, rival + 0.5, rival + 0.1, source, rival)


@pytest.mark.parametrize(("later", "noise"), [(0.5, 0.1), (-0.5, 0.1), (0.2, 3.0)])
def test_a_preference_is_half_the_difference_between_the_two_questions_with_its_interval(later, noise):
    first, second = looked(-later, noise, 0), looked(later, noise, 1)
    found = matching(first, second, STEPS)
    longest = slice(-STRINGS, None)
    each = ((second.source_score - first.source_score)[0, longest] / 2).double().numpy()
    ((interval,), (nats,)) = found.preference_interval, found.preference
    assert nats == pytest.approx(each.mean(), abs=1e-5)
    half = 1.97 * each.std(ddof=1) / np.sqrt(STRINGS)  # Student's, two-sided, 199 degrees of freedom
    assert interval.low == pytest.approx(each.mean() - half, abs=0.2 * half)
    assert interval.high == pytest.approx(each.mean() + half, abs=0.2 * half)


def test_what_tells_equal_matches_apart_in_both_questions_is_no_preference():
    found = matching(looked(4.0, 0.1, 0), looked(4.0, 0.1, 1), STEPS)
    assert found.apart[0] == pytest.approx(4.0, abs=0.05)
    assert found.apart_interval[0].low < 4.0 < found.apart_interval[0].high
    assert abs(found.preference[0]) < 0.05


@pytest.mark.parametrize(("nats", "told"), [(-2e-5, None), (-0.5, "earlier"), (0.02, "later")])
def test_a_preference_by_rounding_is_none_however_sure(nats, told):
    """A planted head that prefers neither was said to prefer the earlier, by 2e-5 nats, in one of 20 scorings."""
    ends = Interval(nats - abs(nats) / 2, nats + abs(nats) / 2, "Student t and Hall")
    head = score_heads(planted_copier(1, 4)[0], CopyTask(4), (14, 18), 0, HeadSettings(longest=3, strings=8)).heads[5]
    assert replace(head, preference=nats, preference_interval=ends).prefers == told


@pytest.mark.slow
def test_a_preference_that_drowns_in_what_else_moves_the_scores_is_not_told():
    """Random MLPs move this circuit's scores by 2.5 nats from place to place, five times its preference."""
    circuit = draw("prefers-first", 1011)
    for still in (False, True):
        asked = replace(circuit, mlps=()) if still else circuit
        model, planting = plant(asked)
        scores = score_heads(model, CopyTask(asked.alphabet), asked.lengths, 0, HeadSettings(longest=4, strings=24))
        (head,) = (h for h in scores.heads if h.name == planting.with_role("lookup")[0].name)
        assert head.role == "lookup" and head.n == 3
        assert head.prefers == ("earlier" if still else None)
