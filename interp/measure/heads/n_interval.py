"""How sure a head's n is: the same rule on strings drawn again from the probes."""

from collections.abc import Callable

import numpy as np
from jaxtyping import Float

from interp.base.estimates import LEVEL

AGAIN = 400
"""Times that the strings are drawn again. The ends are whole numbers, which few draws settle."""

Rule = Callable[..., int | None]


def n_interval(rule: Rule, *values: Float[np.ndarray, "probe string"], most: int, seed: int = 0) -> tuple[int, int]:
    """Apply a rule to means over strings drawn again, with putting back, and return the interval of what it finds.

    Args:
        rule: from means, [probe] for each of `values`, to n; None for none.
        values: string by string; the strings of one probe length stand in the same columns of all.
        most: the longest n that the rule can find; no n at all counts as one more.
        seed: of the draws.
    """
    strings = values[0].shape[1]
    rng = np.random.default_rng(seed)
    weight = rng.multinomial(strings, np.full(strings, 1 / strings), (AGAIN, len(values[0]))) / strings
    means = [np.einsum("rps,ps->rp", weight, value) for value in values]
    found = [rule(*(mean[i] for mean in means)) for i in range(AGAIN)]
    known = [most + 1 if n is None else n for n in found]
    low, high = np.quantile(known, [(1 - LEVEL) / 2, (1 + LEVEL) / 2], method="closest_observation")
    return int(low), int(high)
