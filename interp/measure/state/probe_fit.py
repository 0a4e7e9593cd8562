"""Linear probes for every letter of a string at once: ridge regression, a linear discriminant, a tempered softmax.

One factorisation of the strings' inner products serves all positions, all letters, and shuffled labels too. Ridge
regression to one-hot letters gives each position a score for each letter, a linear reading of the state. On the strings
that it was trained on, its scores are those of the regression without that string, which has a closed form; so their
noise is known. The log-odds of letters are the scores over the variance of that noise, or, where it is unlike for
different letters, their linear discriminant (Hastie, Buja & Tibshirani, "Penalized discriminant analysis", Annals of
Statistics 23, 1995). Which of the two, which penalty, which temperature, and how much of the uniform distribution is
mixed in, each position chooses on strings that the regression has not seen.
"""

from collections.abc import Callable, Iterator, Sequence
from itertools import chain, product

import numpy as np
import torch
from einops import rearrange
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import one_hot

from interp.base.budget import budget

PENALTIES = (1e-1, 3e-3)
"""Penalties of the ridge regression, relative to the mean squared norm of a string's features; each position has its
own."""
TEMPERATURES = tuple(float(t) for t in np.geomspace(0.3, 10, 12))
UNIFORM = (1e-4, 1e-3, 1e-2, 1e-1)
"""Shares of the uniform distribution in the mixture: what bounds the loss of a wrong, certain guess."""
ERRORS = 3.0
"""A probe whose gain over chance in tempering is below this many standard errors scores 0 bits."""
SINGULAR = 1e-3
"""Fraction of the mean variance that is added to each: a position's scores add up to 0, so their covariance is
singular."""
ROUNDING = 1e-6
"""Variance of scores without noise, in float32."""
READ = 0.99
"""Share of a letter's bits from which on no other probe is tried."""
Regression = tuple[Float[Tensor, "train train"], Float[Tensor, "other train"]]
"""The inverse that ridge regression needs, and the inner products of the other strings."""


