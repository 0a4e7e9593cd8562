"""Parts of the state taken away: what is left of planted memories in closed form, and what stands beside it."""

from typing import Any

import numpy as np
import pytest
import torch

from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.measure.state import parts
from interp.measure.state.ablations import KINDS, state_ablations
from interp.measure.state.carried import answer_logits, carry
from interp.models import build
from interp.models.planted import register
from interp.tasks.copy import CopyTask


def test_what_is_left_of_a_register_in_closed_form(generator: Any) -> None:
    k, letters, length, n = 3, 5, 8, 400
    model, _ = register(k, letters)
    task = CopyTask(letters)
    found = {each.kind: each for each in state_ablations(model, task, length, n, generator(0))}
    assert list(found) == ["zero", "mean", "resample"]
    strings = task.sample(n, length, generator(0))  # the same
    wanted = strings.targets[strings.answer].view(n, length)
    share = torch.stack([(wanted == letter).double().mean(dim=0) for letter in range(letters)])
    guessed = share[0, k:].sum()  # of equal logits the first is taken
    for each in found.values():
        assert each.name == "layer 0" and each.size == k * letters + 3
        assert each.letter_accuracy_before == pytest.approx(float(k + guessed) / length)
        drop = each.letter_accuracy_before - each.letter_accuracy_after
        assert each.interval.low < drop < each.interval.high
        assert each.control_mean is None and each.control_interval is None  # there is nothing else to draw
    assert found["zero"].letter_accuracy_after == 0  # the clock is gone, too: it ends at once
    commonest = share[:, :k].max(dim=0).values.sum()
    assert found["mean"].letter_accuracy_after == pytest.approx(float(commonest + guessed) / length)
    chance = (k / letters + float(guessed)) / length
    assert found["resample"].letter_accuracy_after == pytest.approx(chance, abs=4 * 0.4 / np.sqrt(n * length))


@pytest.mark.parametrize("kind", KINDS)
def test_letters_in_slots_that_are_taken_away_are_lost_and_no_others(kind: str, generator: Any) -> None:
    model, _ = register(4, 26)
    batch = CopyTask().sample(300, 4, generator(0))
    state = carry(model, batch)
    mask = torch.zeros(4, 26, dtype=torch.bool)
    mask[1] = True
    choice = parts.Choice("slot 1", "layer", {"blocks.0.h": mask})
    left = choice.mixed(KINDS[kind](state, generator(1)), state)
    wanted = batch.targets[batch.answer].view(300, 4)
    right = (answer_logits(model, batch, left).argmax(dim=-1) == wanted).double().mean(dim=0)
    assert right[[0, 2, 3]].tolist() == [1, 1, 1] and right[1] < 0.12


def test_what_comes_instead(generator: Any) -> None:
    batch = CopyTask().sample(5, 4, generator(0))
    state = carry(build({"kind": "hybrid"}), batch)
    instead = {kind: make(state, generator(0)).flat() for kind, make in KINDS.items()}
    assert (instead["zero"] == 0).all()
    torch.testing.assert_close(instead["mean"], state.flat().mean(dim=0).expand(5, -1))
    distance = torch.cdist(instead["resample"], state.flat())
    order = distance.argmin(dim=1)
    assert distance.min(dim=1).values.max() == 0  # states of strings,
    assert sorted(order.tolist()) == list(range(5)) and (order != torch.arange(5)).all()  # each another's


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "lstm", "hybrid", "transformer"])
def test_every_part_of_a_model_stands_beside_as_many_numbers_at_random(kind: str, generator: Any) -> None:
    model = build({"kind": kind, **({"position": "nope"} if kind == "transformer" else {})})
    found = state_ablations(model, CopyTask(), 4, 6, generator(0), kinds=("resample",))
    bands = [] if kind == "transformer" else ["fast band", "middle band", "slow band"]
    windows = ["windows"] if kind in ("mamba", "mamba2", "hybrid") else []
    assert [each.name for each in found] == ["layer 0", "layer 1", *windows, *bands]
    for each in found:
        assert each.control_mean is not None and 0 <= each.control_mean <= 1
        assert each.letter_correct is not None and each.letter_accuracy_after == each.letter_correct.mean()


def test_ablations_do_not_depend_on_blocks(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, kinds = build({"kind": "lstm"}), ("resample",)
    whole = state_ablations(model, CopyTask(), 6, 14, generator(1), kinds)
    monkeypatch.setattr("interp.base.budget.CPU", Budget(tokens=80))
    for one, other in zip(whole, state_ablations(model, CopyTask(), 6, 14, generator(1), kinds), strict=True):
        np.testing.assert_array_equal(one.letter_correct, other.letter_correct)
        assert one.control_mean == other.control_mean


def test_unknown_kinds_and_one_string_are_refused(generator: Any) -> None:
    model, _ = register(3, 5)
    with pytest.raises(UserError, match="no kind of state ablation is called 'noise'"):
        state_ablations(model, CopyTask(5), 4, 4, generator(), kinds=("noise",))
    with pytest.raises(UserError, match="at least 2"):
        state_ablations(model, CopyTask(5), 4, 1, generator())
