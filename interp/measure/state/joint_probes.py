"""What probes read from the state of a letter once they know the letters before it.

A single letter can be unreadable in a state that holds it: where letters are added up as codes, the others drown it; in
a sum of two letters neither shows. By the chain rule for independent letters,

    I(string; state) = sum_i I(x_i; state, x_1 ... x_(i-1)),

so that each letter may be read from the state *and* all letters before it. The probes are those of `probe_fit` with
other inner products: the state's, plus the earlier letters' (linear: what they add to the state is taken off before the
letter is read, as in successive interference cancellation), plus the products of both for the letter just before
(bilinear: a sum of two letters, one of which is known). The rule holds for any order of the letters: they are read from
the first on, or, if that way more is seen, from the last back. What they read is a lower bound, as without the letters.
"""

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from interp.measure.state.probe_fit import Probes

PLACES = 10
"""Letters of a string that are read, at most, as each needs a regression of its own."""
FIRST = 5
"""How many of these are read before it is known where the others would tell most."""
MISSED = 0.02
"""Share of the string's bits that may be missed between two letters that are read."""
ENOUGH = 0.97
"""Share of the string's bits, from which on nothing is left to be found in another order."""
LOOKS = (0, 1 / 3, 2 / 3)
"""Letters, as shares of the string, that are read given those behind them, to see whether these tell anything."""
SURE = 0.1
"""Share of a letter's bits that they must tell of one."""
TRAINING = 1024
"""Strings that train a probe, at most; a regression takes time as their cube."""
KNOWN = 0.5
"""Indicators of known letters, over training strings, up to which all that they add is taken off without a penalty."""
TINY = 1e-6
NARROW = 1024
"""Numbers of a state, at most, from which all that known letters add is taken off: it takes float64."""
ROUNDED = 1e-10
"""Share of the state that may be rounding."""
SCREENED = 512
"""Numbers of the state, at most, whose products with the letter before are taken: those that depend most on both."""


def joint_bits(
    features: Float[Tensor, "string feature"],
    letters: Int[Tensor, "string pos"],
    alphabet: int,
    train: int,
    temper: int,
    alone: Float[np.ndarray, "test pos"],
) -> Float[np.ndarray, "test pos"]:
    """log2 D less the cross-entropy of each letter of each test string, given the state and the letters before it, or
    those behind it: the order in which more is read.

    Args:
        features: numbers of the state, each with mean 0 and variance 1 over the training strings.
        letters: 0 to D - 1; of the training strings, of those that temper the probes, of those that test them.
        alphabet: D.
        train: strings that train; those beyond `TRAINING` are left out.
        temper: strings that temper.
        alone: what probes read of each letter that know no other letter: a bound on what those that do can read.
    """
    kept = min(train, TRAINING)
    chosen = torch.cat([torch.arange(kept), torch.arange(train, len(features))]).to(features.device)
    features, letters = features[chosen], letters[chosen]
    state = _scaled(features @ features[:kept].mT)
    narrow = features.double() if features.shape[1] <= NARROW else None
    exact = None if narrow is None else _scaled(narrow @ narrow[:kept].mT)

    def read(order: Int[Tensor, "string pos"], place: int, bilinear: bool = True) -> Float[np.ndarray, " test"]:
        if place == 0:
            return Probes(state).bits(order[:, :1], alphabet, temper)[:, 0]
        linear = state + _alike(order[:, :place], kept, alphabet)
        others: list[Callable[[], Tensor | None]] = []
        if exact is not None and place * (alphabet - 1) <= kept * KNOWN:
            others.append(partial(cancelled, exact, order[:, :place], alphabet))
        if bilinear:
            pair = order[:, place - 1 : place + 1]
            others.append(lambda: linear + _bilinear(features, pair, kept, alphabet))
        return Probes(linear, *others).bits(order[:, place : place + 1], alphabet, temper)[:, 0]

    forward = fill(lambda place: read(letters, place), alone, np.log2(alphabet))
    length, backward = letters.shape[1], letters.flip(1)
    if forward.mean(axis=0).sum() > ENOUGH * length * np.log2(alphabet):
        return forward
    looks = sorted({round(share * (length - 1)) for share in LOOKS})
    gains = [read(backward, length - 1 - place, bilinear=False).mean() - alone[:, place].mean() for place in looks]
    if max(gains) < SURE * np.log2(alphabet):
        return forward
    other = fill(lambda place: read(backward, place), alone[:, ::-1], np.log2(alphabet))[:, ::-1]
    return max(forward, other, key=lambda rows: float(rows[::2].mean(axis=0).sum()))


