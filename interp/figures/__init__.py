"""What a person sees: every figure is drawn from results alone; `write_report` and `write_state_report` make pages.

Each function takes one result (of states: several profiles, side by side) and returns a plotly `Figure`;
`figure.layout.meta["says"]` is the sentence that says what it shows.
"""

from interp.figures.ablation import ablations
from interp.figures.attention_view import attention_view
from interp.figures.heads import head_grid, head_scores, response
from interp.figures.report import write_report
from interp.figures.state_bits import accuracy, recoverability, saturation
from interp.figures.state_parts import transplants
from interp.figures.state_report import write_state_report
from interp.figures.state_view import state_view
from interp.figures.steps import effective_n, step_curve
from interp.figures.training import first_errors, length_accuracy, training
from interp.figures.view_file import load_view

__all__ = [
    "ablations",
    "accuracy",
    "attention_view",
    "effective_n",
    "first_errors",
    "head_grid",
    "head_scores",
    "length_accuracy",
    "load_view",
    "recoverability",
    "response",
    "saturation",
    "state_view",
    "step_curve",
    "training",
    "transplants",
    "write_report",
    "write_state_report",
]
