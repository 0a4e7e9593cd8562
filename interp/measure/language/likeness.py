"""How alike two rankings of the same heads are: rank correlation, with an interval over the strings behind both."""

import numpy as np
from jaxtyping import Float
from scipy.stats import rankdata

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.results.language import Likeness

DRAWS = 1000
"""Draws of the bootstrap."""
Scores = Float[np.ndarray, "head _"]


@checked_call
def likeness(
    names: tuple[str, ...], one: tuple[str, Scores], other: tuple[str, Scores], first: int, seed: int = 0
) -> Likeness:
    """Compare two rankings of the same heads.

    >>> import numpy as np
    >>> a, b = np.array([[0.9, 0.8], [0.1, 0.2]]), np.array([[0.5, 0.4], [0.0, 0.1]])
    >>> found = likeness(("L0H0", "L0H1"), ("text", a), ("phone book", b), first=1)
    >>> round(found.correlation, 3), found.shared
    (1.0, ('L0H0',))

    Args:
        names: of the heads.
        one: what the first ranking is called, and its values, head by string; nan where a string says nothing.
        other: the second, of the same heads; its strings may be others.
        first: how many heads of each are compared by name.
        seed: of the strings that are drawn again, for the interval.

    Raises: UserError for fewer than two heads, or numbers of heads that differ.
    """
    (left, a), (right, b) = one, other
    if not 2 <= len(names) == len(a) == len(b):
        raise UserError(
            f"one and other must hold values of the same two heads or more; got {len(a)} and {len(b)} for "
            f"{len(names)} names."
        )
    drawn, whole = np.random.default_rng(seed), _correlation(_mean(a), _mean(b))
    draws = (_correlation(_drawn(a, drawn), _drawn(b, drawn)) for _ in range(DRAWS))
    again = [found for found in draws if found is not None]
    low, high = np.quantile(again or [0.0], [0.025, 0.975])
    tops = [[names[i] for i in np.argsort(-_mean(x), kind="stable")[:first]] for x in (a, b)]
    return Likeness(
        one=left,
        other=right,
        correlation=whole,
        interval=None if whole is None else Interval(float(low), float(high), "percentile bootstrap"),
        shared=tuple(name for name in tops[0] if name in tops[1]),
    )


def _mean(values: Scores) -> Float[np.ndarray, " head"]:
    """The mean over strings that say something; 0 where none does."""
    known = ~np.isnan(values)
    return np.where(known, values, 0.0).sum(axis=1) / np.maximum(known.sum(axis=1), 1)


def _drawn(values: Scores, drawn: np.random.Generator) -> Float[np.ndarray, " head"]:
    return _mean(values[:, drawn.integers(values.shape[1], size=values.shape[1])])


def _correlation(a: Float[np.ndarray, " head"], b: Float[np.ndarray, " head"]) -> float | None:
    """Spearman's; None where one is the same for all heads."""
    x, y = (rank - rank.mean() for rank in (rankdata(a), rankdata(b)))
    size = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / size if size else None
