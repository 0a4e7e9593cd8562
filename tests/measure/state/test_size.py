"""The size of a state: counted, bounded, and made coarser and flatter until planted memories lose letters."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.measure.state.carried import Carried, carry
from interp.measure.state.directions import principal_axes, unflat
from interp.measure.state.size import accuracy_bound, effective_size, projected, quantised, state_size, utilisation
from interp.models import build
from interp.models.planted import register, shift
from interp.models.planted.memory import MemoryMixer
from interp.models.recurrent.mixer import RecurrentState
from interp.tasks.copy import CopyTask


class Coded(MemoryMixer):
    """A register whose slots carry one number each: the letter's index from 1 on."""

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"h": (self.config.k,), "clock": (3,)}

    def forward(self, x: Tensor, past: RecurrentState | None = None, first: int = 0) -> Tensor:
        assert past is not None
        index = torch.arange(1.0, self.config.alphabet + 1)
        if (coded := past.get("h")) is not None:
            past.parts["h"] = (coded.round()[..., None] == index).float()
        out = super().forward(x, past, first)
        past.parts["h"] = past.parts["h"] @ index
        return out


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "lstm"])
def test_a_recurrent_model_carries_what_its_layers_say_at_every_length(kind: str) -> None:
    model: Any = build({"kind": kind})
    found = state_size(model, [3, 40])
    assert found.parts == {name: int(np.prod(shape)) for name, shape in model.state_shapes().items()}
    assert found.floats == (sum(found.parts.values()),) * 2
    assert found.dtype_bits == 32 and found.bits == tuple(32.0 * n for n in found.floats)


def test_a_mamba_carries_h_and_the_inputs_that_its_convolution_still_needs() -> None:
    model = build({"kind": "mamba", "n_layers": 3, "d_model": 32, "d_state": 8})
    assert state_size(model, [5]).floats == (3 * (64 * 8 + 3 * 64),)


def test_keys_and_values_grow_with_the_string() -> None:
    model = build({"kind": "transformer", "position": "nope", "n_layers": 2, "d_model": 32, "n_heads": 4})
    found = state_size(model, [3, 10])
    assert found.floats == (2 * 2 * 32 * 4, 2 * 2 * 32 * 11)
    assert found.parts == dict.fromkeys(["blocks.0.keys", "blocks.0.values", "blocks.1.keys", "blocks.1.values"], 352)


def test_numbers_count_with_the_precision_in_which_they_are_carried() -> None:
    assert state_size(build({"kind": "lstm"}).double(), [4]).dtype_bits == 64
    mamba = build({"kind": "mamba"}).bfloat16()
    carried, found = carry(mamba, CopyTask().sample(1, 4, torch.Generator())), state_size(mamba, [4])
    assert found.bits == (sum(8.0 * part.nbytes for part in carried.parts.values()),)


def test_the_bound_is_one_for_each_value_of_the_state_among_all_strings() -> None:
    assert accuracy_bound(3.0, 2, 5) == 2.0**-2
    assert accuracy_bound(float(np.log2(26) * 4), 26, 6) == pytest.approx(26.0**-2)
    assert accuracy_bound(100.0, 26, 5) == 1.0
    assert accuracy_bound(1.0, 26, 10**6) == 0.0  # below the least float, without an error
    assert accuracy_bound(1e7, 26, 512) == 1.0


def test_utilisation_is_of_the_bits_needed_or_of_those_there_are() -> None:
    assert utilisation([2.0, 5.0], [10.0, 10.0], 2, [4, 100]) == (0.5, 0.5)


@pytest.mark.parametrize("make", [register, shift])
def test_one_bit_a_number_keeps_a_register_of_one_hot_letters(make: Any, generator: Any) -> None:
    model, _ = make(3, 5)
    found = effective_size(model, CopyTask(5), [2, 7], 100, generator(0), directions=(8,), calibration=300)
    assert found.fewest_bits == (1, 1)
    np.testing.assert_array_equal(found.quantised, np.repeat(np.array(found.clean)[:, None], 6, axis=1))


@pytest.mark.parametrize("letters", [4, 8])
def test_letters_coded_as_numbers_take_as_many_bits_as_they_have(letters: int, generator: Any) -> None:
    model, _ = register(6, letters)
    model.blocks[0].mixer = Coded(model.config)
    task, bits = CopyTask(letters), (1, 2, 3, 5)
    found = effective_size(model, task, [6], 300, generator(0), bits=bits, directions=(6,))
    assert found.clean == (1.0,) and found.fewest_bits == (np.log2(letters),) and found.fewest_directions == (6,)
    survive = [min(2**b, letters) / letters for b in bits]  # letters that are next to an evenly spaced value
    np.testing.assert_allclose(found.quantised[0], survive, atol=0.05)


