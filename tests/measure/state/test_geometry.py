"""Rank, norm and fading of states: planted memories, weights set by hand, and distributions whose rank is known."""

from itertools import permutations
from typing import Any

import numpy as np
import pytest
import torch

from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.measure.state.decay import log_decays, time_constants
from interp.measure.state.geometry import geometry, shape
from interp.models import build
from interp.models.planted import register, shift
from interp.tasks.copy import CopyTask


@pytest.mark.parametrize("make", [register, shift])
@pytest.mark.parametrize(("k", "alphabet"), [(3, 5), (6, 2), (4, 26)])
def test_a_memory_of_one_hot_letters_has_d_minus_1_directions_a_letter(
    make: Any, k: int, alphabet: int, generator: Any
) -> None:
    model, _ = make(k, alphabet)
    lengths, n = [1, k - 1, k, 3 * k], 300
    found = geometry(model, CopyTask(alphabet), lengths, n, generator(0))
    assert found.layers == ("blocks.0.h", "blocks.0.clock")
    held = np.minimum(lengths, k)
    directions = held * (alphabet - 1)
    np.testing.assert_allclose(found.participation_ratio[0], directions, rtol=0.05)
    np.testing.assert_allclose(found.entropy_rank[0], directions * np.exp(-directions / (2 * n)), rtol=0.02)
    np.testing.assert_allclose(found.norm[0], np.sqrt(held), rtol=1e-6)
    assert np.isnan(found.saturated).all() and np.isnan(found.time_constants).all()


def test_what_is_the_same_for_all_strings_has_no_rank(generator: Any) -> None:
    model, _ = register(3, 5)
    found = geometry(model, CopyTask(5), [4, 7], 20, generator(0))
    assert (found.participation_ratio[1] == 0).all() and (found.entropy_rank[1] == 0).all()
    np.testing.assert_allclose(found.norm[1], [4, 7])  # the clock: letters read


@pytest.mark.parametrize("tails", [False, True])
def test_the_participation_ratio_is_not_that_of_few_strings(tails: bool) -> None:
    rng = np.random.default_rng(0)
    deviation = np.array([1.0] * 30 + [0.3] * 60)
    truth = (deviation**2).sum() ** 2 / (deviation**4).sum()

    def draw(n: int) -> torch.Tensor:
        values = rng.standard_t(5, (n, 90)) / np.sqrt(5 / 3) if tails else rng.standard_normal((n, 90))
        return torch.from_numpy(values * deviation)

    found = [shape(draw(40))[0] for _ in range(200)]
    assert np.mean(found) == pytest.approx(truth, rel=0.05)
    variances = np.linalg.eigvalsh(np.cov(draw(40).numpy().T)).clip(min=0)
    assert variances.sum() ** 2 / (variances**2).sum() < 0.7 * truth  # what the plain ratio would say


def test_the_participation_ratio_is_that_of_pairs_without_a_common_string() -> None:
    x = np.random.default_rng(0).standard_exponential((7, 3))
    pairs = [(x[i] - x[j], x[k] - x[m]) for i, j, k, m in permutations(range(7), 4)]  # covariance 2 Sigma, independent
    above = np.mean([(a @ a) * (b @ b) for a, b in pairs])
    below = np.mean([(a @ b) ** 2 for a, b in pairs])
    assert shape(torch.from_numpy(x))[0] == pytest.approx(above / below)


