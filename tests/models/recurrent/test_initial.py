"""First weights: the authors' distributions, held to Hugging Face's too; mimetic ones, which are linear attention."""

import math

import pytest
import torch
import torch.nn.functional as F

from interp.models import build
from interp.models.recurrent.initial import inverse_softplus
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig

LARGE = {"n_layers": 4, "d_model": 256, "d_vocab": 50, "bias": True}


@pytest.fixture(scope="module")
def mixer():
    return HookedMamba(MambaConfig(**LARGE)).blocks[1].mixer


def assert_uniform(weight, bound):
    """Within five standard errors; the largest reaches the bound."""
    n = weight.numel()
    assert 0.98 * bound < weight.abs().max() <= bound
    assert abs(weight.mean()) < 5 * bound / math.sqrt(3 * n)
    assert abs(weight.std() / (bound / math.sqrt(3)) - 1) < 5 / math.sqrt(2 * n)


def assert_log_uniform(values, low, high):
    assert low <= values.min() and values.max() <= high * 1.0001
    share = (values.log() - math.log(low)) / math.log(high / low)
    assert abs(share.mean() - 0.5) < 5 / math.sqrt(12 * len(values))
    assert abs(share.std() - 1 / math.sqrt(12)) < 5 / math.sqrt(24 * len(values))


# ---------------------------------------------------------------------- the authors'


def test_maps_are_uniform_within_one_over_the_root_of_their_fan_in(mixer):
    for name in ("W_in", "W_gate", "W_dt_down", "W_B", "W_C", "W_dt"):
        weight = getattr(mixer, name)
        assert_uniform(weight, weight.shape[0] ** -0.5)
    assert_uniform(mixer.W_out, mixer.W_out.shape[0] ** -0.5 / 2)  # of four layers
    assert_uniform(mixer.W_conv, 0.5)
    assert_uniform(mixer.b_conv, 0.5)
    assert not any(getattr(mixer, name).any() for name in ("b_in", "b_gate", "b_out"))


def test_decays_steps_and_skips_are_the_authors(mixer):
    torch.testing.assert_close(mixer.A, -torch.arange(1.0, 17).expand(512, 16))
    assert (mixer.D == 1).all()
    assert_log_uniform(F.softplus(mixer.b_dt.detach()), 0.001, 0.1)


def test_embeddings_are_normal_and_norms_begin_at_one():
    model = HookedMamba(MambaConfig(d_vocab=4000, tied=False))
    weight = model.W_E.detach()
    assert abs(weight.std() / 0.02 - 1) < 5 / math.sqrt(2 * weight.numel()) and weight.abs().max() > 0.07
    assert_uniform(model.W_U, 1 / 8)
    assert not model.b_U.any() and (model.ln_final.w == 1).all() and (model.blocks[0].norm.w == 1).all()


def test_the_first_weights_are_spread_as_those_of_hugging_face():
    """Where transformers draws as the authors do: rates, steps, skips, and the maps that it does not draw anew."""
    transformers = pytest.importorskip("transformers")
    shape = {"hidden_size": 256, "num_hidden_layers": 4, "vocab_size": 50, "state_size": 16}
    torch.manual_seed(0)
    theirs = transformers.MambaForCausalLM(transformers.MambaConfig(**shape)).backbone.layers[1].mixer
    ours = HookedMamba(MambaConfig(n_layers=4, d_model=256, d_vocab=50)).blocks[1].mixer
    torch.testing.assert_close(ours.A_log, theirs.A_log)
    torch.testing.assert_close(ours.D, theirs.D)
    steps = [F.softplus(bias.detach()).log() for bias in (ours.b_dt, theirs.dt_proj.bias)]
    assert abs(steps[0].mean() - steps[1].mean()) < 5 * math.sqrt(2) * steps[1].std() / math.sqrt(512)
    torch.testing.assert_close(ours.W_dt.std(), theirs.dt_proj.weight.std(), rtol=0.05, atol=0)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("kind", ["transformer", "mamba", "mamba2", "lstm", "hybrid"])
