"""Numbers of a head for HeadVis: six that it has for any model, of one string, then what was found here on others."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from interp.results.attention import ViewedHead

FAINT = 0.01
"""What the induction score takes for nothing."""

Pattern = Float[np.ndarray, "query key"]
Tokens = Int[np.ndarray, " pos"]


@dataclass(frozen=True)
class Metric:
    """A number of each head, None where it has none."""

    says: str
    of: Callable[[Pattern, Tokens, ViewedHead], float | None]


def metrics(pattern: Pattern, tokens: Tokens, head: ViewedHead) -> dict[str, float | None]:
    """Every number of `METRICS`, by name."""
    return {name: metric.of(pattern.astype(np.float64), tokens, head) for name, metric in METRICS.items()}


def self_attention(pattern: Pattern) -> float:
    """Average the attention of each position to itself."""
    return float(np.diagonal(pattern).mean())


def previous_token(pattern: Pattern) -> float | None:
    """Average the attention of each position to the one before it; None for a single position."""
    return float(np.diagonal(pattern, -1).mean()) if len(pattern) > 1 else None


def entropy(pattern: Pattern) -> float:
    """Mean over queries, in nats."""
    return float(-(pattern * np.log(np.where(pattern > 0, pattern, 1))).sum(axis=1).mean())


def distance_moments(pattern: Pattern) -> tuple[float, float]:
    """Positions from key to query: the mean under the attention of a query, and the variance, averaged over queries."""
    query, key = np.indices(pattern.shape)
    distance, mass = query - key, pattern.sum(axis=1)
    weight = pattern / np.where(mass > 0, mass, 1)[:, None]
    mean = (weight * distance).sum(axis=1)
    spread = (weight * (distance - mean[:, None]) ** 2).sum(axis=1)
    return float(mean.mean()), float(spread.mean())


def induction(pattern: Pattern, tokens: Tokens) -> float | None:
    """Mean attention to each position after an earlier occurrence of the query's token; weights under `FAINT` count 0.
    None where no token occurs twice."""
    query, earlier = np.nonzero(np.tril(tokens[:, None] == tokens[None], -1))
    if not len(query):
        return None
    weight = pattern[query, earlier + 1]
    return float(np.where(weight < FAINT, 0, weight).mean())


def _found(says: str, of: Callable[[Any], float | None]) -> Metric:
    """What was measured on other strings, of heads that were scored."""
    return Metric(f"{says}; measured on other strings", lambda _p, _t, head: of(head.found) if head.found else None)


METRICS: Mapping[str, Metric] = {
    "self_attention_score": Metric("mean attention of a query to itself", lambda p, _t, _h: self_attention(p)),
    "prev_token_score": Metric("mean attention to the position before the query", lambda p, _t, _h: previous_token(p)),
    "pattern_entropy": Metric("mean entropy of a query's attention, in nats", lambda p, _t, _h: entropy(p)),
    "qk_distance": Metric("mean distance from key to query, in positions", lambda p, _t, _h: distance_moments(p)[0]),
    "qk_distance_variance": Metric(
        "mean variance of this distance within a query", lambda p, _t, _h: distance_moments(p)[1]
    ),
    "induction_score": Metric(
        f"mean attention to positions after an earlier occurrence of the token; weights under {FAINT} count 0",
        lambda p, t, _h: induction(p, t),
    ),
    "ngram_score": _found(
        "mean attention to the place that the answer is copied from, where no other competes", lambda f: f.score
    ),
    "ngram_chance": _found("the same attention to another letter of the string", lambda f: f.chance),
    "ngram_n": _found("lookup heads: letters of context at which attention to a match jumps", lambda f: f.n),
    "ngram_q": _found("q-value of the n-gram score against untrained models, over all heads", lambda f: f.q_value),
    "ablation_effect": Metric(
        "drop of the share of strings copied right when this head alone is ablated; measured on other strings",
        lambda _p, _t, head: head.cost.before - head.cost.after if head.cost else None,
    ),
}
"""Six of HeadVis's own, of the string that is shown; then ours."""