def test_the_entropy_rank_by_hand() -> None:
    features = torch.tensor([[2.0, 0.0], [-2.0, 0.0], [0.0, 1.0], [0.0, -1.0]])  # variances as 4 to 1
    _, entropy, norm = shape(features)
    assert entropy == pytest.approx(0.8**-0.8 * 0.2**-0.2) and norm == pytest.approx(1.5)


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "hybrid"])
def test_decays_are_the_means_of_those_at_the_hook(kind: str, generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model: Any = build({"kind": kind}).double()
    batch = CopyTask().sample(6, 11, generator(0))
    monkeypatch.setattr("interp.base.budget.CPU", Budget(tokens=24))  # stretches of 4
    found = log_decays(model, batch)
    layers = [0] if kind == "hybrid" else [0, 1]
    assert list(found) == [f"blocks.{layer}.h" for layer in layers]
    for layer in layers:
        name = f"blocks.{layer}.mixer.hook_A_bar"
        _, cache = model.run_with_cache(batch.tokens, names_filter=[name])
        mean = cache[name][:, 1:12].log().mean(dim=(0, 1))
        mean = mean if mean.ndim == 2 else mean[:, None, None].expand(model.state_shapes()[f"blocks.{layer}.h"])
        torch.testing.assert_close(found[f"blocks.{layer}.h"], mean)


def test_the_decay_of_a_cell_is_its_forget_gate(generator: Any) -> None:
    model = build({"kind": "lstm"}).double()
    batch = CopyTask().sample(6, 11, generator(0))
    _, cache = model.run_with_cache(batch.tokens)
    found = log_decays(model, batch)
    assert list(found) == ["blocks.0.c", "blocks.1.c"]
    for layer in (0, 1):
        gates = cache[f"blocks.{layer}.mixer.hook_f"][:, 1:12]
        torch.testing.assert_close(found[f"blocks.{layer}.c"], gates.log().mean(dim=(0, 1)))


def test_time_constants_of_weights_set_by_hand(generator: Any) -> None:
    model: Any = build({"kind": "mamba", "n_layers": 1})
    mixer = model.blocks[0].mixer
    with torch.no_grad():
        mixer.W_dt.zero_()
        mixer.b_dt.copy_(torch.linspace(-8, 3, len(mixer.b_dt)))
    delta = torch.nn.functional.softplus(mixer.b_dt.double())
    expected = (1 / (delta[:, None] * mixer.A_log.double().exp())).flatten().detach().numpy()
    found = geometry(model, CopyTask(), [3, 9], 4, generator(0))
    quantiles = np.quantile(expected, np.linspace(0, 1, 101))
    np.testing.assert_allclose(found.time_constants[0], [quantiles, quantiles], rtol=1e-5)  # the same at both lengths
    saturated = ((np.exp(-1 / expected) > 0.999) | (np.exp(-1 / expected) < 0.001)).mean()
    assert 0.1 < saturated < 0.9
    np.testing.assert_allclose(found.saturated[0], saturated)
    assert found.layers[1] == "blocks.0.window"
    assert np.isnan(found.saturated[1]).all() and np.isnan(found.time_constants[1]).all()


def test_time_constants_are_those_of_each_length(generator: Any) -> None:
    model: Any = build({"kind": "mamba", "n_layers": 1}, seed=2)
    found = geometry(model, CopyTask(), [2, 30], 8, generator(0))
    drawn = generator(0)
    for at, length in enumerate(found.lengths):
        constants = time_constants(log_decays(model, CopyTask().sample(8, length, drawn))["blocks.0.h"])
        np.testing.assert_allclose(found.time_constants[0, at, 50], constants.quantile(0.5), rtol=1e-6)
    assert found.time_constants[0, 0, 50] != found.time_constants[0, 1, 50]


def test_what_never_fades_has_a_time_constant_that_can_be_written() -> None:
    assert torch.isfinite(time_constants(torch.zeros(2, dtype=torch.float64))).all()
    torch.testing.assert_close(time_constants(torch.tensor([-0.5, -0.01])), torch.tensor([2.0, 100.0]))


def test_keys_and_values_have_a_geometry_too(generator: Any) -> None:
    model = build({"kind": "transformer", "position": "nope", "n_layers": 1})
    found = geometry(model, CopyTask(), [2, 6], 60, generator(0))
    assert found.layers == ("blocks.0.keys", "blocks.0.values")
    assert (found.participation_ratio[:, 1] > 2 * found.participation_ratio[:, 0]).all()


def test_geometry_does_not_depend_on_blocks(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build({"kind": "mamba"})
    whole = geometry(model, CopyTask(), [6], 30, generator(1))
    monkeypatch.setattr("interp.base.budget.CPU", Budget(tokens=40, features=99))
    found = geometry(model, CopyTask(), [6], 30, generator(1))
    for name in ("participation_ratio", "entropy_rank", "norm", "saturated"):
        np.testing.assert_allclose(getattr(found, name), getattr(whole, name), rtol=1e-4)


def test_few_strings_are_refused(generator: Any) -> None:
    model, _ = register(3, 5)
    with pytest.raises(UserError, match=r"at least 4 .*; got 3"):
        geometry(model, CopyTask(5), [4], 3, generator())
    with pytest.raises(UserError, match="at least 1 letter"):
        geometry(model, CopyTask(5), [], 8, generator())
