"""The whole validation of the head detector; `make validate` runs it, docs/validation.md holds its figures.

At least 100 planted models, in which every head's role and n are known, and at least 50 untrained ones, in which no
head has a role. `pytest -s` prints the figures.
"""

from functools import cache
from itertools import cycle

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, mannwhitneyu

from interp.measure.heads.effective_n import behavioural_n, causal_n
from interp.measure.heads.score import HeadSettings, score_heads
from interp.models.planted import planted_copier
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask

pytestmark = pytest.mark.slow

SPAN = (24, 32)
SETTINGS = HeadSettings(strings=24)
EVERY_N = range(1, 7)
ALPHABETS = (4, 5, 8, 13, 26)
SURROUNDINGS = (
    {},
    {"zero_heads": 2, "random_heads": 2},
    {"n_layers": 3, "lookup_layer": 2, "n_lookup": 2, "idle": "random"},
    {"decoys": ("position:29", "matched-token", "previous", "bos", "even"), "n_ctx": 128},
)
PLANTED = [(n, alphabet, around) for n in EVERY_N for alphabet in ALPHABETS for around in SURROUNDINGS]


@cache
def _scored(index: int):
    n, alphabet, around = PLANTED[index]
    model, planting = planted_copier(n, alphabet, shuffle=True, seed=index, **around)
    generator = torch.Generator().manual_seed(index)
    return planting, score_heads(model, CopyTask(alphabet), SPAN, generator, SETTINGS, seed=index)


def test_there_are_at_least_a_hundred_planted_models():
    assert len(PLANTED) >= 100


@pytest.mark.parametrize("index", range(len(PLANTED)), ids=lambda i: f"n{PLANTED[i][0]}-of-{PLANTED[i][1]}-{i % 4}")
def test_every_planted_head_is_found_with_its_n_and_its_offsets_and_no_other(index):
    planting, scores = _scored(index)
    for role in ("lookup", "gather"):
        assert set(scores.of_role(role)) == {head.name for head in planting.with_role(role)}
    assert {head.n for head in scores.heads if head.role == "lookup"} == {planting.n}
    assert scores.set_offsets == tuple(range(planting.n + 1))


@pytest.mark.parametrize("alphabet", ALPHABETS)
@pytest.mark.parametrize("n", EVERY_N)
def test_behaviour_and_intervention_give_the_planted_n(n, alphabet):
    model, _ = planted_copier(n, alphabet)
    settings = (CopyTask(alphabet), SPAN, SETTINGS.longest, 96, torch.Generator().manual_seed(n))
    assert (behavioural_n(model, *settings).n, causal_n(model, *settings).n) == (n, n)


def test_the_response_separates_lookup_heads_from_all_others_without_error():
    lookup, other = [], []
    for index in range(len(PLANTED)):
        planting, scores = _scored(index)
        truth = {head.name: head.role for head in planting.heads}
        for head in scores.heads:
            (lookup if truth[head.name] == "lookup" else other).append(head.response[SETTINGS.longest])
    area = mannwhitneyu(lookup, other).statistic / (len(lookup) * len(other))
    print(f"\nROC area {area:.4f}: {len(lookup)} lookup heads of {len(PLANTED)} models, at least {min(lookup):.3f}; ")
    print(f"{len(other)} other heads, at most {max(other):.3f} of the attention to the rival of the longest match")
    assert area == 1.0


def _untrained(index: int) -> TransformerConfig:
    n_layers, n_heads, d_model = [(1, 2, 16), (2, 4, 32), (2, 8, 128), (3, 4, 64), (4, 8, 64)][index % 5]
    position = ["hard-alibi", "nope", "rope", "alibi", "learned"][index // 5 % 5]
    windows = tuple(w for w, _ in zip(cycle((2, None, 3, None)), range(n_heads), strict=False))
    return TransformerConfig(
        n_layers=n_layers,
        n_heads=n_heads,
        d_model=d_model,
        position=position,
        windows=windows if position == "hard-alibi" else None,
        d_mlp=0 if index % 2 else 2 * d_model,
        n_ctx=128,
    )


def test_untrained_models_are_flagged_no_more_often_than_the_corrected_level():
    models, flagged, smallest = 60, 0, []
    for index in range(models):
        model = HookedTransformer(_untrained(index), seed=50_000 + index)
        scores = score_heads(model, CopyTask(), SPAN, torch.Generator().manual_seed(index), SETTINGS, seed=index)
        flagged += any(head.flagged for head in scores.heads)
        smallest.append(min(head.q_value for head in scores.heads))
    low, high = binomtest(flagged, models).proportion_ci(0.95, method="wilson")
    by_q_alone = float(np.mean(np.array(smallest) < SETTINGS.level))
    print(f"\nuntrained models with a flagged head: {flagged} of {models}, 95 % [{low:.3f}, {high:.3f}]; ", end="")
    print(f"by q-value alone, without the floor of effect: {by_q_alone:.3f}")
    assert flagged / models <= SETTINGS.level
    assert binomtest(int(by_q_alone * models), models, SETTINGS.level, alternative="greater").pvalue > 0.01
