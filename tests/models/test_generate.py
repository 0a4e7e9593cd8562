"""Generation reads one token a step, and says what recomputing everything would say."""

import copy

import pytest
import torch

from interp.base.errors import UserError
from interp.models import build
from interp.models.stack.config import POSITIONS


@pytest.fixture
def lively(tiny):
    """Makes models that do not fall into one token for ever."""

    def make(**changes):
        model = tiny(**changes)
        with torch.no_grad():
            model.W_E.mul_(3)
            model.b_U.zero_()
        return model

    return make


def recomputed(model, tokens, steps):
    for _ in range(steps):
        tokens = torch.cat([tokens, model(tokens)[:, -1:].argmax(-1)], dim=1)
    return tokens


@pytest.mark.parametrize("position", POSITIONS)
@pytest.mark.parametrize("windows", [None, (1, 2, 3, None)], ids=["unlimited", "windows"])
def test_generating_with_the_past_equals_recomputing(lively, tokens, position, windows):
    if position == "hard-alibi" and windows is None:
        windows = (None,) * 4
    model = lively(position=position, windows=windows, d_mlp=8)
    generated = model.generate(tokens, 20)
    assert torch.equal(generated, recomputed(model, tokens, 20)) and len(generated[:, 12:].unique()) > 4
    past = model.new_past()
    steps = [model(part, past=past) for part in tokens.split([5, 1, 4, 2], dim=1)]
    torch.testing.assert_close(torch.cat(steps, dim=1), model(tokens))
    assert past[0].keys.shape == (3, 12, 4, 4)


def test_a_finished_row_is_filled_with_the_stop_token_and_the_rest_goes_on(lively, tokens):
    model = lively(d_mlp=8)
    free = model.generate(tokens, 20)[:, 12:]

    def ends(stop: int) -> list[int]:
        return [(row == stop).nonzero()[:1].flatten().tolist()[0] if (row == stop).any() else 19 for row in free]

    stop = max(range(11), key=lambda token: len(set(ends(token))))
    assert len(set(ends(stop))) == 3  # ragged
    out = model.generate(tokens, 20, stop_at=stop)[:, 12:]
    assert out.shape[1] == max(ends(stop)) + 1
    for row, expected, end in zip(out, free, ends(stop), strict=True):
        assert torch.equal(row[: end + 1], expected[: end + 1])
        assert (row[end + 1 :] == stop).all()


def test_prompts_that_all_stop_at_once_are_generated_no_further(lively, tokens):
    model = lively()
    with torch.no_grad():
        model.b_U[4] = 1e3
    assert model.generate(tokens, 20, stop_at=4).shape == (3, 13)
    assert torch.equal(model.generate(tokens, 0), tokens)


def test_sampling_repeats_with_its_generator_and_follows_the_distribution(lively, tokens, generator):
    model = lively()
    drawn = [model.generate(tokens, 10, temperature=1.0, generator=generator(seed)) for seed in (0, 0, 1)]
    assert torch.equal(drawn[0], drawn[1]) and not torch.equal(drawn[0], drawn[2])
    many = tokens[:1].expand(20_000, -1)
    share = model.generate(many, 1, temperature=2.0, generator=generator())[:, -1].bincount(minlength=11) / 20_000
    expected = (model(tokens[:1])[0, -1] / 2).softmax(-1)
    assert (share - expected).abs().max() < 4.5 * (0.25 / 20_000) ** 0.5
    cold = model.generate(tokens, 10, temperature=1e-6, generator=generator())
    assert torch.equal(cold, model.generate(tokens, 10))


def test_hooks_act_while_generating(lively, tokens):
    model = lively()
    with model.hooks(fwd_hooks=[("blocks.1.attn.hook_pattern", lambda x, **_: x.roll(1, dims=1))]):
        hooked = model.generate(tokens, 6)
        assert torch.equal(hooked, recomputed(model, tokens, 6))
    assert not torch.equal(hooked, model.generate(tokens, 6))


def test_what_generation_cannot_do_is_refused(lively, tokens):
    with pytest.raises(UserError, match="must be None where a past is given"):
        model = lively()
        model(tokens, past=model.new_past(), segment=torch.zeros_like(tokens))
    with pytest.raises(UserError, match="temperature must be a number of at least 0"):
        lively().generate(tokens, 3, temperature=-1.0)


@torch.no_grad()
@pytest.mark.parametrize(
    "config",
    [
        {"kind": "transformer", "n_heads": 2, "position": "path", "qkv_conv": 2},
        {"kind": "hybrid", "layers": ["rwkv7", "attention"], "attention": {"n_heads": 2}, "rwkv7": {"n_heads": 2}},
        {"kind": "s4d", "d_state": 4},
        {"kind": "mlstm", "n_heads": 2},
    ],
    ids=lambda config: config["kind"],
)
def test_a_model_goes_on_from_what_was_carried_in_another_precision(config):
    single = build({"d_model": 8, "d_vocab": 9, **config})
    double, tokens = (
        copy.deepcopy(single).double(),
        torch.randint(0, 9, (2, 7), generator=torch.Generator().manual_seed(0)),
    )
    whole = double(tokens)[:, 4:]
    for first, then in ((single, double), (double, single)):
        past = first.new_past()
        first(tokens[:, :4], past=past)
        rest = then(tokens[:, 4:], past=past)
        assert rest.dtype == then.dtype
        torch.testing.assert_close(rest.double(), whole, atol=1e-5, rtol=1e-5)
