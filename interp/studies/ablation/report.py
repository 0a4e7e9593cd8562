"""The page of what a model loses without some heads: the figure, the table, and its attention with and without them.

The words and the markup are in `report.html`.
"""

from pathlib import Path

import plotly.graph_objects as go

from interp.base import words
from interp.figures.ablation import ablations
from interp.figures.attention.view import SCRIPTS, shown
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import ablation_rows
from interp.results.ablation import AblationResult
from interp.studies.ablation.result import AblationStudy
from interp.studies.study import Table

SECTIONS = {"ablation": "Ablation", "attention": "Attention", "provenance": "Provenance"}


def write_ablation_report(study: AblationStudy, folder: str | Path) -> Path:
    """Write the page of a study, its table and figure alone, and what `study.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    spec = str(study.model.get("spec", "this model"))
    heads = sorted({head for ablation in study.ablations for head in ablation.heads})
    frame = Frame(
        title=f"What does {spec} lose without {words.names(heads, none='no head')}?",
        eyebrow=f"interp · ablation of heads · {spec}",
        verdicts=(("", str(study.verdict)),),
        sections=SECTIONS,
        provenance=study.provenance,
        models=(("", study.model),),
    )
    beside = Beside({"": study}, study_figures(study), {"ablations.csv": ablation_rows(study.ablations)})
    shows = {"ablations": study.ablations, "attention": shown(study.attention)}
    return write_study_page(folder, "studies/ablation/report.html", frame, beside, SCRIPTS, **shows)


def study_figures(study: AblationStudy) -> dict[str, go.Figure]:
    """Every figure of a study by its name."""
    return {"ablations": ablations(study.ablations)}


def tables(study: AblationStudy) -> list[Table]:
    """What each set of heads costs, for a terminal."""
    columns = (
        "without",
        "strings right",
        "drop",
        "letters right",
        "rise in loss",
        "controls: strings right",
    )
    note = words.intervals_note(
        drop=[found.interval for found in study.ablations],
        rise_in_loss=[found.loss_interval for found in study.ablations],
    )
    return [Table(_heading(study), columns, tuple(map(_row, study.ablations)), note)]


def _heading(study: AblationStudy) -> str:
    if not study.ablations:
        return "nothing was ablated"
    some = study.ablations[0]
    return f"{words.count(len(some.string_correct), 'string')}, {some.kind} ablation"


def _row(found: AblationResult) -> tuple[str, ...]:
    loss = found.loss_after - found.loss_before
    return (
        found.name,
        f"{words.percent(found.string_accuracy_before)} → {words.percent(found.string_accuracy_after)}",
        words.interval(found.interval),
        f"{words.percent(found.letter_accuracy_before)} → {words.percent(found.letter_accuracy_after)}",
        words.with_interval(loss, found.loss_interval),
        ", ".join(f"{c.name} {words.percent(c.string_accuracy) if c.draws else 'none'}" for c in found.controls),
    )
