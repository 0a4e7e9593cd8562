"""The curves of a training."""

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from jaxtyping import Float, Int

from interp.results.record import Result


@dataclass(frozen=True)
class TrainLog(Result):
    """Curves of a training, by examples seen."""

    examples: Int[np.ndarray, " step"]
    loss: Float[np.ndarray, " step"]
    """Nats per trained token."""
    learning_rate: Float[np.ndarray, " step"]
    evaluated_at: Int[np.ndarray, " evaluation"]
    """Examples seen at each evaluation."""
    lengths: Annotated[tuple[int, ...], "length"]
    string_accuracy: Float[np.ndarray, "evaluation length"]
    letter_accuracy: Float[np.ndarray, "evaluation length"]