def test_a_register_takes_d_minus_1_directions_for_each_letter(generator: Any) -> None:
    model, _ = register(4, 5)
    found = effective_size(model, CopyTask(5), [3, 9], 200, generator(0), directions=(6, 12, 16, 40), calibration=200)
    np.testing.assert_allclose(found.projected[0, 1:], found.clean[0])  # 3 letters
    np.testing.assert_allclose(found.projected[1, 2:], found.clean[1])  # 4 of 9
    assert found.projected[0, 0] < 0.9 * found.clean[0] and found.projected[1, 0] < 0.9 * found.clean[1]
    assert found.fewest_directions == (12, 16)


def test_directions_are_found_on_other_strings_than_are_answered(generator: Any) -> None:
    model, _ = register(8, 26)
    task, settings = CopyTask(26), {"bits": (1,), "directions": (49,), "calibration": 50}
    found = effective_size(model, task, [8], 50, generator(0), **settings)
    assert found.projected[0, 0] < 0.9  # of 200 directions; on the strings that they were found on, all would do
    states = carry(model, task.sample(50, 8, generator(0)))
    same = projected(states, states.flat().mean(dim=0), principal_axes(states.flat(), 49))
    torch.testing.assert_close(same.flat(), states.flat(), atol=1e-5, rtol=0)


def test_quantised_by_hand() -> None:
    state = Carried([RecurrentState({"h": torch.tensor([[-9.0, 0.4, 0.6, 1.4, 7.0, 5.0]])})])
    low = {"blocks.0.h": torch.tensor([0.0, 0.0, 0.0, 0.0, 0.0, 2.0])}
    high = {"blocks.0.h": torch.tensor([3.0, 3.0, 3.0, 3.0, 3.0, 2.0])}
    by_bits = {bits: quantised(state, low, high, bits).parts["blocks.0.h"][0].tolist() for bits in (1, 2)}
    assert by_bits[1] == [0.0, 0.0, 0.0, 0.0, 3.0, 2.0]
    assert by_bits[2] == [0.0, 0.0, 1.0, 1.0, 3.0, 2.0]


def test_principal_axes_are_those_of_numpy(generator: Any) -> None:
    features = torch.randn(40, 7, generator=generator(0)) * torch.arange(1.0, 8.0)
    _, values, expected = np.linalg.svd((features - features.mean(dim=0)).double().numpy(), full_matrices=False)
    found = principal_axes(features, 5).double().numpy()
    np.testing.assert_allclose(np.abs(found @ expected.T), np.eye(5, 7), atol=1e-5)
    assert len(principal_axes(torch.cat([features, features], dim=1), 14)) == 7  # no more than there are
    assert len(principal_axes(torch.ones(5, 3), 2)) == 0
    assert (np.diff(values) < 0).all()


def test_a_state_laid_flat_is_put_together_again(generator: Any) -> None:
    model = build({"kind": "hybrid"})
    state = carry(model, CopyTask().sample(3, 5, generator()))
    again = unflat(state, state.flat()).parts
    for name, part in state.parts.items():
        torch.testing.assert_close(again[name], part, rtol=0, atol=0)


def test_sizes_do_not_depend_on_blocks(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = register(3, 5)
    settings = {"bits": (1,), "directions": (2, 12), "calibration": 50}
    whole = effective_size(model, CopyTask(5), [6], 30, generator(1), **settings)
    monkeypatch.setattr("interp.base.budget.CPU", Budget(tokens=40))
    in_blocks = effective_size(model, CopyTask(5), [6], 30, generator(1), **settings)
    assert in_blocks.clean == whole.clean and in_blocks.fewest_directions == whole.fewest_directions
    np.testing.assert_array_equal(in_blocks.projected, whole.projected)


def test_sizes_come_back_from_a_folder(generator: Any, tmp_path: Any) -> None:
    model, _ = register(3, 5)
    found = effective_size(model, CopyTask(5), [2, 9], 20, generator(), directions=(1,), calibration=20)
    again = type(found).load(found.save(tmp_path))
    assert again.fewest_directions == found.fewest_directions == (None, None)
    np.testing.assert_array_equal(again.quantised, found.quantised)


def test_what_cannot_be_sized_is_refused(generator: Any) -> None:
    model, _ = register(3, 5)
    with pytest.raises(UserError, match="at least 1 letter"):
        state_size(model, [0])
    with pytest.raises(UserError, match=r"at least 257 strings to find .*; got 256"):
        effective_size(model, CopyTask(5), [4], 8, generator(), calibration=256)
    with pytest.raises(UserError, match="must each be at least 1"):
        effective_size(model, CopyTask(5), [4], 8, generator(), bits=(0, 1))
    model.new_past = lambda: []
    model.forward = lambda *_, **__: None
    with pytest.raises(UserError, match="carries none"):
        state_size(model, [4])