def test_a_seed_means_the_same_weights_under_another_default_dtype(kind, dtype):
    """Drawn in float32, then rounded: within a rounding or two of each other, and not another draw."""
    expected = build({"kind": kind, "d_model": 32}, seed=4).state_dict()
    torch.set_default_dtype(dtype)
    try:
        found = build({"kind": kind, "d_model": 32}, seed=4).state_dict()
    finally:
        torch.set_default_dtype(torch.float32)
    rounding = max(torch.finfo(dtype).eps, torch.finfo(torch.float32).eps)
    for name, weight in expected.items():
        assert found[name].dtype == dtype
        torch.testing.assert_close(found[name].float(), weight, rtol=4 * rounding, atol=4 * rounding)


# ---------------------------------------------------------------------- mimetic


def first_layer(model, tokens):
    prefix = "blocks.0.mixer."
    _, cache = model.run_with_cache(tokens, names_filter=lambda name: name.startswith(prefix))
    return {name.removeprefix(prefix): value for name, value in cache.items()}


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_a_mimetic_layer_forgets_nothing_and_counts_every_position_alike(kind):
    model = build({"kind": kind, "d_model": 64, "d_vocab": 30, "initialization": "mimetic"})
    tokens = torch.randint(0, 30, (2, 50), generator=torch.Generator().manual_seed(0))
    found = first_layer(model, tokens)
    torch.testing.assert_close(found["hook_delta"], torch.ones_like(found["hook_delta"]))
    assert (found["hook_A_bar"] > 0.9996).all()
    torch.testing.assert_close(found["hook_A_bar"], torch.full_like(found["hook_A_bar"], math.exp(-math.exp(-8))))
    summed = found["hook_write"].cumsum(1)  # what linear attention keeps
    error = (found["hook_state"] - summed).norm() / summed.norm()
    assert error < 50 * math.exp(-8)
    authors = first_layer(build({"kind": kind, "d_model": 64, "d_vocab": 30}), tokens)
    summed = authors["hook_write"].cumsum(1)
    assert (authors["hook_state"] - summed).norm() / summed.norm() > 0.1


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_a_mimetic_layer_reads_most_where_the_like_was_written(kind):
    """C_q . B_k is larger where the letters at q and k are one; in the authors' first weights it is not."""
    shape = {"kind": kind, "n_layers": 1, "d_model": 256, "d_vocab": 30, "d_state": 64}
    tokens = torch.randint(0, 30, (4, 60), generator=torch.Generator().manual_seed(0))
    same = (tokens[:, :, None] == tokens[:, None]) & ~torch.eye(60, dtype=torch.bool)
    other = tokens[:, :, None] != tokens[:, None]
    gaps = {}
    for initialization in ("authors", "mimetic"):
        per_seed = []
        for seed in range(5):
            found = first_layer(build({**shape, "initialization": initialization}, seed=seed), tokens)
            C, B = (found[f"hook_{name}"].flatten(2).double() for name in "CB")
            product = C @ B.mT
            per_seed.append((product[same].mean() - product[other].mean()) / product[other].std())
        gaps[initialization] = torch.stack(per_seed)
    assert (gaps["mimetic"] > 0.5).all()
    assert gaps["authors"].abs().mean() < gaps["mimetic"].mean() / 3


def test_the_maps_that_write_and_read_are_alike_without_being_one():
    authors, mimetic = (
        HookedMamba(MambaConfig(d_model=128, initialization=name)).blocks[0].mixer for name in ("authors", "mimetic")
    )
    torch.testing.assert_close(mimetic.W_B, authors.W_B)  # the same seed draws the same
    torch.testing.assert_close(mimetic.W_C, (authors.W_B + authors.W_C) / 2)
    product = mimetic.W_B.T @ mimetic.W_C  # [state state]
    diagonal = product.diagonal()
    assert diagonal.min() > 3 * (product - diagonal.diag()).std()
    for name in ("W_in", "W_gate", "W_out", "W_conv", "b_conv", "D"):
        torch.testing.assert_close(getattr(mimetic, name), getattr(authors, name))


def test_the_inverse_of_softplus_is_that_from_tiny_to_huge():
    x = torch.tensor([1e-6, 1e-3, 1.0, 30.0, 1e4], dtype=torch.float64)
    torch.testing.assert_close(F.softplus(inverse_softplus(x)), x)
