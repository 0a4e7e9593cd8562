"""Margins against scores written out, and predictions against copiers whose end is known."""

import warnings
from itertools import takewhile

import numpy as np
import pytest
import torch

import interp.base.budget
from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.measure.heads.limits import ideal_string_accuracy, predict_accuracy
from interp.measure.heads.margins import head_margins
from interp.models import build
from interp.models.planted import planted_copier
from interp.models.planted.reverser import planted_reverser
from interp.results.margins import HeadMargins
from interp.tasks.copy import CopyTask
from interp.tasks.probes.ideal import ideal_ngram_accuracy
from interp.tasks.reverse import ReverseCopy


@pytest.mark.parametrize("position", ["nope", "alibi", "rope", "forget", "path"])
def test_margins_are_those_of_the_scores(position, monkeypatch):
    shape = {"n_heads": (2, 3), "d_head": 4, "d_model": 12, "windows": ((2, 3), (None, None, 7))}
    model = build({"kind": "transformer", "position": position, **shape}, seed=3).double()
    batch = CopyTask().sample(2, 9, 0)
    monkeypatch.setattr(interp.base.budget, "CPU", Budget(pairs=100))
    found = head_margins(model, batch, ["L1H0", "L1H1"])
    scores = model.run_with_cache(batch.tokens)[1]["blocks.1.attn.hook_attn_scores"].numpy()
    for head, string, letter in np.ndindex(2, 2, 9):
        row = scores[string, head, 10 + letter, : 11 + letter]
        others = np.delete(row, letter + 1)
        assert found.over_best[head, string, letter] == pytest.approx(row[letter + 1] - others.max())
        assert found.over_all[head, string, letter] == pytest.approx(row[letter + 1] - np.log(np.exp(others).sum()))
        rival, shared = int(np.flatnonzero(row == others.max())[0]), 0
        said = batch.tokens[string].tolist()
        while min(rival - 1, letter) >= shared and said[rival - 1 - shared] == said[letter - shared]:
            shared += 1
        assert found.shared[head, string, letter] == shared
    assert found.quantiles(found.over_best).shape == (2, 4)
    logits = model(batch.tokens)
    for string, letter in np.ndindex(2, 9):
        row, due = logits[string, 10 + letter].tolist(), int(batch.tokens[string, letter + 1])
        assert found.of_logits[string, letter] == pytest.approx(row.pop(due) - max(row))


def test_a_planted_copier_is_fooled_only_by_what_shares_its_n_letters():
    model, planting = planted_copier(2, 5)
    batch = CopyTask(alphabet=5).sample(6, 60, 1)
    found = head_margins(model, batch, ["L1H3"] if planting.n == 2 else [])
    lost = found.over_best[..., 2:] < 1e-6
    assert lost.any() and (found.shared[..., 2:][lost] >= 2).all()


@pytest.mark.parametrize("across", [False, True])
def test_margins_of_a_head_that_looks_behind_are_those_of_that_place(across):
    n, length = 3, 12
    model, planting = planted_reverser(n, 26, across=across, tau=4.0, dtype=torch.float64)
    batch = ReverseCopy().sample(4, length, 2)
    found = head_margins(model, batch, [planting.lookup], behind=n)
    _, cache = model.run_with_cache(batch.tokens)
    scores = cache["blocks.1.attn.hook_attn_scores"][:, int(planting.lookup[3:])].numpy()
    for string, written in np.ndindex(4, length):
        query, place = length + 1 + written, length - written + n
        if place > query:
            assert found.over_best[0, string, written] == found.over_all[0, string, written] == np.inf
            continue
        row = scores[string, query, : query + 1]
        others = np.delete(row, place)
        assert found.over_best[0, string, written] == pytest.approx(row[place] - others.max())
        assert found.over_all[0, string, written] == pytest.approx(row[place] - np.log(np.exp(others).sum()))
        tokens, shared = batch.tokens[string].tolist(), set()
        for rival in set(np.flatnonzero(np.isclose(row, others.max()))) - {place}:  # several draw alike
            ends = zip(tokens[place::-1], tokens[rival::-1], strict=False)
            shared.add(min(12, sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], ends))))
        assert found.shared[0, string, written] in shared
        last = tokens[query - n + 1 : query + 1]  # where they read the same backwards, the query finds itself as well
        if written >= n:
            assert (found.over_best[0, string, written] < 1) == (across and last == last[::-1])
    assert np.isinf(found.over_best[0, :, 0]).all()


def test_the_ceiling_by_its_formula_is_the_one_that_is_drawn():
    for n, length in ((2, 20), (3, 60), (3, 150)):
        drawn = ideal_ngram_accuracy(CopyTask(alphabet=16), n, [length], 0, samples=2000).string[0]
        assert ideal_string_accuracy(n, 16, length) == pytest.approx(drawn, abs=0.03)


def made(length: int, generator: np.random.Generator, location: float, heads: int = 3) -> HeadMargins:
    """Margins that are the least of L chance likenesses below a fixed score."""
    rivals = generator.gumbel(np.log(length), 1.0, (1, 40, length))
    best = np.repeat(location - rivals, heads, axis=0)
    return HeadMargins(
        tuple(f"L1H{i}" for i in range(heads)), length, best, best - 0.1, best[0] - 0.1, np.zeros(best.shape, int), 12
    )


