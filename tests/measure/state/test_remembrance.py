"""How far back a letter moves the answer: planted memories in closed form, and whole runs with no state taken out."""

from typing import Any

import numpy as np
import pytest
import torch

from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.measure.state.remembrance import remembrance
from interp.models import build
from interp.models.planted import decay, register, shift
from interp.tasks.copy import CopyTask
from interp.tasks.sampling import draw_letters


@pytest.mark.parametrize("make", [register, shift])
@pytest.mark.parametrize(("k", "alphabet"), [(3, 5), (5, 2)])
def test_a_register_remembers_its_own_letters_and_nothing_else(
    make: Any, k: int, alphabet: int, generator: Any
) -> None:
    model, capacity = make(k, alphabet)
    lengths = [2, k, k + 4]
    found = remembrance(model, CopyTask(alphabet), lengths, 12, generator(0))
    for row, length in enumerate(lengths):
        np.testing.assert_allclose(found.effect[row, :length], capacity.kept(length), atol=1e-12)
        low, high = found.interval[row, :length].T
        np.testing.assert_array_equal(np.where(capacity.kept(length), high, low), capacity.kept(length))
        assert (high - low < 0.4).all()  # 12 strings: all alike leave a quarter open
        np.testing.assert_allclose(found.elsewhere[row, :length], 0, atol=1e-12)
        assert np.isnan(found.effect[row, length:]).all() and np.isnan(found.interval[row, length:]).all()


def test_a_decaying_memory_forgets_by_distance_and_by_what_came_after(generator: Any) -> None:
    k, letters, keep, length = 5, 5, 0.8, 9
    model, capacity = decay(k, letters, keep)
    found = remembrance(model, CopyTask(letters), [length], 1500, generator(0))
    kept = np.array(capacity.kept(length))
    np.testing.assert_allclose(found.effect[0], kept, atol=4 * 0.5 / np.sqrt(1500))
    inside = (kept > 0) & (kept < 1)
    low, high = found.interval[0, inside].T
    assert ((low - 0.02 < kept[inside]) & (kept[inside] < high + 0.02)).all()
    # Another letter wipes out other slots: one of two letters does, the other does not, and all else has kept the slot.
    wiping = round((1 - keep) * letters)
    one_of_two = 2 * wiping * (letters - wiping) / (letters * (letters - 1))
    expected = [
        sum(keep ** (length - 2 - j) * one_of_two * (1 - 1 / letters) for j in range(i) if length - 1 - j < k)
        / (length - 1)
        for i in range(length)
    ]
    np.testing.assert_allclose(found.elsewhere[0], expected, atol=0.012)
    assert max(expected) > 0.05


@pytest.mark.parametrize("kind", ["mamba", "lstm", "hybrid", "transformer"])
def test_it_is_what_whole_runs_on_other_strings_say(kind: str, generator: Any) -> None:
    model = build({"kind": kind, **({"position": "nope"} if kind == "transformer" else {})}).double()
    task, length, strings = CopyTask(), 5, 7
    found = remembrance(model, task, [length], strings, generator(3))
    source = generator(3)  # draws the same once more
    letters = draw_letters(strings, length, 26, source)
    shifts = torch.randint(1, 26, (length, strings), generator=source)
    batch = task.layout(letters)
    for place in range(length):
        tokens = batch.tokens.clone()
        tokens[:, 1 + place] = (letters[:, place] + shifts[place]) % 26
        assert (tokens != batch.tokens).sum() == strings
        own, other = (model(t)[:, length + 1 : 2 * length + 1].softmax(dim=-1) for t in (batch.tokens, tokens))
        moved = ((own - other).abs().sum(dim=-1) / 2).mean(dim=0).detach().numpy()
        assert found.effect[0, place] == pytest.approx(moved[place], rel=1e-6)
        assert found.elsewhere[0, place] == pytest.approx(np.delete(moved, place).mean(), rel=1e-6)


def test_of_long_strings_some_letters_from_first_to_last_are_replaced(generator: Any) -> None:
    model, _ = shift(4, 5)
    found = remembrance(model, CopyTask(5), [40, 1], 4, generator(0), positions=5)
    assert np.flatnonzero(~np.isnan(found.effect[0])).tolist() == [0, 10, 20, 29, 39]
    assert found.effect[0, 39] == pytest.approx(1) and found.effect[0, 29] == pytest.approx(0)
    assert found.effect[1, 0] == pytest.approx(1) and np.isnan(found.elsewhere[1, 0])  # one letter: no others


def test_remembrance_does_not_depend_on_blocks(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = decay(4, 5, 0.8)
    whole = remembrance(model, CopyTask(5), [6], 30, generator(1))
    monkeypatch.setattr("interp.base.budget.CPU", Budget(tokens=40))
    found = remembrance(model, CopyTask(5), [6], 30, generator(1))
    np.testing.assert_allclose(found.effect, whole.effect)
    np.testing.assert_allclose(found.elsewhere, whole.elsewhere)


def test_one_string_or_no_position_is_refused(generator: Any) -> None:
    model, _ = register(3, 5)
    with pytest.raises(UserError, match="at least 2"):
        remembrance(model, CopyTask(5), [4], 1, generator())
    with pytest.raises(UserError, match="got 4 and 0"):
        remembrance(model, CopyTask(5), [4], 4, generator(), positions=0)
    with pytest.raises(UserError, match="at least 1 letter"):
        remembrance(model, CopyTask(5), [0], 4, generator())
