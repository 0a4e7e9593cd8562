"""What probes read from the state of a letter once they know the letters before it.

A single letter can be unreadable in a state that holds it: where letters are added up as codes, the others drown it; in
a sum of two letters neither shows. By the chain rule for independent letters,

    I(string; state) = sum_i I(x_i; state, x_1 ... x_(i-1)),

so that each letter may be read from the state *and* all letters before it. The probes are those of `probe_fit` with
other inner products: the state's, plus the earlier letters' (linear: what they add to the state is taken off before the
letter is read, as in successive interference cancellation), plus the products of both for the letter just before
(bilinear: a sum of two letters, one of which is known). What they read is a lower bound, as without the letters.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.measure.state.probe_fit import Probes

PLACES = 8
"""Letters of a string that are read, at most: first, last and evenly between, as each needs a regression of its own."""
TRAINING = 1024
"""Strings that train a probe, at most; a regression takes time as their cube."""
SCREENED = 512
"""Numbers of the state, at most, whose products with the letter before are taken: those that depend most on both."""


def places(length: int, most: int = PLACES) -> list[int]:
    """The letters that are read."""
    return sorted({round(place) for place in np.linspace(0, length - 1, min(most, length))})


def joint_bits(
    features: Float[Tensor, "string feature"],
    letters: Int[Tensor, "string pos"],
    alphabet: int,
    train: int,
    temper: int,
    read: Sequence[int],
) -> Float[np.ndarray, "test place"]:
    """log2 D less the cross-entropy of some letters of each test string, given the state and the letters before each.

    Args:
        features: numbers of the state, each with mean 0 and variance 1 over the training strings.
        letters: 0 to D - 1; of the training strings, of those that temper the probes, of those that test them.
        alphabet: D.
        train: strings that train; those beyond `TRAINING` are left out.
        temper: strings that temper.
        read: the letters that are read.
    """
    kept = min(train, TRAINING)
    chosen = torch.cat([torch.arange(kept), torch.arange(train, len(features))]).to(features.device)
    features, letters = features[chosen], letters[chosen]
    state, rows = _scaled(features @ features[:kept].mT), []
    for place in read:
        kinds = [state]
        if place > 0:
            linear = state + _alike(letters[:, :place], kept, alphabet)
            kinds = [linear, linear + _bilinear(features, letters[:, place - 1 : place + 1], kept, alphabet)]
        rows.append(Probes(*kinds).bits(letters[:, place : place + 1], alphabet, temper))
    return np.concatenate(rows, axis=1)


def _alike(letters: Int[Tensor, "string pos"], train: int, alphabet: int) -> Float[Tensor, "string train"]:
    """Inner products of the letters as centred one-hot vectors."""
    return sum((x[:, None] == x[None, :train]).float() - 1 / alphabet for x in letters.unbind(1))  # pyright: ignore[reportReturnType]: there is one letter or more


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
    """To a mean of 1 on the diagonal."""
    mean = products[: products.shape[1]].diagonal().mean()
    return products / torch.where(mean > 0, mean, 1.0)
