"""Induction backwards: found where it was planted, with its place and its letters; not where there is none."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.heads.backwards import WRITES, backward_heads
from interp.measure.heads.settings import HeadSettings
from interp.models import build
from interp.models.planted import planted_copier
from interp.models.planted.reverser import planted_reverser
from interp.results.backwards import BackwardHeads
from interp.tasks.copy import CopyTask
from interp.tasks.reverse import ReverseCopy

SETTINGS = HeadSettings(longest=5, strings=48)


@pytest.mark.parametrize("n", [1, 2, 4])
def test_the_planted_head_is_found_with_its_place_and_its_letters(n, tmp_path):
    model, planting = planted_reverser(n, 12)
    found = backward_heads(model, ReverseCopy(12), 16, SETTINGS)
    assert found.flagged == (planting.lookup,)
    head = next(head for head in found.heads if head.flagged)
    assert head.offset == n and head.matches == tuple(range(n)) and head.n == n
    assert head.attention > 0.3 > 5 * head.chance and head.q_value < 0.05
    found.save(tmp_path)
    assert BackwardHeads.load(tmp_path).heads == found.heads


def test_a_copier_that_looks_forwards_has_none():
    model, _ = planted_copier(2, 12)
    found = backward_heads(model, ReverseCopy(12), 16, SETTINGS)
    assert found.flagged == ()
    looking = found.heads[[head.name for head in found.heads].index("L1H3")]
    assert (
        looking.attention > 0.1 and looking.writing < WRITES
    )  # behind what it matches, but to write what stands there


@pytest.mark.parametrize("seed", range(3))
def test_untrained_heads_are_not_told_as_ones_that_do(seed):
    model = build({"kind": "transformer", "d_vocab": 16, "n_heads": 4, "d_model": 32}, seed=seed)
    assert backward_heads(model, ReverseCopy(12), 16, SETTINGS, seed=seed).flagged == ()


def test_a_head_that_goes_by_position_matches_no_letter():
    """The planted model, whose head is given queries and keys that hold places, not letters."""
    model, planting = planted_reverser(2, 26)
    head, length = int(planting.lookup[3:]), 16

    def asks(q, hook):  # noqa: ARG001
        q[:, :, head] = 0
        for place in range(length + 1, 2 * length + 1):
            q[:, place, head, 2 * length + 3 - place] = 240.0  # two places behind the letter that is due
        return q

    def holds(k, hook):  # noqa: ARG001
        k[:, :, head] = torch.eye(k.shape[1], k.shape[3])
        return k

    model.blocks[1].attn.hook_q.add_hook(asks, is_permanent=True)
    model.blocks[1].attn.hook_k.add_hook(holds, is_permanent=True)
    found = {each.name: each for each in backward_heads(model, ReverseCopy(), length, SETTINGS).heads}[planting.lookup]
    assert found.flagged and found.offset == 2 and found.matches == () and found.n is None


def test_what_cannot_be_asked_is_refused():
    model, _ = planted_reverser(1, 5)
    with pytest.raises(UserError, match="task must be writing backwards; got a CopyTask"):
        backward_heads(model, CopyTask(5))
    with pytest.raises(UserError, match="length must be at least 18, for the longest match and a rival; got 12"):
        backward_heads(model, ReverseCopy(5), 12)
    after = build({"kind": "transformer", "d_vocab": 9, "n_heads": 2, "d_model": 8, "norm_after": True})
    with pytest.raises(UserError, match="norm_after must be False for heads that look backwards, as what each writes"):
        backward_heads(after, ReverseCopy(5), 18)