class Probes:
    """Probes of one kind of features; what they read is asked by `bits`.

    Args:
        first: inner products of all strings' centred features with those of the first n, the training strings.
        others: make other kinds of inner products, or none; each position takes the kind that serves it best, and none
            is made that no position needs.
        penalties: of the ridge regression; each position takes the better.
    """

    def __init__(
        self,
        first: Float[Tensor, "string train"],
        *others: Callable[[], Float[Tensor, "string train"] | None],
        penalties: Sequence[float] = PENALTIES,
    ) -> None:
        self.train = first.shape[1]
        kinds = chain([first], (products for make in others if (products := make()) is not None))
        self._coming = (regression for products in kinds for regression in _regressions(products, penalties))
        self._made: list[Regression] = []

    @property
    def regressions(self) -> Iterator["Regression"]:
        """The regression of each kind and penalty, made when it is first asked for."""
        yield from self._made
        for regression in self._coming:
            self._made.append(regression)
            yield regression

    def bits(self, letters: Int[Tensor, "string pos"], alphabet: int, temper: int) -> Float[np.ndarray, "test pos"]:
        """log2 D less the cross-entropy of each letter of each test string.

        Args:
            letters: of the training strings, of those that temper the probes, of those that test them, in this order.
            alphabet: D.
            temper: strings that temper.
        """
        at_once = max(1, budget(letters.device).scores // (len(letters) * alphabet))
        found = [self._positions(some, alphabet, temper) for some in letters.split(at_once, dim=1)]
        return torch.cat(found, dim=1).cpu().numpy()

    def _positions(self, letters: Int[Tensor, "string pos"], alphabet: int, temper: int) -> Float[Tensor, "test pos"]:
        n = self.train
        best, bits = 0.0, torch.zeros((), dtype=torch.float64, device=letters.device)
        for logits in self._logits(letters[:n], alphabet):
            gain, rows = tempered(logits, letters[n:], temper)
            bits = torch.where(gain > best, rows, bits)
            best = gain.clamp(min=best)
            if float(best.min()) > READ * np.log2(alphabet):
                break
        return bits

    def _logits(self, letters: Int[Tensor, "train pos"], alphabet: int) -> Iterator[Float[Tensor, "other pos letter"]]:
        """Logits of the strings that were not trained on: for each penalty, from equal noise, and from a
        discriminant."""
        for inverse, products in self.regressions:
            wanted = one_hot(letters, alphabet).to(products.dtype)
            flat = (wanted - 1 / alphabet).flatten(1)
            trained, others = (
                rearrange(x, "string (pos letter) -> pos string letter", letter=alphabet).double()
                for x in ridge_scores(inverse, products, flat)
            )
            for weights, offset in discriminants(trained, wanted.transpose(0, 1).double()):
                logits = (others @ weights + offset[:, None]).to(wanted.dtype)
                yield rearrange(logits, "pos string letter -> string pos letter").contiguous()


def _regressions(products: Float[Tensor, "string train"], penalties: Sequence[float]) -> Iterator[Regression]:
    """For each penalty the inverse that ridge regression needs, and the other strings' inner products."""
    n = products.shape[1]
    scale = products[:n].diagonal().mean()
    products = products / torch.where(scale > 0, scale, 1.0)
    unit = torch.eye(n, dtype=torch.float64, device=products.device)
    for penalty in penalties:
        factor = torch.linalg.cholesky(products[:n].double() + penalty * unit)
        yield torch.cholesky_inverse(factor).to(products.dtype), products[n:]


def ridge_scores(
    inverse: Float[Tensor, "train train"], others: Float[Tensor, "other train"], targets: Float[Tensor, "train output"]
) -> tuple[Float[Tensor, "train output"], Float[Tensor, "other output"]]:
    """Kernel ridge regression: of each training string as the regression without it says, and of other strings.

    The first is Allen's (1974): what is left of a target is its dual coefficient over the inverse's diagonal.

    Args:
        inverse: of the training strings' inner products with the penalty on the diagonal.
        others: inner products of other strings with them.
    """
    dual = inverse @ targets
    return targets - dual / inverse.diagonal()[:, None], others @ dual


def discriminants(
    scores: Float[Tensor, "pos string letter"], wanted: Float[Tensor, "pos string letter"]
) -> Iterator[tuple[Float[Tensor, "pos letter letter"], Float[Tensor, "pos letter"]]]:
    """Weights and offset of each letter's log-posterior: if all scores have the same noise, and as the noise is.

    The noise is Gaussian, and the same for all letters that may be the right one.
    """
    n, alphabet = scores.shape[1:]
    means = wanted.mT @ scores / wanted.sum(dim=1).clamp(min=1)[..., None]
    noise = scores - wanted @ means
    covariance = noise.mT @ noise / n
    unit = torch.eye(alphabet, dtype=scores.dtype, device=scores.device)
    mean, variance = (x.diagonal(dim1=1, dim2=2).mean(dim=1)[:, None, None] for x in (means, covariance))
    yield unit * mean / (variance + ROUNDING), torch.zeros_like(means[:, 0])
    weights = torch.linalg.solve(covariance + (SINGULAR * variance + ROUNDING) * unit, means.mT)
    yield weights, -(means.mT * weights).sum(dim=1) / 2


def tempered(
    logits: Float[Tensor, "string pos letter"], letters: Int[Tensor, "string pos"], temper: int
) -> tuple[Float[Tensor, " pos"], Float[Tensor, "test pos"]]:
    """Bits on the first `temper` strings, at each position's best temperature and mixture, and of each other string.

    The first are 0 where the probe has nothing to say.
    """
    seen = [_right(logits[:temper] / t, letters[:temper]) for t in TEMPERATURES]
    bits = torch.stack([_bits(p, e, logits.shape[2]) for p, e in product(seen, UNIFORM)])
    gain, error = bits.mean(dim=1), bits.std(dim=1) / temper**0.5
    best, which = torch.where(gain > ERRORS * error, gain, 0).max(dim=0)
    choices = torch.tensor(list(product(TEMPERATURES, UNIFORM)), dtype=bits.dtype, device=bits.device)
    temperature, uniform = choices[which].unbind(1)
    right = _right(logits[temper:] / temperature[:, None].to(logits.dtype), letters[temper:])
    return best, _bits(right, uniform, logits.shape[2])


def _right(
    logits: Float[Tensor, "string pos letter"], letters: Int[Tensor, "string pos"]
) -> Float[Tensor, "string pos"]:
    """Probability of the right letter, float64."""
    return logits.log_softmax(dim=2).gather(2, letters[..., None])[..., 0].double().exp()


def _bits(p: Float[Tensor, "string pos"], uniform: float | Tensor, alphabet: int) -> Float[Tensor, "string pos"]:
    """log2 D less the surprise of probabilities mixed with the uniform distribution."""
    return (alphabet * (1 - uniform) * p + uniform).log2()
