"""What a person sees: every figure is drawn from `interp.results` alone, and `write_report` makes the page of them.

Each function takes one result and returns a plotly `Figure`; `figure.layout.meta["says"]` is the sentence that says
what it shows.
"""

from interp.figures.ablation import ablations
from interp.figures.attention import attention
from interp.figures.heads import head_grid, head_scores, response
from interp.figures.report import write_report
from interp.figures.steps import effective_n, step_curve
from interp.figures.training import first_errors, length_accuracy, training

__all__ = [
    "ablations",
    "attention",
    "effective_n",
    "first_errors",
    "head_grid",
    "head_scores",
    "length_accuracy",
    "response",
    "step_curve",
    "training",
    "write_report",
]
