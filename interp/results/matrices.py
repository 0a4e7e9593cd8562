"""What is known of a state that is a matrix: its spectrum by position, and how much of the past it hands on."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float

from interp.results.record import Result


@dataclass(frozen=True)
class StateSpectrum(Result):
    """Singular values of each head's state S_t, string by string."""

    layer: int
    singular_values: Float[np.ndarray, "string pos head value"]
    """Largest first."""
    stable_rank: Float[np.ndarray, "string pos head"]
    """Sum of squared singular values over the largest squared; 0 for a state of zeros."""


@dataclass(frozen=True)
class EffectiveStateSize(Result):
    """Rank of the map from the inputs before a position to the outputs from it on (Parnichkun et al. 2025)."""

    layer: int
    splits: Annotated[tuple[int, ...], "split"]
    """Positions: what lies before is the past."""
    tolerance: float
    """Share of the largest singular value from which one counts."""
    rank: Float[np.ndarray, "string split operator"]
    """Singular values that count. An operator is a head; of Mamba, whose channels decay each by itself, a channel."""
    entropy_rank: Float[np.ndarray, "string split operator"]
    """exp of the entropy of the singular values over their sum; 0 where nothing is handed on."""
