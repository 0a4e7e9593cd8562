"""The figures of a study of states: each takes one or several profiles, side by side, and returns a plotly `Figure`."""

from interp.studies.state.figures.bits import (
    accuracy,
    against_needed,
    by_distance,
    by_layer,
    recoverability,
    saturation,
)
from interp.studies.state.figures.movie import state_view
from interp.studies.state.figures.parts import ablations, transplants
from interp.studies.state.figures.shape import effective_size, rank_and_norm, remembrance, time_constants

__all__ = [
    "ablations",
    "accuracy",
    "against_needed",
    "by_distance",
    "by_layer",
    "effective_size",
    "rank_and_norm",
    "recoverability",
    "remembrance",
    "saturation",
    "state_view",
    "time_constants",
    "transplants",
]
