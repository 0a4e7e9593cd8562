"""Hybrids built by hand: each copies by the part that was planted, and by it alone."""

import pytest

import interp
from interp.base.errors import UserError
from interp.measure.state.memories import memory_ablations
from interp.measure.state.outputs import output_ablations
from interp.models.planted.hybrid import PARTS, planted_hybrid
from interp.tasks.copy import CopyTask
from interp.training.evaluate import accuracy_by_length

LOST = 0.3
"""Letters right by guessing, with room for chance, over 8 letters."""
CASES = [
    # n, memory of attention, of the recurrence; output of attention, of the recurrence: what is needed
    ("lookup", 3, (True, False), (True, True)),
    ("recurrence", 4, (False, True), (False, True)),
    ("attention", 2, (True, False), (True, False)),
]


@pytest.mark.by_default(2)
@pytest.mark.parametrize(("part", "n", "memory", "output"), CASES, ids=[case[0] for case in CASES])
def test_letters_are_lost_without_what_was_planted_and_without_nothing_else(part, n, memory, output):
    model, planting = planted_hybrid(part, n, 8)
    task, length = CopyTask(8), min(planting.length, 8)
    assert accuracy_by_length(model, task, (1, length), 40, 0).letter_accuracy.mean(axis=1).min() > 0.9
    remembered = memory_ablations(model, task, length, 40, 0)
    written = output_ablations(model, task, length, 40, 0)
    for cuts, needed in ((remembered, memory), (written, output)):
        assert [cut.name for cut in cuts[:3]] == ["attention", "recurrence", "both"]
        for cut, needs in zip(cuts[:3], (*needed, True), strict=True):
            lost = cut.letter_accuracy_before - cut.letter_accuracy_after
            assert cut.letter_accuracy_after < LOST if needs else lost == 0, (cut.name, cut.letter_accuracy_after)


def test_a_planted_hybrid_has_a_name_and_its_truth():
    loaded = interp.load("planted:hybrid?part=lookup&n=2&alphabet=6")
    assert loaded.planting == planted_hybrid("lookup", 2, 6)[1]
    assert loaded.task.n_letters == 6 and loaded.description["planted"]["lookup"] == ["L1H0"]
    assert set(PARTS) == {"lookup", "recurrence", "attention"}


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"part": "both"}, r"part must be one of lookup, recurrence, attention; got both\."),
        ({"n": 0}, r"n must be at least 1 and alphabet from 2 to 26; got n=0 and alphabet=26\."),
        ({"alphabet": 27}, r"n must be at least 1 and alphabet from 2 to 26; got n=3 and alphabet=27\."),
    ],
)
def test_what_cannot_be_planted_is_refused(options, says):
    with pytest.raises(UserError, match=says):
        planted_hybrid(**options)
