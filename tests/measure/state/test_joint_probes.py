"""Letters that a state holds together, and that no probe of single letters reads, are read given the letters before."""

import numpy as np
import pytest
import torch
from torch.nn.functional import one_hot

from interp.measure.state.bits import bits_of
from interp.measure.state.joint_probes import explained, fill, joint_bits
from interp.measure.state.probe_features import inner_products, standardised
from interp.measure.state.probe_fit import Probes

TRAIN, TEMPER, TEST, D = 512, 256, 256, 8


def _strings(length, seed=0):
    return torch.randint(D, (TRAIN + TEMPER + TEST, length), generator=torch.Generator().manual_seed(seed))


def _jointly(features, letters):
    alone = Probes(inner_products(features, TRAIN)).bits(letters, D, TEMPER)
    return joint_bits(standardised(features, TRAIN), letters, D, TRAIN, TEMPER, alone).mean(axis=0)


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
    rows = joint_bits(standardised(noise, TRAIN), letters, D, TRAIN, TEMPER, np.zeros((TEST, 12)))
    assert bits_of((12,), [rows]).total[0] < 0.1


def test_a_number_that_depends_on_a_pair_is_told_from_noise_by_the_variance_between_pairs():
    pair = _strings(2)
    depends = ((pair[:, 0] + pair[:, 1]) % D == 0).float()
    noise = torch.randn(len(pair), generator=torch.Generator().manual_seed(3))
    share = explained(torch.stack([depends, noise, depends + noise], dim=1), pair, D)
    assert share[0] == pytest.approx(1, abs=1e-4) and abs(share[1]) < 0.1
    expected = float(depends.var() / (depends.var() + 1))
    assert share[2] == pytest.approx(expected, abs=0.1)


def test_digits_of_one_number_are_read_whichever_comes_first():
    letters = _strings(3)
    powers = torch.tensor([1.0, 9.0, 81.0])
    for weights in (powers, powers.flip(0)):
        number = ((letters + 1) * weights).sum(dim=1, keepdim=True)
        assert _alone(number, letters).sum() < 3.5
        assert _jointly(number, letters).sum() > 7.5  # of 9


@pytest.mark.parametrize("kept", [3, 10, 17, 31])
def test_of_a_long_string_no_more_is_said_to_be_read_than_is(kept):
    """Between letters that are read and letters that are not, the edge is looked for, and nothing is made up."""
    bits, read = np.where(np.arange(40) < kept, 3.0, 0.0), []

    def one(place):
        read.append(place)
        return np.full(4, bits[place])

    found = fill(one, np.zeros((4, 40)), 3.0)
    assert (found <= bits).all() and found[0].sum() >= 0.95 * bits.sum() and len(read) <= 10
    held = fill(one, np.tile(bits, (4, 1)), 3.0)
    np.testing.assert_array_equal(held, np.tile(bits, (4, 1)))
