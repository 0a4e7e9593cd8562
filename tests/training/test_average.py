"""Where a recipe averages the weights, the average is evaluated, kept and left behind, and the training goes on as if
it were not there."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from interp.training.average import AVERAGE, RunningAverage
from interp.training.data import draw, generator_for, share
from interp.training.evaluate import accuracy_by_length
from interp.training.loop import train
from interp.training.run_folder import load_run
from interp.training.step import make_optimizer, take_step

DECAY = 0.7


def weights(model):
    return {name: value.numpy().copy() for name, value in model.state_dict().items()}


def assert_same_bits(one, other):
    for name, value in weights(one).items():
        np.testing.assert_array_equal(value, weights(other)[name], err_msg=name)


def cut():
    raise RuntimeError("cut short")


def by_hand(model, task, recipe):
    """The training's own steps, and the average of torch beside them."""
    optimizer = make_optimizer(model, recipe)
    average = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(DECAY))
    right = []
    for step in range(recipe.steps):
        take_step(model, optimizer, share(draw(task, recipe, step), answers_only=True), recipe, step)
        average.update_parameters(model)
        if (step + 1) % recipe.evaluate_every == 0:
            drawn = generator_for(recipe.seed, "evaluate")
            found = accuracy_by_length(average.module, task, recipe.evaluate_lengths, recipe.evaluate_strings, drawn)
            right.append(found.letter_accuracy.mean(axis=1, dtype=np.float64))
    return average.module, right


def test_the_average_is_that_of_torch_and_is_what_is_asked_kept_and_left(task, tiny, recipe, tmp_path):
    recipe = replace(recipe, average=DECAY, keep=(8,))
    expected, right = by_hand(tiny(), task, recipe)
    trained = tiny()
    log = train(trained, task, recipe, tmp_path, progress=False)
    for name, value in weights(expected).items():
        np.testing.assert_allclose(weights(trained)[name], value, atol=1e-6, err_msg=name)
    np.testing.assert_allclose(log.letter_accuracy, right, atol=1e-6)
    assert_same_bits(trained, load_run(tmp_path).model)
    kept = load_run(tmp_path, step=8).model
    plain = tiny()
    train(plain, task, replace(recipe, average=0.0, keep=()), progress=False)
    assert not np.allclose(weights(plain)["embed.W_E"], weights(trained)["embed.W_E"], atol=1e-4)
    assert not np.allclose(weights(kept)["embed.W_E"], weights(trained)["embed.W_E"], atol=1e-4)


def test_the_losses_are_those_of_a_training_without_it(task, tiny, recipe):
    averaged = train(tiny(), task, replace(recipe, average=DECAY), progress=False)
    assert np.array_equal(averaged.loss, train(tiny(), task, recipe, progress=False).loss)


def test_a_training_cut_short_resumes_to_the_same_bits(task, tiny, recipe, at, tmp_path):
    recipe = replace(recipe, average=DECAY)
    whole, again = tiny(), tiny(99)
    train(whole, task, recipe, progress=False)
    with pytest.raises(RuntimeError, match="cut short"):
        train(tiny(), task, recipe, tmp_path, progress=False, trackers=[at(8, cut)])
    train(again, task, recipe, tmp_path, resume=True, progress=False)
    assert_same_bits(whole, again)
    assert_same_bits(whole, load_run(tmp_path).model)
    done = tiny(7)
    train(done, task, recipe, tmp_path, resume=True, progress=False)
    assert_same_bits(whole, done)


def test_a_weight_that_gets_its_first_gradient_late_is_averaged_from_then_on():
    early, late = (torch.nn.Parameter(torch.ones(2)) for _ in range(2))
    optimizer = torch.optim.AdamW([early, late], lr=0.1, weight_decay=0.0)
    average = RunningAverage(optimizer, DECAY)
    early.grad = torch.ones(2)
    optimizer.step()
    with average.in_place():
        assert torch.equal(late, torch.ones(2))
    late.grad = torch.ones(2)
    optimizer.step()
    first = late.detach().clone()
    optimizer.step()
    with average.in_place():
        torch.testing.assert_close(late.detach(), DECAY * first + (1 - DECAY) * optimizer.state[late][AVERAGE])


def test_a_look_at_the_averages_leaves_the_weights_as_they_were(task, tiny, recipe):
    model = tiny()
    optimizer = make_optimizer(model, recipe)
    average = RunningAverage(optimizer, DECAY)
    for step in range(3):
        take_step(model, optimizer, share(draw(task, recipe, step), answers_only=True), recipe, step)
    before = weights(model)
    with average.in_place():
        assert not np.array_equal(weights(model)["embed.W_E"], before["embed.W_E"])
    assert all(np.array_equal(value, before[name]) for name, value in weights(model).items())
    assert all(state["average"].device == weight.device for weight, state in optimizer.state.items())
    assert torch.is_grad_enabled()
