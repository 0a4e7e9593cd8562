"""Outputs at their mean, and recurrent states kept small at every step, on hybrids of which the answer is known."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.measure.state.outputs import output_ablations
from interp.measure.state.small import recurrent_size
from interp.models import build
from interp.models.planted.hybrid import planted_hybrid
from interp.tasks.copy import CopyTask

TASK = CopyTask(8)
WITHOUT = {"bits": (1, 6), "directions": (0, 4, 64), "calibration": 128}


def made(seed: int, generator):
    """A hybrid with weights that are not small: its logits depend on every layer."""
    shape = {
        "kind": "hybrid",
        "layers": ("gla", "attention"),
        "d_model": 32,
        "d_vocab": 12,
        "attention": {"n_heads": 2},
    }
    model = build(shape, seed=seed)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.4 * torch.randn(parameter.shape, generator=generator(seed)))
    return model.eval()


def test_an_output_at_its_mean_is_what_a_hook_that_writes_the_mean_gives(generator):
    model, batch = made(0, generator), TASK.sample(30, 5, generator(1))
    *_, second = output_ablations(model, TASK, 5, 30, generator(1))
    assert (second.name, second.layers) == ("layer 1", (1,))
    mean = model.run_with_cache(batch.tokens)[1]["blocks.1.hook_attn_out"].mean(dim=(0, 1))

    def at_mean(value, hook):
        assert hook.name == "blocks.1.hook_attn_out"
        return value * 0 + mean

    logits = model.run_with_hooks(batch.tokens, fwd_hooks=[("blocks.1.hook_attn_out", at_mean)])
    right = logits[batch.answer].argmax(dim=-1) == batch.targets[batch.answer]
    np.testing.assert_allclose(second.letter_correct, right.view(30, 5).double().mean(dim=1))
    np.testing.assert_allclose(second.by_position.mean(), second.letter_accuracy_after)


def test_a_layer_that_writes_one_thing_alone_costs_nothing(generator):
    model = made(1, generator)
    with torch.no_grad():
        model.mixers[0].W_out.zero_()
    attention, recurrence, both, *_ = output_ablations(model, TASK, 5, 30, 0)
    assert recurrence.letter_accuracy_after == recurrence.letter_accuracy_before
    assert recurrence.control_mean == pytest.approx(recurrence.letter_accuracy_before)
    np.testing.assert_array_equal(attention.letter_correct, both.letter_correct)


def test_a_state_that_is_not_needed_may_be_nothing_and_one_that_is_may_not():
    gathers = recurrent_size(planted_hybrid("lookup", 2, 8)[0], TASK, 10, 20, 0, **WITHOUT)
    idle = recurrent_size(planted_hybrid("attention", 2, 8)[0], TASK, 10, 20, 0, **WITHOUT)
    holds = recurrent_size(planted_hybrid("recurrence", 3, 8)[0], TASK, 3, 20, 0, **WITHOUT)
    assert idle.fewest_directions == 0 and idle.fewest_bits == 1
    # a window of two one-hot tokens: two values each, and no fewer than the tokens that there are
    assert gathers.fewest_directions == 64 and gathers.fewest_bits == 1
    assert gathers.projected[0] < 0.4 and gathers.projected[1] < gathers.clean
    assert holds.fewest_bits == 6 and holds.fewest_directions == 64  # counts, too, which one bit does not tell apart
    assert holds.quantised[0] < 0.6


def test_with_as_many_directions_as_vary_the_answers_are_those_of_one_pass(generator):
    model = made(2, generator)
    found = recurrent_size(model, TASK, 4, 40, generator(3), bits=(24,), directions=(600,), calibration=700)
    assert found.numbers == 4 * 4 * 8
    assert found.quantised == found.projected == (found.clean,)


@pytest.mark.parametrize("measure", [output_ablations, recurrent_size])
def test_a_model_of_one_kind_of_layer_is_refused(measure):
    model = build({"kind": "gla", "n_layers": 2, "d_model": 16})
    with pytest.raises(UserError, match="model must be a hybrid of attention and recurrent layers"):
        measure(model, CopyTask(), 4, 4, 0)


def test_numbers_that_cannot_be_are_refused():
    model, _ = planted_hybrid("recurrence", 2, 4)
    with pytest.raises(UserError, match="strings must be at least 2 and length at least 1; got 1 and 4"):
        output_ablations(model, CopyTask(4), 4, 1, 0)
    with pytest.raises(UserError, match=r"strings, calibration and bits must each be at least 1, and directions at"):
        recurrent_size(model, CopyTask(4), 4, 4, 0, bits=(0,))
