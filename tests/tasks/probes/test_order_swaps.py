"""Two places hold the same letters, two of them exchanged; the edited copy is what stands at the rival."""

import pytest
import torch

from interp.base.errors import UserError
from interp.tasks.copy import CopyTask
from interp.tasks.probes.planted_repeats import order_swaps

K = 4
PAIRS = [(0, 1), (0, 3), (1, 2), (2, 3)]


def drawn(alphabet=8):
    near, far = (torch.tensor(ends).repeat_interleave(20) for ends in zip(*PAIRS, strict=True))
    return near, far, *order_swaps(CopyTask(alphabet), near, far, K, (20, 26), 0)


def last(tokens, end):
    return tokens[end - K + 1 : end + 1].tolist()


def test_the_rival_has_the_true_place_s_letters_with_two_exchanged():
    near, far, probe, _ = drawn()
    for i, tokens in enumerate(probe.batch.tokens):
        true, rival = (last(tokens, int(at[i]) - 1) for at in (probe.source, probe.rival))
        a, b = K - 1 - int(near[i]), K - 1 - int(far[i])
        assert true[a] != true[b]
        true[a], true[b] = true[b], true[a]
        assert rival == true
        assert tokens[probe.source[i]] != tokens[probe.rival[i]]


def test_the_query_follows_the_true_place_and_after_the_edit_the_rival():
    _, _, probe, edited = drawn()
    for i, tokens in enumerate(probe.batch.tokens):
        query = int(probe.query[i])
        assert last(tokens, query) == last(tokens, int(probe.source[i]) - 1)
        assert last(edited[i], query) == last(tokens, int(probe.rival[i]) - 1)
        assert int((edited[i] != tokens).sum()) == 2


def test_it_takes_four_letters():
    with pytest.raises(UserError, match="alphabet must be at least 4 letters"):
        drawn(3)
