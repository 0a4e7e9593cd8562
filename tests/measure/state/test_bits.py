"""Bits of the answer, and their bend, against planted memories whose capacity is known."""

from typing import Any

import numpy as np
import pytest

from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.loading import Loaded
from interp.measure.state.bits import bits_of, used_bits
from interp.measure.state.knee import half_length, knee
from interp.measure.state.movie import watch
from interp.measure.state.probes import ProbeSettings, held_bits
from interp.measure.state.remembrance import remembrance
from interp.models import build
from interp.models.planted import decay, register, shift
from interp.results.accuracy import LengthAccuracy
from interp.studies.state.run import saturation_study
from interp.studies.state.settings import SaturationSettings
from interp.tasks.copy import CopyTask
from interp.tasks.vocabulary import Vocabulary


@pytest.mark.parametrize("make", [register, shift])
@pytest.mark.parametrize(("k", "alphabet"), [(4, 26), (4, 2), (9, 5), (32, 26)])
def test_what_a_register_holds_is_recovered_and_its_length_found(
    make: Any, k: int, alphabet: int, generator: Any
) -> None:
    model, capacity = make(k, alphabet)
    lengths = sorted({1, max(1, k // 2), k, k + 3, 2 * k})
    found = used_bits(model.double(), CopyTask(alphabet), lengths, 16, generator(0))
    for length, total, by_position in zip(lengths, found.total, found.by_position, strict=True):
        expected = np.array(capacity.kept(length)) * np.log2(alphabet)
        np.testing.assert_allclose(by_position[:length], expected, atol=1e-9)
        assert total == pytest.approx(min(length, k) * np.log2(alphabet))
    bend = knee(found)
    assert bend.value == pytest.approx(k) and tuple(bend.interval) == pytest.approx((k, k))


def test_a_decaying_memory_shows_the_bits_that_survive(generator: Any) -> None:
    model, capacity = decay(8, 5, keep=0.8)
    found = used_bits(model.double(), CopyTask(5), [3, 6, 12], 2000, generator(0))
    for length, interval in zip(found.lengths, found.interval, strict=True):
        expected = sum(capacity.kept(length)) * np.log2(5)
        width = interval.high - interval.low
        assert interval.low - width / 2 < expected < interval.high + width / 2


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "lstm", "hybrid", "transformer"])
def test_an_untrained_model_uses_nothing(kind: str, generator: Any) -> None:
    options = {"position": "nope"} if kind == "transformer" else {}
    model = build({"kind": kind, **options})
    found = used_bits(model, CopyTask(), [4, 9], 128, generator(0))
    assert max(found.total) < 0.2


def test_bits_do_not_depend_on_blocks(generator: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    model, _ = decay(4, 5)
    whole = used_bits(model, CopyTask(5), [6], 50, generator(1))
    monkeypatch.setattr("interp.base.budget.CPU", Budget(tokens=40))
    np.testing.assert_allclose(used_bits(model, CopyTask(5), [6], 50, generator(1)).by_position, whole.by_position)


def test_an_overconfident_letter_does_not_cancel_another() -> None:
    found = bits_of((2,), [np.array([[3.0, -50.0], [3.0, -40.0]])])
    assert found.total == (3.0,) and tuple(found.interval[0]) == (3.0, 3.0)


def test_the_interval_covers_the_truth_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for seed in range(100):
        rows = rng.normal(2.0, 1.0, (60, 3)) + rng.normal(0.0, 1.0, (60, 1))  # letters of a string hang together
        low, high = bits_of((3,), [rows], seed).interval[0]
        covered += low < 6.0 < high
    assert 88 <= covered <= 99


def test_a_curve_that_still_grows_has_no_saturation_length(generator: Any) -> None:
    model, _ = register(30, 5)
    bend = knee(used_bits(model, CopyTask(5), [2, 5, 9], 8, generator(0)))
    assert bend.value is None and bend.kind == "late"


@pytest.mark.parametrize(("last", "value"), [((12.0, 14.0), None), ((12.0, 15.5), None), ((12.0, 12.0), 12.0)])
def test_one_length_is_no_plateau(last: tuple[float, float], value: float | None) -> None:
    totals = zip((4, 8, 12, 16), (4.0, 8.0, *last), strict=True)
    bend = knee(bits_of((4, 8, 12, 16), [np.full((4, n), total / n) for n, total in totals]))
    assert bend.value == (None if value is None else pytest.approx(value))
    assert value is not None or bend.kind == "late"


def test_a_curve_that_is_flat_from_the_first_length_on_has_not_shown_its_slope(generator: Any) -> None:
    model, _ = register(2, 5)
    bend = knee(used_bits(model, CopyTask(5), [2, 4, 8], 8, generator(0)))
    assert bend.value is None and bend.kind == "early"


@pytest.mark.parametrize(("last", "value"), [(2.0, None), (7.1, None), (7.6, 3.9)])
def test_bits_that_fall_have_no_plateau(last: float, value: float | None) -> None:
    rows = [np.full((4, n), total / n) for n, total in ((2, 4.0), (4, 8.0), (8, 8.0), (16, last))]
    bend = knee(bits_of((2, 4, 8, 16), rows))
    assert bend.value == (None if value is None else pytest.approx(value, abs=0.1))
    assert value is not None or f"fall to {last}, from 8.0 at 4 letters" in bend.note


@pytest.mark.parametrize(("last", "value"), [(13.5, None), (12.1, 12.0)])
def test_bits_that_still_rise_at_the_last_length_have_not_reached_a_plateau(last: float, value: float | None) -> None:
    totals = zip((4, 8, 12, 16, 20), (4.0, 8.0, 12.0, 12.5, last), strict=True)
    bend = knee(bits_of((4, 8, 12, 16, 20), [np.full((4, n), total / n) for n, total in totals]))
    assert bend.value == (None if value is None else pytest.approx(value, abs=0.4))
    assert value is not None or bend.kind == "late"


def test_of_two_letters_half_are_right_by_chance() -> None:
    ones = np.ones((3, 5))
    found = half_length(LengthAccuracy((1, 2, 3), None, ones > 0, ones, ones.astype(int)), 2)
    assert found.value is None and found.kind == "nothing"


@pytest.mark.parametrize(("middle", "steep"), [(8.0, 3.0), (20.0, 8.0)])
def test_the_half_length_of_a_known_curve_is_found(middle: float, steep: float) -> None:
    lengths = (2, 4, 8, 12, 16, 24, 32, 48)
    chance = 1 / 26
    truth = chance + (1 - chance) / (1 + (np.array(lengths) / middle) ** steep)
    rng = np.random.default_rng(0)
    letters = (rng.random((len(lengths), 400)) < truth[:, None]).astype(float)
    nothing = np.zeros(letters.shape, dtype=bool)
    found = half_length(LengthAccuracy(lengths, None, nothing, letters, nothing.astype(int)), 26)
    half = middle * ((1 - chance) / (0.5 - chance) - 1) ** (1 / steep)
    assert found.interval is not None and found.interval.low < half < found.interval.high
    assert found.value == pytest.approx(half, rel=0.1)


def test_an_accuracy_that_never_falls_has_no_half_length() -> None:
    ones = np.ones((3, 5))
    found = half_length(LengthAccuracy((1, 2, 3), None, ones > 0, ones, ones.astype(int)), 26)
    assert found.value is None and found.kind == "late"


def test_what_cannot_be_measured_is_refused(generator: Any) -> None:
    model, _ = register(3, 5)
    with pytest.raises(UserError, match="at least 1 letter"):
        used_bits(model, CopyTask(5), [0, 4], 8, generator())
    with pytest.raises(UserError, match=r"at least 2, .*; got 1"):
        used_bits(model, CopyTask(5), [4], 1, generator())
    with pytest.raises(UserError, match="three lengths"):
        knee(used_bits(model, CopyTask(5), [4, 5], 4, generator()))


def test_an_alphabet_of_one_letter_holds_no_bits_and_is_refused_before_any_work() -> None:
    task = CopyTask(vocab=Vocabulary(1, bos=1, separator=2, eos=3, pad=4))
    model: Any = build({"kind": "mamba", "d_model": 8, "d_vocab": 5, "n_layers": 1})
    for ask in (
        lambda: used_bits(model, task, [2, 3], 4, 0),
        lambda: held_bits(model, task, [2, 3], 0, ProbeSettings.tiny()),
        lambda: remembrance(model, task, [2, 3], 4, 0),
        lambda: watch(model, task, 3, 0, ProbeSettings.tiny()),
        lambda: saturation_study(Loaded(model, task, {}), settings=SaturationSettings.tiny()),
    ):
        with pytest.raises(UserError, match=r"alphabet must be at least 2 letters, for a letter to hold bits; got 1\."):
            ask()


@pytest.mark.parametrize("lengths", [(2, 4, 8, 12, 16, 24, 32), (3, 6, 12, 24, 48)])
def test_a_curve_that_only_slows_down_has_no_bend(lengths: tuple[int, ...]) -> None:
    """What a memory holds that forgets at a constant rate: c (1 - exp(-L / 8)), bit for bit."""
    rows = [np.full((4, n), 60 * (1 - np.exp(-n / 8)) / n) for n in lengths]
    bend = knee(bits_of(lengths, rows))
    assert bend.value is None and bend.kind == "smooth"


def test_the_interval_of_a_bend_is_wide_where_the_line_misses_the_bits() -> None:
    lengths, misses = (2, 4, 8, 10, 16, 20, 32), (1.5, -1.0, 1.5, -1.5, 1.0, -1.0, 0.5)
    exact = [np.full((4, n), min(4.0 * n, 48.0) / n) for n in lengths]
    missed = [row + miss / n for row, miss, n in zip(exact, misses, lengths, strict=True)]
    sharp, wide = (knee(bits_of(lengths, rows)) for rows in (exact, missed))
    assert tuple(sharp.interval) == pytest.approx((12.0, 12.0))
    assert wide.interval is not None and wide.interval.low < 11.6 < 12.4 < wide.interval.high


def test_letters_that_are_not_shown_add_no_bits() -> None:
    """Ten letters are known, eighty-six are guessed: the noise of their means must not add up."""
    totals = []
    for seed in range(20):
        guessed = np.random.default_rng(seed).normal(0, 1.0, (256, 86))
        totals.append(bits_of((96,), [np.concatenate([np.full((256, 10), 4.7), guessed], axis=1)], seed).total[0])
    assert np.mean(totals) == pytest.approx(47.0, abs=4 * np.std(totals) / 20**0.5)
