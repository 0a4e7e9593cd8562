"""The page of what a model loses without some heads: the figure, the table, and its attention with and without them.

The words and the markup are in `ablation_report.html`.
"""

from pathlib import Path

from interp.base.files import write_together
from interp.figures import tables, theme
from interp.figures.ablation import ablations
from interp.figures.attention.view import SCRIPTS, shown
from interp.figures.page import facts, figure_page, on_page, render, writer
from interp.studies.ablation.result import AblationStudy


def write_ablation_report(study: AblationStudy, folder: str | Path) -> Path:
    """Write the page of a study, its table and figure alone, and what `study.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    folder, figure, spec = Path(folder), ablations(study.ablations), str(study.model.get("spec", "this model"))
    page = render(
        "studies/ablation/report.html",
        SCRIPTS,
        title=f"What does {spec} lose without {theme.names(_heads(study), none='no head')}?",
        model=spec,
        says=_says(study),
        figure=on_page("ablations", figure),
        ablations=study.ablations,
        attention=shown(study.attention),
        command=study.provenance.get("command"),
        provenance=facts(study.provenance, leave_out="command"),
        model_facts=facts(study.model),
    )
    texts = {
        folder / "report.html": page,
        folder / "ablations.csv": tables.csv_text(tables.ablation_rows(study.ablations)),
        folder / "figures" / "ablations.html": figure_page(figure, "ablations", spec),
    }
    write_together(study.writes(folder) | {path: writer(text) for path, text in texts.items()})
    return folder / "report.html"


def _heads(study: AblationStudy) -> list[str]:
    return sorted({head for ablation in study.ablations for head in ablation.heads})


def _says(study: AblationStudy) -> str:
    """What the largest set costs, beside its controls."""
    if not study.ablations:
        return "No head was taken away: none was named, and no lookup head was found."
    whole = max(study.ablations, key=lambda ablation: len(ablation.heads))
    before, after = whole.string_accuracy_before, whole.string_accuracy_after
    low, high = whole.interval
    found = f"Without {theme.names(whole.heads)} ({whole.kind}) {theme.percent(after)} of strings are right, of "
    drop = f"{theme.percent(before)} before; drop, 95%: {theme.percent(low)} to {theme.percent(high)}."
    drawn = [c for c in whole.controls if c.draws]
    controls = theme.names(f"{theme.percent(c.string_accuracy)} ({c.name})" for c in drawn)
    return f"{found}{drop} Under its controls: {controls}." if drawn else f"{found}{drop} There is no control to draw."
