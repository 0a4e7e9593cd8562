"""What heads are held against can be given: models, or the statistics of their heads; anything else is refused."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.base.seeds import spawn
from interp.measure.heads.score import HeadSettings, score_heads
from interp.models import build
from interp.models.planted import planted_copier
from interp.models.surface import untrained_like
from interp.tasks.copy import CopyTask

SETTINGS = HeadSettings(longest=4, strings=12)
MODEL = planted_copier(2, 8)[0]


def score(model=MODEL, **more):
    return score_heads(model, CopyTask(8), (14, 18), 0, SETTINGS, **more)


class Foreign:
    """Any object with TransformerLens's surface: neither one of ours nor a bridge."""

    def __init__(self, model):
        self.inner, self.cfg = model, model.cfg

    def run_with_hooks(self, *args, **kwargs):
        return self.inner.run_with_hooks(*args, **kwargs)

    def run_with_cache(self, *args, **kwargs):
        return self.inner.run_with_cache(*args, **kwargs)

    def to_tokens(self, tokens):
        return tokens


@pytest.fixture(scope="module")
def built():
    return score()


def test_the_null_of_an_earlier_scoring_or_of_the_same_models_gives_the_same(built):
    untrained = (untrained_like(MODEL, spawn(0, "untrained", i)) for i in range(SETTINGS.null_draws))
    for null in (built.null, built.null.reshape(-1, 8), list(built.null), torch.tensor(built.null), untrained):
        again = score(null=null)
        assert again.heads == built.heads
        np.testing.assert_allclose(again.null, built.null, atol=1e-6)


def test_any_model_with_the_surface_is_scored_beside_what_it_is_given(built):
    foreign = Foreign(MODEL)
    with pytest.raises(UserError, match="null must be given for a Foreign"):
        score(foreign)
    scores = score(foreign, null=built.null)
    assert scores.of_role("lookup") == built.of_role("lookup") != ()
    assert set(scores.of_role("gather")) == set(built.of_role("gather"))
    assert any("total effect" in note for note in scores.notes)


def test_a_null_too_small_to_flag_one_head_alone_says_so(built):
    scores = score(null=built.null[:16])
    assert any("too few for one of 8 alone to be flagged" in note for note in scores.notes)
    assert scores.of_role("lookup") == ()


@pytest.mark.parametrize(
    "null",
    [MODEL, 3, [], "models", np.zeros((3, 5)), np.full(16, np.nan), np.zeros((2, 2, 8)), ["a"], [MODEL, 3],
     [build({"kind": "transformer", "n_heads": 3, "d_model": 12, "position": "nope"})]],
    ids=lambda null: type(null).__name__,
)  # fmt: skip
def test_what_is_no_null_is_refused_in_a_sentence(null):
    with pytest.raises(UserError, match="null must"):
        score(null=null)


def test_studies_with_neighbouring_seeds_share_no_untrained_model(built):
    other = score(seed=1)
    assert not set(map(float, built.null)) & set(map(float, other.null)) - {0.0}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_heads_are_found_in_every_precision(built, dtype):
    scores = score(planted_copier(2, 8)[0].to(dtype))
    assert scores.of_role("lookup") == built.of_role("lookup")
    assert set(scores.of_role("gather")) == set(built.of_role("gather"))
    assert [head.n for head in scores.heads] == [head.n for head in built.heads]
