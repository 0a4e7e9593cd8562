"""Letters that a state holds together, and that no probe of single letters reads, are read given the letters before."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from interp.measure.state.bits import bits_of
from interp.measure.state.joint_probes import explained, joint_bits, places
from interp.measure.state.probe_features import inner_products, standardised
from interp.measure.state.probe_fit import Probes

TRAIN, TEMPER, TEST, D = 512, 256, 256, 8


def _strings(length, seed=0):
    return torch.randint(D, (TRAIN + TEMPER + TEST, length), generator=torch.Generator().manual_seed(seed))


def _jointly(features, letters):
    rows = joint_bits(standardised(features, TRAIN), letters, D, TRAIN, TEMPER, range(letters.shape[1]))
    return rows.mean(axis=0)


def _alone(features, letters):
    return Probes(inner_products(features, TRAIN)).bits(letters, D, TEMPER).mean(axis=0)


def test_sums_of_neighbours_say_nothing_of_a_letter_and_nearly_all_of_it_given_the_one_before():
    letters = _strings(6)
    sums = one_hot((letters[:, 1:] + letters[:, :-1]) % D, D).float().flatten(1)
    assert _alone(sums, letters).max() < 0.05
    found = _jointly(sums, letters)
    assert found[0] < 0.05 and found[1:].min() > 2.5 and found.max() <= 3


def test_letters_added_up_as_codes_are_read_better_once_earlier_ones_are_known():
    letters = _strings(16)
    codes = torch.randn(16, D, 24, generator=torch.Generator().manual_seed(1))
    added = torch.stack([codes[i][letters[:, i]] for i in range(16)]).sum(dim=0)
    alone, jointly = _alone(added, letters), _jointly(added, letters)
    assert jointly.sum() > 1.5 * alone.sum() and jointly[-1] > 2.8 > alone[-1]


def test_letters_that_stand_apart_are_read_the_same_either_way():
    letters = _strings(8)
    kept = one_hot(letters[:, :5], D).float().flatten(1)
    np.testing.assert_allclose(_jointly(kept, letters), [3] * 5 + [0] * 3, atol=0.05)


def test_a_state_that_says_nothing_holds_nothing_whatever_letters_are_known():
    letters = _strings(12)
    noise = torch.randn(len(letters), 200, generator=torch.Generator().manual_seed(2))
    rows = joint_bits(standardised(noise, TRAIN), letters, D, TRAIN, TEMPER, range(12))
    assert bits_of((12,), [rows]).total[0] < 0.1


def test_a_number_that_depends_on_a_pair_is_told_from_noise_by_the_variance_between_pairs():
    pair = _strings(2)
    depends = ((pair[:, 0] + pair[:, 1]) % D == 0).float()
    noise = torch.randn(len(pair), generator=torch.Generator().manual_seed(3))
    share = explained(torch.stack([depends, noise, depends + noise], dim=1), pair, D)
    assert share[0] == pytest.approx(1, abs=1e-4) and abs(share[1]) < 0.1
    expected = float(depends.var() / (depends.var() + 1))
    assert share[2] == pytest.approx(expected, abs=0.1)


def test_of_a_long_string_first_and_last_letter_are_read_and_some_between():
    assert places(5) == [0, 1, 2, 3, 4]
    assert places(100, 4) == [0, 33, 66, 99]
    assert places(1) == [0]