def test_accuracy_is_predicted_from_the_tail_of_margins_at_shorter_lengths():
    """The margin of a letter is below 0 with the probability 1 - exp(-exp(log L - location))."""
    generator, location = np.random.default_rng(0), 16.0
    margins = [made(length, generator, location) for length in (128, 512, 2048)]
    found = predict_accuracy(margins, 30, 26, (1000, 4000, 8000))
    truth = [float(np.exp(-(length**2) * np.exp(-location))) for length in found.lengths]
    assert found.collisions == pytest.approx((1, 1, 1))
    for expected, (low, high) in zip(truth, found.interval, strict=True):
        assert low - 0.1 <= expected <= high + 0.1
    assert found.together[0] > found.together[1] > found.together[2] and found.reach["collisions"] is None
    assert 400 < (found.reach["together"] or 0) < 4000


def test_a_first_letter_that_is_missed_is_the_beginnings_fault_alone():
    margins = made(512, np.random.default_rng(1), 40.0)
    for values in (margins.over_best, margins.over_all, margins.of_logits):
        values[..., 0] -= 40 - 9.0  # missed in 1 - exp(-L e^-9) of the strings: .061 of 512 letters
    found = predict_accuracy([margins], 8, 26, (512, 2048))
    assert found.crosstalk == pytest.approx((1, 1), abs=1e-3) and found.collisions == pytest.approx((1, 1), abs=1e-3)
    for length, share, together, (low, high) in zip(
        found.lengths, found.beginning, found.together, found.interval, strict=True
    ):
        assert low <= np.exp(-length * np.exp(-9.0)) <= high and together == pytest.approx(share, abs=0.01)


def test_each_length_is_predicted_from_the_nearest_with_margins():
    near, far = (made(length, np.random.default_rng(2), location) for length, location in ((64, 60.0), (512, 2.0)))
    found = predict_accuracy([near, far], 8, 26, (32, 128, 512, 2048))
    assert found.together[:2] == pytest.approx((1, 1), abs=1e-3) and found.together[2:] == pytest.approx((0, 0))


@pytest.mark.parametrize("errors", [9, 10, 12])
def test_where_heads_do_not_decide_the_errors_are_counted(errors):
    """Two heads that are fooled in turn, and saved by others; the model errs where no head is fooled."""
    fooled = made(512, np.random.default_rng(3), 60.0, heads=2)
    fooled.over_best[:, :, 100:200] = fooled.over_all[:, :, 100:200] = -5.0
    fooled.of_logits[:] = 4.0
    fooled.of_logits[:errors, 50] = -1.0
    found = predict_accuracy([fooled], 8, 26, (512,))
    assert found.together[0] == pytest.approx((1 - errors / (40 * 504)) ** 504, abs=0.01)


def test_a_letter_that_is_saved_once_does_not_make_a_tail():
    saved = made(512, np.random.default_rng(4), 60.0)
    saved.over_best[:, 3, 77] = saved.over_all[:, 3, 77] = -5.0
    saved.of_logits[:] = 4.0
    assert predict_accuracy([saved], 8, 26, (8192,)).together[0] == pytest.approx(1, abs=1e-3)


def test_what_all_rivals_cost_together_is_dispersion_and_what_one_costs_is_crosstalk():
    for cause, best in (("dispersion", 4.0), ("crosstalk", -1.0)):
        lost = made(512, np.random.default_rng(5), 60.0)
        lost.over_best[:, :, 77], lost.over_all[:, :, 77], lost.of_logits[:, 77] = best, -1.0, -2.0
        found = predict_accuracy([lost], 8, 26, (512,))
        other = {"dispersion": "crosstalk", "crosstalk": "dispersion"}[cause]
        assert getattr(found, cause)[0] == pytest.approx(np.exp(-1), abs=0.1) and getattr(found, other)[0] > 0.99


def test_heads_come_in_the_order_in_which_they_are_named():
    shape = {"kind": "transformer", "n_heads": 2, "d_head": 4, "d_model": 8}
    model, batch = build(shape, seed=1), CopyTask().sample(2, 9, 0)
    together = head_margins(model, batch, ["L1H1", "L0H0", "L1H0"])
    for at, head in enumerate(together.heads):
        np.testing.assert_allclose(head_margins(model, batch, [head]).over_best[0], together.over_best[at], atol=1e-5)


@pytest.mark.parametrize("lengths", [(), (30, 5)])
def test_margins_of_strings_that_hold_no_whole_key_say_nothing(lengths):
    margins = [made(length, np.random.default_rng(0), 9.0) for length in lengths]
    with pytest.raises(UserError, match="margins must be of strings of more than n letters, 5"):
        predict_accuracy(margins, 5, 26, (100,))


def test_heads_that_do_not_attend_have_no_margins():
    model = build({"kind": "mamba", "d_model": 8})
    with pytest.raises(UserError, match="heads must be at least one attention head"):
        head_margins(model, CopyTask().sample(1, 4, 0), ["L0H0"])


@pytest.mark.parametrize("finite", [0, 1, 15, 60])
def test_letters_that_are_left_out_leave_the_tail_alone(finite):
    """As much as is left is fitted: none of these margins is near 0, and infinite ones are not below it."""
    values = np.full((40, 50), np.inf)
    values.flat[:finite] = np.linspace(5, 6.4, finite)
    left_out = HeadMargins(("L1H0",), 50, values[None], values[None], values, np.zeros((1, 40, 50), dtype=int), 12)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = predict_accuracy([left_out], 8, 26, (50,))
    assert found.together[0] > 0.9
