"""The page of what a model loses without some heads: the figure, the table, and its attention with and without them.

The words and the markup are in `ablation_report.html`.
"""

from pathlib import Path

from interp.base import words
from interp.base.files import write_together
from interp.figures.ablation import ablations
from interp.figures.attention.view import SCRIPTS, shown
from interp.figures.page import facts, figure_page, on_page, render, writer
from interp.figures.tables import ablation_rows, csv_text
from interp.results.ablation import AblationResult
from interp.studies.ablation.result import AblationStudy
from interp.studies.study import Table


def write_ablation_report(study: AblationStudy, folder: str | Path) -> Path:
    """Write the page of a study, its table and figure alone, and what `study.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    folder, figure, spec = Path(folder), ablations(study.ablations), str(study.model.get("spec", "this model"))
    page = render(
        "studies/ablation/report.html",
        SCRIPTS,
        title=f"What does {spec} lose without {words.names(_heads(study), none='no head')}?",
        model=spec,
        says=study.verdict,
        figure=on_page("ablations", figure),
        ablations=study.ablations,
        attention=shown(study.attention),
        command=study.provenance.get("command"),
        provenance=facts(study.provenance, leave_out="command"),
        model_facts=facts(study.model),
    )
    texts = {
        folder / "report.html": page,
        folder / "ablations.csv": csv_text(ablation_rows(study.ablations)),
        folder / "figures" / "ablations.html": figure_page(figure, "ablations", spec),
    }
    write_together(study.writes(folder) | {path: writer(text) for path, text in texts.items()})
    return folder / "report.html"


def _heads(study: AblationStudy) -> list[str]:
    return sorted({head for ablation in study.ablations for head in ablation.heads})


def tables(study: AblationStudy) -> list[Table]:
    """What each set of heads costs, for a terminal."""
    columns = (
        "without",
        "strings right",
        "drop, 95 %",
        "letters right",
        "rise in loss, 95 %",
        "controls: strings right",
    )
    return [Table(_heading(study), columns, tuple(map(_row, study.ablations)))]


def _heading(study: AblationStudy) -> str:
    if not study.ablations:
        return "nothing was taken away"
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
