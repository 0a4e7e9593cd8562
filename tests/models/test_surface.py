"""What can be asked of our own models; the same questions to pretrained ones are in `test_pretrained`."""

import pytest
import torch

from interp.base.errors import UserError
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.surface import (
    device,
    n_ctx,
    patterns,
    untrained_like,
    visit_attention,
    vocab_size,
)

SHAPE = {"kind": "transformer", "n_layers": 2, "n_heads": 3, "d_model": 12, "d_vocab": 9, "n_ctx": 20}


def model(seed=0, **more):
    return build(SHAPE | {"position": "hard-alibi", "windows": (2, 3, None)} | more, seed)


@pytest.fixture
def tokens():
    return torch.randint(0, 9, (2, 7), generator=torch.Generator().manual_seed(1))


def test_the_shape_is_that_of_the_config():
    assert HeadTable.of(model()).names == ("L0H0", "L0H1", "L0H2", "L1H0", "L1H1", "L1H2")
    assert (vocab_size(model()), device(model())) == (9, torch.device("cpu"))


def test_only_learned_positions_bound_the_length():
    assert n_ctx(model()) is None
    assert n_ctx(model(position="learned", windows=None)) == 20


def test_visited_attention_is_what_the_cache_holds(tokens):
    own, seen = model(), []
    visit_attention(own, tokens, lambda *layer: seen.append(layer))
    _, cache = own.run_with_cache(tokens)
    assert [layer for layer, _, _ in seen] == [0, 1]
    for layer, pattern, scores in seen:
        torch.testing.assert_close(pattern, cache[f"blocks.{layer}.attn.hook_pattern"])
        torch.testing.assert_close(scores, cache[f"blocks.{layer}.attn.hook_attn_scores"])
        torch.testing.assert_close(pattern, patterns(own, tokens, layer))


def test_no_hook_stays_behind_an_error(tokens):
    own = model()

    def fail(*_):
        raise RuntimeError

    with pytest.raises(RuntimeError):
        visit_attention(own, tokens, fail)
    assert not any(point.fwd_hooks for point in own.hook_dict.values())


def test_an_untrained_model_differs_in_its_weights_alone():
    own = model(seed=5).double()
    fresh = untrained_like(own, seed=6)
    assert fresh.config == own.config
    assert fresh.dtype == torch.float64
    assert not torch.equal(fresh.W_E, own.W_E)
    assert torch.equal(fresh.W_E, untrained_like(own, seed=6).W_E)


def test_attention_is_visited_on_the_meta_device(tokens):
    shapes = []
    visit_attention(model().to("meta"), tokens.to("meta"), lambda _, pattern, __: shapes.append(pattern.shape))
    assert shapes == [(2, 3, 7, 7)] * 2


def test_a_model_of_another_make_cannot_be_built_anew_and_says_so():
    class Other:
        cfg = model().cfg

        def run_with_cache(self): ...
        def run_with_hooks(self): ...
        def to_tokens(self): ...

    with pytest.raises(UserError, match=r"null must be given for a Other, .* as in null="):
        untrained_like(Other(), seed=0)
