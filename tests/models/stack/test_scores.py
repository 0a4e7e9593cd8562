"""Scales of scores and what stands in the place of softmax, against their equations."""

import math

import numpy as np
import pytest
import torch
from scipy.optimize import brentq

from interp.models.stack.layer_heads import LayerHeads, alibi_slopes
from interp.models.stack.scores import Entmax, ScoreScale, Softmax
from interp.models.transformer import TransformerConfig


def test_queries_are_scaled_by_the_logarithm_of_the_keys_that_they_see():
    heads = LayerHeads(2, (None, 3), None, (False, False))
    q, positions = torch.ones(1, 5, 2, 2), torch.arange(5)[None]
    plain, learned = ScoreScale("log-n", heads), ScoreScale("ssmax", heads)
    expected = torch.tensor([[math.log(n), math.log(min(n, 3))] for n in range(1, 6)])
    torch.testing.assert_close(plain(q, positions)[0, :, :, 0], expected)
    with torch.no_grad():
        learned.w.copy_(torch.tensor([2.0, 0.5]))
    torch.testing.assert_close(learned(q, positions)[0, :, :, 1], expected * torch.tensor([2.0, 0.5]))


def test_entmax_solves_its_equation():
    entmax = Entmax(2)
    with torch.no_grad():
        entmax.w.copy_(torch.tensor([-1.0, 1.5]))
    scores = 2 * torch.randn(1, 2, 1, 6, generator=torch.Generator().manual_seed(0))
    scores[..., -1] = -torch.inf
    found = entmax(scores)
    for head, alpha in enumerate(entmax.alpha.tolist()):
        z = (alpha - 1) * scores[0, head, 0, :-1].double().numpy()

        def share(tau, z=z, alpha=alpha):
            return (z - tau).clip(0) ** (1 / (alpha - 1))

        tau = brentq(lambda tau: share(tau).sum() - 1, z.max() - 1, z.max())
        torch.testing.assert_close(found[0, head, 0, :-1], torch.tensor(share(tau)).float(), atol=1e-5, rtol=1e-4)
    assert found[..., -1].eq(0).all() and (found == 0).sum() > 2


@pytest.mark.parametrize("pattern", [Softmax(), Entmax(3)])
def test_one_more_key_at_the_score_of_all_together_gets_half(pattern):
    scores = 3 * torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(2))
    scores[:, 0, 2:] = -torch.inf
    scores[:, 1, 1:] = -torch.inf
    if isinstance(pattern, Entmax):
        with torch.no_grad():
            pattern.w.copy_(torch.tensor([-1.0, 0.0, 2.0]))
    at = pattern.together(scores[1:], (1, 2))
    for head, query in np.ndindex(2, 5):
        row = torch.cat([scores[1 + head, query], at[head, query, None]])
        shares = pattern(row.expand(1, 3, 1, -1))[0, 1 + head, 0]
        torch.testing.assert_close(shares[-1], torch.tensor(0.5), atol=1e-4, rtol=0)
    torch.testing.assert_close(at[:, 1], scores[1:, 1, 0], atol=1e-5, rtol=0)  # against one key: as much as it has


def test_entmax_learns_its_alpha():
    entmax, scores = Entmax(1).double(), torch.randn(1, 1, 3, 4, generator=torch.Generator().manual_seed(1)).double()
    weights = torch.arange(4.0).double()

    def value(w):
        with torch.no_grad():
            entmax.w.fill_(w)
        return (entmax(scores) * weights).sum()

    value(0.3).backward()
    numeric = (value(0.3001) - value(0.2999)) / 2e-4
    torch.testing.assert_close(entmax.w.grad[0], numeric.detach(), atol=1e-4, rtol=1e-3)


def test_half_of_the_heads_of_nape_know_no_positions():
    heads = TransformerConfig(position="nape", n_heads=5, d_head=4).heads_in(0)
    assert heads.slopes == (*alibi_slopes(3), 0.0, 0.0) and heads.windows is None
