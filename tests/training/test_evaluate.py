"""Models whose accuracy is known: one that copies by arithmetic, one that errs at a known letter, one that guesses."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.results.training import TrainLog
from interp.tasks import CopyTask, NgramLookup
from interp.tasks.score import score
from interp.training.evaluate import accuracy_by_length
from interp.training.forced import UNREAD, predict
from interp.training.loop import train
from interp.training.recipe import TrainConfig


class Copier(nn.Module):
    """Copies `$ x | x`: the token after position p is the one L letters before. Errs where it is told to.

    Args:
        wrong: index of a letter that it gets wrong in every other string (those that begin with an even letter).
        derailed: whether, having read a wrong letter, it goes on wrong.
    """

    def __init__(self, wrong: int | None = None, derailed: bool = False) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(()))
        self.wrong, self.derailed = wrong, derailed
        self.largest = 0

    def forward(self, tokens: Tensor) -> Tensor:
        self.largest = max(self.largest, len(tokens))
        length = int((tokens[0] == 27).nonzero()[0]) - 1
        position = torch.arange(tokens.shape[1])
        said = tokens[:, (position - length).clamp(min=0)]
        if self.wrong is not None:
            at = length + 1 + self.wrong
            if at < tokens.shape[1]:
                said[:, at] = torch.where(tokens[:, 1] % 2 == 0, (said[:, at] + 1) % 26, said[:, at])
        if self.derailed:
            read = tokens[:, length + 2 :]
            lost = (read != tokens[:, 1 : 1 + read.shape[1]]).int().cumsum(1) > 0
            said[:, length + 2 :] = torch.where(lost, 29, said[:, length + 2 :])
        return F.one_hot(said, 30).float() * self.scale

    def generate(self, tokens: Tensor, max_new_tokens: int) -> Tensor:
        for _ in range(max_new_tokens):
            tokens = torch.cat([tokens, self(tokens)[:, -1:].argmax(-1)], dim=1)
        return tokens


def test_a_perfect_copier_is_perfect_at_every_length_in_both_ways(generator) -> None:
    found = accuracy_by_length(Copier(), CopyTask(), (1, 5, 40), 20, generator(), free_running=True, trained=(1, 5))
    assert found.lengths == (1, 5, 40)
    assert found.trained == (1, 5)
    assert found.string_correct.shape == (3, 20)
    assert found.string_correct.all()
    assert (found.letter_accuracy == 1).all()
    assert (found.free_letter_accuracy == 1).all()
    assert (found.first_error == -1).all()


def test_one_wrong_letter_costs_its_string_and_one_letter(generator) -> None:
    found = accuracy_by_length(Copier(wrong=3), CopyTask(), (10,), 200, generator())
    right = found.string_correct[0]
    assert 0.4 < right.mean() < 0.6
    np.testing.assert_allclose(found.letter_accuracy[0], np.where(right, 1, 0.9), rtol=1e-6)
    np.testing.assert_array_equal(found.first_error[0], np.where(right, -1, 3))
    assert found.free_letter_accuracy is None


def test_free_running_a_wrong_letter_costs_all_that_follow_and_the_same_strings(generator) -> None:
    model = Copier(wrong=3, derailed=True)
    found = accuracy_by_length(model, CopyTask(), (10,), 200, generator(), free_running=True)
    np.testing.assert_allclose(found.letter_accuracy[0], np.where(found.string_correct[0], 1, 0.9), rtol=1e-6)
    np.testing.assert_allclose(found.free_letter_accuracy[0], np.where(found.string_correct[0], 1, 0.3), rtol=1e-6)


def test_strings_beyond_the_longest_free_ones_are_left_out_of_free_running_alone(generator) -> None:
    found = accuracy_by_length(Copier(), CopyTask(), (3, 9), 10, generator(), free_running=True, free_up_to=5)
    np.testing.assert_array_equal(found.free_letter_accuracy, [[1.0] * 10, [np.nan] * 10])
    assert found.letter_accuracy.min() == 1.0


def test_long_strings_run_in_blocks_and_none_is_lost(generator, monkeypatch) -> None:
    whole = accuracy_by_length(Copier(wrong=3), CopyTask(), (50,), 30, generator())
    monkeypatch.setattr("interp.base.budget.CPU", Budget(pairs=7 * 102**2))
    model = Copier(wrong=3)
    blocks = accuracy_by_length(model, CopyTask(), (50,), 30, generator())
    assert model.largest == 7
    np.testing.assert_array_equal(blocks.string_correct, whole.string_correct)


def test_a_recurrence_runs_more_long_strings_at_once_and_says_the_same(generator, monkeypatch) -> None:
    model, rows = HookedMamba(MambaConfig(n_layers=1, d_model=16)), []
    sizes = model.register_forward_pre_hook(lambda _, args: rows.append(len(args[0])))
    monkeypatch.setattr("interp.base.budget.CPU", Budget(pairs=1))
    whole = accuracy_by_length(model, CopyTask(), (9,), 6, generator(), free_running=True)
    assert set(rows) == {6}  # blocks of pairs would have had one string
    sizes.remove()
    monkeypatch.setattr("interp.base.budget.CPU", Budget(pairs=1, plain_tokens=1))
    blocks = accuracy_by_length(model, CopyTask(), (9,), 6, generator(), free_running=True)
    np.testing.assert_array_equal(blocks.letter_accuracy, whole.letter_accuracy)
    np.testing.assert_array_equal(blocks.free_letter_accuracy, whole.free_letter_accuracy)


@pytest.fixture(scope="module")
def trained() -> tuple[HookedTransformer, TrainLog]:
    """A copier of up to four letters, trained for a second: right about short strings, not yet about longer ones."""
    model = HookedTransformer(TransformerConfig(n_heads=4, d_model=32, d_vocab=10, windows=(2, 3, None, None)), seed=0)
    recipe = TrainConfig(
        steps=60, length=(1, 4), learning_rate=1e-2, warmup=20, evaluate_every=20, evaluate_lengths=(2, 4)
    )
    return model, train(model, CopyTask(alphabet=6), recipe, progress=False)


def test_a_second_of_training_teaches_a_tiny_model_to_copy(trained) -> None:
    _, log = trained
    assert log.loss[0] > np.log(10) > log.loss[-10:].mean() + 1
    assert log.string_accuracy[0, 0] < 0.8 < 0.95 < log.string_accuracy[-1, 0]
    assert (np.diff(log.string_accuracy[:, 1]) > 0).all()


def test_a_model_that_is_wrong_about_some_strings_is_wrong_about_the_same_ones_free_running(trained, generator) -> None:
    """By induction a whole string is right teacher-forced if and only if it is right free-running."""
    model, _ = trained
    found = accuracy_by_length(model, CopyTask(alphabet=6), (4, 6), 300, generator(), free_running=True)
    assert 0 < found.string_correct[0].mean() < 1
    np.testing.assert_array_equal(found.string_correct, found.free_letter_accuracy == 1)
    assert (found.free_letter_accuracy[1] < found.letter_accuracy[1]).any()


def test_ideal_curves_stand_beside_the_model(generator) -> None:
    found = accuracy_by_length(Copier(), CopyTask(), (5, 30), 4, generator(), ideal=(1, 3))
    assert set(found.ideal) == {"1", "3"}
    assert found.ideal["1"][1] < 0.05 < 0.95 < found.ideal["3"][1]
    with pytest.raises(UserError, match="NgramLookup"):
        accuracy_by_length(Copier(), NgramLookup(), (5,), 4, generator(), ideal=(1,))


def test_training_mode_comes_back_even_after_an_error(generator) -> None:
    model = Copier()
    model.train()
    with pytest.raises(UserError):
        accuracy_by_length(model, CopyTask(), (0,), 4, generator())
    assert model.training


LONG = {
    "n_heads": (3, 2),
    "d_head": (8, 16),
    "d_model": 32,
    "windows": ((2, 3, 4), (None, None)),
    "even": (True, False),
}


@pytest.fixture(scope="module", params=["even", "hard-alibi", "one layer"])
def copying(request) -> HookedTransformer:
    """Trained for a moment, so that it errs at different letters."""
    shape = {"even": LONG, "hard-alibi": {"n_heads": 4, "windows": (2, 3, None, None)}, "one layer": {"n_layers": 1}}
    config = TransformerConfig(d_vocab=30, position="nope", **{"d_model": 32, **shape[request.param]})
    model = HookedTransformer(config, seed=0)
    train(model, CopyTask(), TrainConfig(steps=30, length=6, warmup=2, evaluate_lengths=(6,)), progress=False)
    return model


@pytest.mark.parametrize("stop", [False, True])
def test_long_strings_are_predicted_as_the_plain_forward_does(copying, monkeypatch, stop) -> None:
    batch = CopyTask().sample(3, 40, 5)
    plain = copying(batch.tokens).argmax(-1)
    monkeypatch.setattr("interp.training.forced.LETTERS_AT_ONCE", 7)
    monkeypatch.setattr("interp.base.budget.CPU", Budget(pairs=1))
    monkeypatch.setattr("interp.models.stack.attention.LEAST_QUERIES", 6)
    found = predict(copying, batch, stop_at_error=stop)
    read = batch.answer & (found != UNREAD)
    assert torch.equal(found[read], plain[read])
    assert torch.equal(score(found, batch).first_error, score(plain, batch).first_error)
    assert bool((read == batch.answer).all()) is not stop  # it errs soon


def test_a_string_that_is_left_at_its_first_error_has_no_share_of_right_letters(copying) -> None:
    found = accuracy_by_length(copying, CopyTask(), (30,), 8, 3, stop_at_error=True)
    whole = accuracy_by_length(copying, CopyTask(), (30,), 8, 3)
    assert np.array_equal(found.first_error, whole.first_error)
    assert np.isnan(found.letter_accuracy[~found.string_correct]).all() and not np.isnan(whole.letter_accuracy).any()


def test_a_string_that_does_not_fit_into_memory_is_refused_before_it_is_run(copying, monkeypatch) -> None:
    monkeypatch.setattr("interp.base.budget.memory", lambda *_: 10**8)
    with pytest.raises(UserError, match=r"activations of strings of 200,\d+ tokens must fit into memory"):
        accuracy_by_length(copying, CopyTask(), (100_000,), 1, 0)


def test_only_models_that_run_their_last_layer_for_some_positions_are_stopped() -> None:
    with pytest.raises(UserError, match="stop_at_error must be False for a Copier"):
        accuracy_by_length(Copier(), CopyTask(), (4,), 2, 0, stop_at_error=True)
