"""Heads that look evenly, and heads of a number and width of their own in each layer: one function, by every way."""

import pytest
import torch

import interp.base.budget
from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.stack import attention
from interp.models.stack.running_mean import running_means
from tests.models.stack.outcomes import assert_same, outcome  # noqa: TID251

EVEN_FIRST = {
    "n_heads": (4, 2),
    "d_head": (3, 8),
    "windows": ((1, 3, 20, None), (None, None)),
    "even": (True, False),
    "position": "nope",
}
MIXED = {"n_heads": 4, "d_head": (4, 6), "windows": (2, None, 5, None), "even": True, "position": "rope"}
SHAPES = {
    "even first": EVEN_FIRST,
    "windows only": EVEN_FIRST | {"windows": ((1, 3, 20, 2), (None, 3))},
    "mixed": MIXED,
    "alibi": MIXED | {"position": "alibi"},
    "learned": EVEN_FIRST | {"position": "learned"},
    "one layer": {"n_layers": 1, "n_heads": 3, "d_head": 4, "windows": (1, 2, 4), "even": True, "position": "nope"},
    "entmax": MIXED | {"pattern": "entmax", "position": "nape"},
    "ssmax": MIXED | {"score_scale": "ssmax", "position": "nape"},
}
WAYS = {
    "stream": ["blocks.0.hook_resid_pre"],
    "kernels": ["blocks.0.attn.hook_q", "blocks.{last}.attn.hook_q"],
    "written out": ["blocks.0.attn.hook_pattern", "blocks.{last}.attn.hook_attn_scores"],
}


def _blank(pattern, hook):  # noqa: ARG001
    return 0 * pattern


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("shape", SHAPES)
def test_every_way_gives_the_same_logits_and_gradients(tiny, tokens, shape, way):
    model = tiny(**SHAPES[shape])
    assert_same(outcome(model, tokens), outcome(model, tokens, WAYS[way]))


@pytest.mark.parametrize("shape", SHAPES)
def test_the_last_positions_alone_equal_the_full_result_cut(tiny, tokens, shape):
    model = tiny(**SHAPES[shape])
    full = outcome(model, tokens, cut=slice(7, None))
    alone = outcome(model, tokens, queries_from=7)
    assert_same((full[0][:, 7:], full[1]), alone)


@pytest.mark.parametrize("shape", SHAPES)
def test_reading_on_from_a_past_equals_reading_at_once(tiny, tokens, shape):
    model = tiny(**SHAPES[shape])
    past = model.new_past()
    parts = [model(tokens[:, some], past=past) for some in (slice(0, 5), slice(5, 6), slice(6, 12))]
    torch.testing.assert_close(torch.cat(parts, dim=1), model(tokens))


@pytest.mark.parametrize("shape", [*SHAPES, "default"])
def test_blocks_of_queries_equal_all_at_once(tiny, tokens, shape, monkeypatch):
    model = tiny(**SHAPES.get(shape, {}))
    with torch.no_grad():
        whole = model(tokens), model(tokens, queries_from=3)
        monkeypatch.setattr(interp.base.budget, "CPU", Budget(pairs=1))
        monkeypatch.setattr(attention, "LEAST_QUERIES", 5)
        torch.testing.assert_close((model(tokens), model(tokens, queries_from=3)), whole)


def test_packed_strings_stay_apart(tiny):
    model, segment = tiny(**EVEN_FIRST), torch.tensor([[0] * 5 + [1] * 7])
    tokens = torch.randint(0, 11, (1, 12), generator=torch.Generator().manual_seed(3))
    packed = model(tokens, segment=segment)
    torch.testing.assert_close(packed[:, 5:], model(tokens[:, 5:]))


def test_a_pattern_of_an_even_head_is_even_and_can_be_edited(tiny, tokens):
    model = tiny(**EVEN_FIRST)
    _, cache = model.run_with_cache(tokens)
    rows = cache["blocks.0.attn.hook_pattern"][:, 1]
    expected = torch.tensor([[1 / min(q + 1, 3) if q - 3 < k <= q else 0.0 for k in range(12)] for q in range(12)])
    torch.testing.assert_close(rows, expected.double().expand(3, -1, -1))
    assert cache["blocks.1.attn.hook_pattern"].shape == (3, 2, 12, 12)
    edited = model.run_with_hooks(tokens, fwd_hooks=[("blocks.0.attn.hook_pattern", _blank)])
    assert not torch.allclose(edited, model(tokens))


def test_running_means_are_those_of_slices():
    values = torch.randn(2, 9, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    found = running_means(values, (1, 4, None), last=6)
    for head, window in enumerate((1, 4, 9)):
        for place in range(6):
            end = place + 4
            mean = values[:, max(0, end - window) : end, head].mean(dim=1)
            torch.testing.assert_close(found[:, place, head], mean)


def test_running_means_do_not_drift_in_single_precision():
    values = torch.full((1, 300_000, 1, 1), 0.1)
    assert float((running_means(values, (3,))[0, -1000:] - 0.1).abs().max()) < 1e-7


def test_even_heads_have_no_weights_but_those_of_values(tiny):
    model = tiny(**SHAPES["windows only"])
    names = {name for name, _ in model.blocks[0].attn.named_parameters()}
    assert names == {"W_values", "b_values", "W_O", "b_O"}
    assert not model.blocks[0].attn.W_Q.any() and model.blocks[0].attn.W_V.shape == (4, 16, 3)


def test_heads_are_counted_layer_by_layer(tiny):
    table = HeadTable.of(tiny(**EVEN_FIRST))
    assert table.names == ("L0H0", "L0H1", "L0H2", "L0H3", "L1H0", "L1H1")


def test_a_model_comes_back_from_its_config(tiny):
    model = tiny(**EVEN_FIRST)
    assert build(model.config_dict()).config == model.config


def test_an_older_config_keeps_its_fields():
    described = build({"kind": "transformer", "n_heads": 4}).config_dict()
    assert not {"even", "score_scale", "pattern"} & set(described)
    assert (described["n_heads"], described["windows"]) == (4, (2, 3, None, None))
    assert build({"kind": "transformer", "n_heads": (4, 4), "even": [False, False]}).config_dict() == described


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_heads": (4, 2, 1)}, "n_heads must be one value, or one for each of 2 layers; got 3"),
        ({"n_heads": (4, 0), "d_head": 4}, "n_heads must be an integer from 1 to 2147483647; got 0"),
        ({"windows": ((2, 3),), "n_heads": 2}, "windows must be one list, or one for each of 2 layers; got 1 lists"),
        ({"windows": ((2,), (None, 3)), "n_heads": 2}, "windows must have one entry for each of 2 heads"),
        ({"windows": ((2, 0), (None, 3)), "n_heads": 2}, "windows must be integers of at least 1"),
        ({"even": (True,)}, "even must be one value, or one for each of 2 layers; got 1"),
        ({"score_scale": "log"}, "no score scale is called 'log'; the nearest known: log-n"),
        ({"pattern": "sparsemax"}, "no pattern is called 'sparsemax'"),
    ],
)
def test_heads_that_cannot_be_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        build({"kind": "transformer", **fields})
