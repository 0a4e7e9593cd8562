"""n of single heads by intervention: of planted lookup heads it is known, and which letters move them."""

import numpy as np
import pytest
import torch

import interp
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.measure.heads.letters import moved_heads
from interp.tasks import CopyTask
from interp.tasks.probes.planted_repeats import offset_swaps


@pytest.mark.parametrize("n", [1, 2, 4])
def test_a_planted_lookup_head_is_moved_by_its_letters_and_by_no_other(n):
    model, planting = interp.planted_copier(n=n)
    (lookup,) = (head.name for head in planting.with_role("lookup"))
    found = moved_heads(model, CopyTask(), [lookup, "L0H0"], (24, 28), 5, 16, 0)
    assert found.heads == (lookup, "L0H0") and found.moves.shape == (2, 5, 16)
    assert found.n[0] == n and found.n_interval[0] == (n, n)
    mean = found.moves[0].mean(axis=1)
    assert (mean[:n] > 1).all() and np.abs(mean[n:]).max() < 1e-3
    assert np.abs(found.moves[1]).max() < 1e-3, "a gather head goes by position"


def test_what_moves_a_head_is_read_from_whole_patterns_of_each_string():
    """The scores of both places in one string, before and after its letter is changed."""
    model, _ = interp.planted_copier(n=2, random_heads=1)
    found = moved_heads(model, CopyTask(), ["L1H0", "L1H3"], (20, 24), 3, 4, 0)
    probe, edited = offset_swaps(CopyTask(), torch.arange(3).repeat_interleave(4), 3, (20, 24), as_generator(0))
    for string in range(12):
        query, source, rival = (int(of[string]) for of in (probe.query, probe.source, probe.rival))
        lead = []
        for tokens in (probe.batch.tokens, edited):
            _, cache = model.run_with_cache(tokens[string : string + 1])
            row = cache["blocks.1.attn.hook_attn_scores"][0, :, query]
            lead.append(row[:, source] - row[:, rival])
        moves = (lead[0] - lead[1])[[0, 3]].nan_to_num(posinf=0.0, neginf=0.0)
        np.testing.assert_allclose(found.moves[:, string // 4, string % 4], moves.numpy(), atol=1e-3)


def test_a_head_that_the_model_does_not_have_is_refused():
    with pytest.raises(UserError, match="L5H0"):
        moved_heads(interp.planted_copier(n=1)[0], CopyTask(), ["L5H0"], (20, 24), 3, 4, 0)