def fill(
    read: Callable[[int], Float[np.ndarray, " test"]], alone: Float[np.ndarray, "test pos"], letter: float
) -> Float[np.ndarray, "test pos"]:
    """Read some letters, and of each letter between two of them take the least of what was read: that of the two, or,
    where it is more, what is read of the letter alone.

    First and last letter and three between are read, then the one in the middle of where most might be missed, until
    little can be, or `PLACES` have been read.

    Args:
        read: of a place, bits of each test string.
        alone: bits of each letter that is read by itself.
        letter: bits of a letter.
    """
    length = alone.shape[1]
    rows = {place: read(place) for place in np.linspace(0, length - 1, min(FIRST, length)).round().astype(int).tolist()}
    single = alone.mean(axis=0)
    while len(rows) < PLACES:
        missed, middle = max(_missed(rows, single))
        if missed <= MISSED * length * letter:
            break
        rows[middle] = read(middle)
    found, seen = alone.copy(), sorted(rows)
    for low, high in pairwise(seen):
        least = min(rows[low], rows[high], key=lambda row: float(row.mean()))
        between = np.arange(low + 1, high)
        better = between[single[between] < least.mean()]
        found[:, better] = least[:, None]
    for place in seen:
        found[:, place] = rows[place]
    return found


def _missed(rows: dict[int, Float[np.ndarray, " test"]], single: Float[np.ndarray, " pos"]) -> list[tuple[float, int]]:
    """For each stretch between two letters that were read, the most bits that can be missed in it, and its middle."""
    found = [(0.0, 0)]
    for low, high in pairwise(sorted(rows)):
        least, most = sorted((float(rows[low].mean()), float(rows[high].mean())))
        at_least = np.maximum(single[low + 1 : high], least)
        found.append((float(np.maximum(most - at_least, 0).sum()), (low + high) // 2))
    return found


def _alike(letters: Int[Tensor, "string pos"], train: int, alphabet: int) -> Float[Tensor, "string train"]:
    """Inner products of the letters as centred one-hot vectors."""
    return sum((x[:, None] == x[None, :train]).float() - 1 / alphabet for x in letters.unbind(1))  # pyright: ignore[reportReturnType]: there is one letter or more


def cancelled(
    state: Float[Tensor, "string train"], known: Int[Tensor, "string pos"], alphabet: int
) -> Float[Tensor, "string train"] | None:
    """Inner products of what is left of the state when all that known letters add to it is taken off, scaled to 1.

    By least squares without a penalty, so that what is left may be much smaller than what was taken off; of a training
    string it is what a regression without that string leaves, as of any other. None, where no more than rounding is
    left.

    Args:
        state: inner products, in float64, of all strings' states with those of the training strings, scaled to 1.
        known: letters of all strings.
    """
    train = state.shape[1]
    ones = one_hot(known, alphabet)[..., 1:].double().flatten(1)
    ones = torch.cat([torch.ones_like(ones[:, :1]), ones], dim=1)
    factor = torch.linalg.cholesky(ones[:train].mT @ ones[:train] + TINY * torch.eye(ones.shape[1]).to(ones))
    taken = ones @ torch.cholesky_solve(ones[:train].mT, factor)
    left = state - taken @ state[:train]
    unit = torch.eye(train).to(taken)
    left = left @ (unit - taken[:train]).mT
    own = 1 / (1 - taken[:train].diagonal()).clamp(min=TINY)
    left[:train] *= own[:, None]
    left *= own
    left[:train] = (left[:train] + left[:train].mT) / 2
    return None if float(left[:train].diagonal().mean()) < ROUNDED else _scaled(left).float()


def _bilinear(
    features: Float[Tensor, "string feature"], pair: Int[Tensor, "string 2"], train: int, alphabet: int
) -> Float[Tensor, "string train"]:
    """Inner products of the products of the first letter with those numbers of the state that depend on the pair."""
    told = explained(features[:train], pair[:train], alphabet)
    best = told.topk(min(SCREENED, len(told))).indices
    weighted = features[:, best] * told[best].clamp(min=0).sqrt()
    same = (pair[:, None, 0] == pair[None, :train, 0]).to(features.dtype)
    return alphabet**0.5 * _scaled(weighted @ weighted[:train].mT) * (same - 1 / alphabet)


def explained(
    features: Float[Tensor, "string feature"], pair: Int[Tensor, "string 2"], alphabet: int
) -> Float[Tensor, " feature"]:
    """Share of each number's variance that lies between pairs of letters, less what so many pairs explain by chance."""
    cell, n = pair[:, 0] * alphabet + pair[:, 1], len(pair)
    ones = torch.ones_like(cell, dtype=features.dtype)
    sizes = ones.new_zeros(alphabet**2).index_add_(0, cell, ones)
    sums = features.new_zeros(alphabet**2, features.shape[1]).index_add_(0, cell, features)
    centred = sums / sizes.clamp(min=1)[:, None] - features.mean(dim=0)
    between = (sizes[:, None] * centred.square()).sum(dim=0)
    total = (features - features.mean(dim=0)).square().sum(dim=0)
    free = int((sizes > 0).sum()) - 1
    share = between / torch.where(total > 0, total, 1.0)
    return (share - free / (n - 1)) / max(1 - free / (n - 1), 1 / n)


def _scaled(products: Float[Tensor, "string train"]) -> Float[Tensor, "string train"]:
    """Scale to a mean of 1 on the diagonal."""
    mean = products[: products.shape[1]].diagonal().mean()
    return products / torch.where(mean > 0, mean, 1.0)
