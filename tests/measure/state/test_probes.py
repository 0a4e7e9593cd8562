"""What probes read from a state, against planted memories whose capacity is known, and against nulls."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.measure.state.bits import bits_of
from interp.measure.state.carried import carry
from interp.measure.state.probe_features import Sketch, inner_products, state_features
from interp.measure.state.probe_fit import Probes, ridge_scores, tempered
from interp.measure.state.probes import ProbeSettings, held_bits
from interp.models import build
from interp.models.planted import decay, register, shift
from interp.results.state import HeldBits
from interp.tasks.copy import CopyTask
from interp.tasks.vocabulary import Vocabulary

SMALL = ProbeSettings(train=512, temper=256, test=256)
NARROW = {"kind": "mamba", "d_model": 32}


@pytest.mark.parametrize("make", [register, shift])
@pytest.mark.parametrize(("k", "alphabet"), [(4, 2), (4, 26), (9, 5)])
def test_what_a_register_holds_is_read_letter_by_letter(make: Any, k: int, alphabet: int, generator: Any) -> None:
    model, capacity = make(k, alphabet)
    lengths = (1, k, 2 * k)
    found = held_bits(model, CopyTask(alphabet), lengths, generator(0), SMALL)
    for index, length in enumerate(lengths):
        expected = np.array(capacity.kept(length)) * np.log2(alphabet)
        np.testing.assert_allclose(found.held.by_position[index, :length], expected, atol=0.02 * np.log2(alphabet))
        assert found.held.total[index] == pytest.approx(expected.sum(), rel=0.02)


@pytest.mark.slow
@pytest.mark.parametrize("make", [register, shift])
def test_a_large_register_is_read_to_the_last_letter(make: Any, generator: Any) -> None:
    model, capacity = make(32, 26)
    found = held_bits(model, CopyTask(), (16, 32, 64), generator(0))
    for length, total in zip(found.held.lengths, found.held.total, strict=True):
        assert total == pytest.approx(sum(capacity.kept(length)) * np.log2(26), rel=0.02)
    assert found.shuffled.total == (0.0, 0.0, 0.0)


def test_a_decaying_memory_holds_what_survives(generator: Any) -> None:
    """A probe of 1,024 strings reads a little less than survives; a wiped letter shows in what wiped it out."""
    model, capacity = decay(8, 26, keep=0.7)
    found = held_bits(model, CopyTask(), [3, 8], generator(0), ProbeSettings(train=1024, temper=256, test=512))
    for index, length in enumerate((3, 8)):
        survives = np.array(capacity.kept(length)) * np.log2(26)
        np.testing.assert_allclose(found.held.by_position[index, :length], survives, atol=0.25)
        assert 0.9 * survives.sum() < found.held.total[index] < 1.1 * survives.sum()


def test_no_more_is_held_than_the_letters_have(generator: Any) -> None:
    found = held_bits(build(NARROW), CopyTask(4), [3], generator(0), SMALL)
    assert (found.held.by_position <= 2).all()


def test_shuffled_labels_hold_nothing(generator: Any) -> None:
    found = held_bits(build(NARROW), CopyTask(), [2, 40], generator(0), SMALL)
    for total, (low, _) in zip(found.shuffled.total, found.shuffled.interval, strict=True):
        assert low == pytest.approx(0, abs=1e-3) and total < 0.01
    assert min(found.held.total) > 5


def test_letters_that_say_nothing_to_each_other_are_not_read_even_from_many_numbers(generator: Any) -> None:
    features = torch.randn(900, 3000, generator=generator(0))
    letters = torch.randint(5, (900, 200), generator=generator(1))
    rows = Probes(inner_products(features, 500)).bits(letters, 5, 200)
    assert rows.shape == (200, 200)
    assert (rows == 0).mean() > 0.95 and bits_of((200,), [rows]).total[0] < 0.2


@pytest.mark.parametrize("noise", [0.5, 1.0])
def test_the_bits_of_a_noisy_letter_are_those_of_bayes(noise: float, generator: Any) -> None:
    """One-hot letters under Gaussian noise: linear probes can be as good as the posterior itself."""
    letters = torch.randint(4, (5000, 2), generator=generator(0))
    features = torch.nn.functional.one_hot(letters, 4).flatten(1) + noise * torch.randn(5000, 8, generator=generator(1))
    posterior = (features.view(-1, 2, 4) / noise**2).log_softmax(dim=2).gather(2, letters[..., None])
    known = (posterior.mean(dim=0)[:, 0] / np.log(2) + 2).numpy()
    read = Probes(inner_products(features, 1000)).bits(letters, 4, 2000).mean(axis=0)
    np.testing.assert_allclose(read, known, atol=0.06)


def test_a_letter_between_two_others_is_not_masked(generator: Any) -> None:
    """Three letters on a line: regression never gives the middle one the highest score (Hastie et al., ESL, 4.2)."""
    letters = torch.randint(3, (4000, 1), generator=generator(0))
    places, noise = torch.tensor([-1.0, 0.0, 1.0]), 0.3
    features = places[letters] + noise * torch.randn(4000, 1, generator=generator(1))
    read = Probes(inner_products(features, 1000)).bits(letters, 3, 1500).mean()
    posterior = (-((features - places) ** 2) / (2 * noise**2)).log_softmax(dim=1).gather(1, letters)
    assert read == pytest.approx(float(posterior.mean()) / np.log(2) + np.log2(3), abs=0.05)


def test_a_string_is_scored_as_by_the_regression_without_it(generator: Any) -> None:
    features, targets = (
        torch.randn(12, 5, generator=generator(0)).double(),
        torch.randn(12, 3, generator=generator(1)).double(),
    )
    products = features @ features.T
    unit = torch.eye(12).double()
    left_out, others = ridge_scores(torch.linalg.inv(products + 0.1 * unit), products, targets)
    torch.testing.assert_close(others, features @ _ridge(features, targets))
    for i in range(12):
        rest = torch.arange(12) != i
        torch.testing.assert_close(left_out[i], features[i] @ _ridge(features[rest], targets[rest]))


def _ridge(features: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return torch.linalg.solve(features.T @ features + 0.1 * torch.eye(features.shape[1]).double(), features.T @ targets)


def test_a_wrong_certain_guess_does_not_cost_everything() -> None:
    logits = torch.full((100, 1, 4), -50.0)
    letters = torch.zeros(100, 1, dtype=torch.long)
    logits[:, 0, 0] = 50
    logits[::10, 0] = torch.tensor([-50.0, 50, -50, -50])  # a tenth of the guesses is wrong
    gain, rows = tempered(logits, letters, 50)
    assert 1.0 < float(gain) <= 2 and float(rows.min()) > -6


def test_an_untrained_model_holds_recent_letters_and_forgets_far_ones(generator: Any) -> None:
    model = build(NARROW)
    found = held_bits(model, CopyTask(), [4, 32], generator(0), SMALL, untrained=build(NARROW, seed=1))
    assert found.untrained is not None
    for bits in (found.held, found.untrained):
        short, long = bits.by_position
        assert short[:4].min() > 0.98 * np.log2(26)
        assert long[-3:].min() > 0.98 * np.log2(26)  # what the convolutions' windows keep
        assert bits.total[1] < 0.5 * 32 * np.log2(26)


def test_layers_are_read_one_by_one(generator: Any) -> None:
    model = build({**NARROW, "n_layers": 3})
    found = held_bits(model, CopyTask(5), [6], generator(0), SMALL)
    assert list(found.by_layer) == ["blocks.0", "blocks.1", "blocks.2"]
    assert max(bits.total[0] for bits in found.by_layer.values()) <= found.held.total[0] + 0.5
    alone = held_bits(model, CopyTask(5), [6], generator(0), replace(SMALL, by_layer=False))
    assert not alone.by_layer and alone.held.total == found.held.total


@pytest.mark.parametrize("kind", ["mamba2", "lstm", "hybrid", "transformer"])
def test_every_architecture_is_read(kind: str, generator: Any) -> None:
    options = {"position": "nope"} if kind == "transformer" else {}
    found = held_bits(build({"kind": kind, **options}), CopyTask(5), [4], generator(0), SMALL)
    assert found.held.total[0] > 0.9 * 4 * np.log2(5)
    assert set(found.by_layer) == {"blocks.0", "blocks.1"}
    assert found.strings == (512, 256, 256)


def test_keys_and_values_keep_every_letter(generator: Any) -> None:
    model = build({"kind": "transformer", "position": "nope"})
    found = held_bits(model, CopyTask(3), [24], generator(0), SMALL)
    assert found.held.total[0] > 0.98 * 24 * np.log2(3)


def test_a_projection_loses_little_and_adds_nothing(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model = build(NARROW)
    whole = held_bits(model, CopyTask(5), [12], generator(0), SMALL)
    monkeypatch.setattr("interp.base.budget.CPU", Budget(numbers=2 * 1024 * 1000))
    projected = held_bits(model, CopyTask(5), [12], generator(0), SMALL)
    batch = CopyTask(5).sample(1024, 12, generator(0))
    assert {x.shape[1] for x in state_features(model, batch, 0).values()} == {1000}
    assert 0.85 * whole.held.total[0] < projected.held.total[0] < 1.03 * whole.held.total[0]


def test_a_sketch_keeps_inner_products_on_average(generator: Any) -> None:
    x = torch.randn(20, 5000, generator=generator(0), dtype=torch.float64)
    standard = x / x.std(dim=0, correction=0)
    found = torch.stack([(y := Sketch(x, 700, seed)(x)) @ y.T for seed in range(60)])
    error = found.std(dim=0) / 60**0.5
    assert ((found.mean(dim=0) - standard @ standard.T).abs() < 4.5 * error).all()


def test_features_are_the_state_itself(generator: Any) -> None:
    model = build({"kind": "hybrid"})
    batch = CopyTask().sample(30, 5, generator(0))
    features = torch.cat(list(state_features(model, batch, 0).values()), dim=1)
    torch.testing.assert_close(features, carry(model, batch).flat())


def test_the_same_seeds_give_the_same_bits_and_blocks_change_nothing(
    generator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = build(NARROW)
    first = held_bits(model, CopyTask(5), [7], generator(0), SMALL)
    again = held_bits(model, CopyTask(5), [7], generator(0), SMALL)
    np.testing.assert_array_equal(first.held.draws, again.held.draws)
    monkeypatch.setattr("interp.base.budget.CPU", Budget(tokens=1000, scores=10_000))
    np.testing.assert_allclose(
        held_bits(model, CopyTask(5), [7], generator(0), SMALL).held.by_position, first.held.by_position, atol=0.01
    )


def test_letters_of_any_vocabulary_are_read(generator: Any) -> None:
    ids = Vocabulary(4, bos=0, separator=1, eos=2, pad=3, letter_ids=(9, 5, 7, 6))
    model = build({"kind": "lstm", "d_vocab": 10})
    found = held_bits(model, CopyTask(vocab=ids), [2], generator(0), SMALL)
    assert found.held.total[0] > 0.98 * 4


def test_what_was_held_is_kept_on_disk(generator: Any, tmp_path: Path) -> None:
    found = held_bits(build(NARROW), CopyTask(3), [2, 4], generator(0), ProbeSettings.tiny())
    again = HeldBits.load(found.save(tmp_path))
    assert again.by_layer["blocks.1"].total == found.by_layer["blocks.1"].total
    np.testing.assert_array_equal(again.held.draws, found.held.draws)


def test_too_few_strings_are_refused_with_the_number_that_is_needed(generator: Any) -> None:
    model, _ = register(3, 5)
    with pytest.raises(UserError, match="train must be at least 20 strings for probes of 5 letters"):
        held_bits(model, CopyTask(5), [4], generator(), replace(SMALL, train=19))
    with pytest.raises(UserError, match="test at least 5 each; got 512, 256 and 2"):
        held_bits(model, CopyTask(5), [4], generator(), replace(SMALL, test=2))
    with pytest.raises(UserError, match="at least 1 letter"):
        held_bits(model, CopyTask(5), [0], generator(), SMALL)
    bare = Vocabulary(3, separator=None, eos=None, letter_ids=(0, 1, 2))
    with pytest.raises(UserError, match="must mark the end of the string with a separator"):
        held_bits(build({"kind": "lstm"}), CopyTask(vocab=bare), [4], generator(), SMALL)
