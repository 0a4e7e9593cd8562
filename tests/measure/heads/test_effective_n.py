"""Both ways of measuring the n of a whole model, on models whose n is known and on models that have none."""

import pytest
import torch

from interp.measure.heads.effective_n import behavioural_n, causal_n
from interp.models.planted import planted_copier
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask


@pytest.mark.parametrize(
    ("n", "alphabet"), [(1, 26), (2, 4), (3, 8), (4, 4), (5, 6), (6, 4)]
)  # every n and alphabet: test_validation
def test_both_curves_step_at_the_planted_n(n, alphabet):
    model, _ = planted_copier(n, alphabet)
    settings = (CopyTask(alphabet), (24, 32), 8, 32, torch.Generator().manual_seed(n))
    behaviour, cause = behavioural_n(model, *settings), causal_n(model, *settings)
    assert (behaviour.n, cause.n) == (n, n)
    assert behaviour.value[:n] == (1.0,) * n
    assert cause.value[:n] == (1.0,) * n
    assert max(behaviour.value[n:]) < 0.9
    assert max(map(abs, cause.value[n:])) < 0.4
    assert all(low < high for curve in (behaviour, cause) for low, high in curve.interval)  # at 0 and at 1, too


def test_a_model_that_does_not_copy_has_no_n():
    model = HookedTransformer(TransformerConfig(d_model=32, n_heads=4, position="nope"), seed=5)
    settings = (CopyTask(26), (24, 32), 8, 64, torch.Generator().manual_seed(0))
    assert behavioural_n(model, *settings).n is None
    assert causal_n(model, *settings).n is None


def test_an_n_as_long_as_the_longest_repeat_is_found_by_both():
    model, _ = planted_copier(4, 4)
    settings = (CopyTask(4), (24, 32), 4, 48, torch.Generator().manual_seed(0))
    assert (behavioural_n(model, *settings).n, causal_n(model, *settings).n) == (4, 4)


def test_an_n_beyond_the_longest_repeat_is_not_guessed():
    model, _ = planted_copier(6, 4)
    settings = (CopyTask(4), (24, 32), 4, 48, torch.Generator().manual_seed(0))
    assert behavioural_n(model, *settings).n is None
    assert causal_n(model, *settings).n is None
