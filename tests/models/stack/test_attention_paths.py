"""SDPA, the explicit path, and a last block that computes only what is asked for, are one function."""

import itertools

import pytest
import torch

from interp.base.errors import UserError
from interp.models.stack.config import POSITIONS
from tests.models.stack.outcomes import assert_same, outcome  # noqa: TID251

EVERY = [
    {"position": position, "normalization": norm, "d_mlp": d_mlp, "parallel": parallel}
    | ({} if position == "hard-alibi" else {"windows": None})
    for position, norm, (d_mlp, parallel) in itertools.product(
        POSITIONS, ("LN", "LNPre", None), ((0, False), (24, False), (24, True))
    )
]
WINDOWED = [{"position": position} for position in ("learned", "rope", "nope", "alibi")]
SEGMENT = torch.tensor([[0] * 12, [0] * 5 + [1] * 7, [3] * 2 + [1] * 4 + [2] * 6])


def name(shape: dict) -> str:
    return "-".join(str(value) for value in shape.values())


def explicit(model):
    for block in model.blocks:
        block.attn.fast = False


@pytest.mark.parametrize("shape", EVERY + WINDOWED, ids=name)
@pytest.mark.parametrize("segment", [None, SEGMENT], ids=["whole", "packed"])
def test_both_paths_give_the_same_logits_and_gradients(tiny, tokens, shape, segment):
    model = tiny(**shape)
    fast = outcome(model, tokens, segment=segment)
    explicit(model)
    assert_same(fast, outcome(model, tokens, segment=segment))


@pytest.mark.parametrize("shape", EVERY + WINDOWED, ids=name)
def test_the_last_positions_alone_equal_the_full_result_cut(tiny, tokens, shape):
    model = tiny(**shape)
    full = outcome(model, tokens, cut=slice(7, None))
    alone = outcome(model, tokens, queries_from=7)
    assert_same((full[0][:, 7:], full[1]), alone)
    explicit(model)
    assert_same(alone, outcome(model, tokens, queries_from=-5))


def test_the_last_positions_alone_also_in_packed_strings_with_loss_and_with_a_past(tiny, tokens):
    model = tiny(position="rope", d_mlp=8)
    full = model(tokens, segment=SEGMENT)
    torch.testing.assert_close(model(tokens, segment=SEGMENT, queries_from=4), full[:, 4:])
    loss = model(tokens, "loss", loss_per_token=True)
    torch.testing.assert_close(model(tokens, "loss", loss_per_token=True, queries_from=4), loss[:, 4:])
    past = model.new_past()
    model(tokens[:, :5], past=past)
    torch.testing.assert_close(model(tokens[:, 5:], past=past, queries_from=-2), model(tokens)[:, -2:])
    torch.testing.assert_close(model(tokens, stop_at_layer=1, queries_from=3), model(tokens, stop_at_layer=1)[:, 3:])


def test_the_hooks_of_the_last_block_have_only_the_positions_asked_for(tiny, tokens):
    model = tiny(d_mlp=8)
    _, full = model.run_with_cache(tokens)
    _, cut = model.run_with_cache(tokens, queries_from=7)
    uncut = tuple(f"blocks.1.{end}" for end in ("hook_resid_pre", "ln1.hook_scale", "ln1.hook_normalized"))
    for key, value in full.items():
        if (
            key.endswith((".attn.hook_k", ".attn.hook_v"))
            or key in uncut
            or not key.startswith(("blocks.1", "ln_final"))
        ):
            expected = value
        else:
            expected = value[:, :, 7:] if key.endswith(("hook_pattern", "hook_attn_scores")) else value[:, 7:]
        torch.testing.assert_close(cut[key], expected, msg=lambda text, key=key: f"{key}: {text}")


def test_a_position_that_is_not_there_is_refused(tiny, tokens):
    with pytest.raises(UserError, match="queries_from must be a position, an integer from -12 to 11; got 12"):
        tiny()(tokens, queries_from=12)


def test_packed_strings_equal_the_strings_alone(tiny, tokens):
    for shape in EVERY:
        model = tiny(**shape)
        packed = model(tokens[2:], segment=SEGMENT[2:])[0]
        alone = [model(part)[0] for part in tokens[2:].split([2, 4, 6], dim=1)]
        torch.testing.assert_close(packed, torch.cat(alone), msg=lambda text, shape=shape: f"{shape}: {text}")


def test_a_number_that_comes_back_is_another_packed_string(tiny, tokens):
    again = torch.tensor([[1] * 2 + [0] * 4 + [1] * 6])
    for shape in ({"position": "rope"}, {"position": "forget"}, {"qkv_conv": 3, "even": True}):
        model = tiny(**shape)
        torch.testing.assert_close(model(tokens[2:], segment=again), model(tokens[2:], segment=SEGMENT[2:]))


def test_no_position_sees_a_later_one(tiny, tokens):
    changed = tokens.clone()
    changed[:, 6:] = (changed[:, 6:] + 1) % 11
    for shape in EVERY + WINDOWED:
        model = tiny(**shape)
        before, after = model(tokens), model(changed)
        torch.testing.assert_close(before[:, :6], after[:, :6])
        assert not torch.allclose(before[:, 6:], after[:, 6:])


def test_autocast_keeps_to_its_precision_on_both_paths(tiny, tokens):
    model = tiny(d_mlp=8).float()
    with torch.autocast("cpu", torch.bfloat16):
        fast = model(tokens).float()
        explicit(model)
        slow = model(tokens).float()
    exact = model(tokens)
    assert 1e-4 < (fast - exact).abs().max() < 0.2 * exact.abs().max()  # rounded to 8 bits, and used
    assert (fast - slow).abs().max() < 0.1 * exact.abs().max()
