"""What a person sees: every figure is drawn from results alone.

Each function takes one result and returns a plotly `Figure`; `figure.layout.meta["says"]` is the sentence that says
what it shows. In the examples `study` is what `interp.hash_head_study` returned. The figures of a whole study are in
its folder, as `interp.studies.state.figures`, and what `study.figures()` returns; `save` writes figures for print.
"""

from interp.figures.ablation import ablations
from interp.figures.attention.encoding import load_view
from interp.figures.attention.view import attention_examples, attention_view
from interp.figures.curves import learning_curves
from interp.figures.heads import head_grid, head_scores, response
from interp.figures.letters import letter_circuits
from interp.figures.printing import save
from interp.figures.steps import effective_n, step_curve
from interp.figures.training import first_errors, length_accuracy, training

__all__ = [
    "ablations",
    "attention_examples",
    "attention_view",
    "effective_n",
    "first_errors",
    "head_grid",
    "head_scores",
    "learning_curves",
    "length_accuracy",
    "letter_circuits",
    "load_view",
    "response",
    "save",
    "step_curve",
    "training",
]
