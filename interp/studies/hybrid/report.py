"""The page of what attention adds to a hybrid, and what a terminal shows of it.

The words and the markup are in `report.html`.
"""

from pathlib import Path

import plotly.graph_objects as go

from interp.base import words
from interp.figures.heads import head_scores
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import CELLS, Row, flat, head_rows
from interp.studies.hybrid.figures import by_place, named, size, taken_away
from interp.studies.hybrid.result import HybridStudy
from interp.studies.hybrid.verdict import Cut
from interp.studies.study import Table

SECTIONS = {"without": "Without", "letters": "Letters", "heads": "Heads", "size": "Size", "provenance": "Provenance"}


def write_hybrid_report(study: HybridStudy, folder: str | Path) -> Path:
    """Write the page of a study, its figures and tables, and what `study.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    spec = str(study.model.get("spec", "this model"))
    frame = Frame(
        title=f"What does attention add in {spec}?",
        eyebrow=f"interp · hybrid · {spec}",
        verdicts=(("", str(study.verdict)),),
        sections=SECTIONS,
        provenance=study.provenance,
        models=(("", study.model),),
    )
    kept = {"cuts.csv": cut_rows(study), "heads.csv": head_rows(study.heads.heads)}
    beside = Beside({"": study}, study_figures(study), kept)
    with_role = [head for head in study.heads.heads if head.role != "none"]
    return write_study_page(
        folder,
        "studies/hybrid/report.html",
        frame,
        beside,
        rows=[(what, named(study, cut), cut) for what, cuts in _cuts(study) for cut in cuts],
        heads=with_role,
        kinds=study.layers,
        notes=study.heads.notes,
        caveats=study.verdict.caveats,
        intervals=_note(study),
    )


def study_figures(study: HybridStudy) -> dict[str, go.Figure]:
    """Every figure of a study by its name."""
    return {
        "taken_away": taken_away(study),
        "by_place": by_place(study),
        "head_scores": head_scores(study.heads),
        "recurrent_size": size(study.size),
    }


def tables(study: HybridStudy) -> list[Table]:
    """What each memory and output costs, and which heads have a role, for a terminal."""
    columns = ("without", "memory: letters right", "drop", "output: letters right", "drop")
    rows = tuple(
        (
            named(study, memory),
            words.percent(memory.letter_accuracy_after),
            words.interval(memory.interval),
            words.percent(output.letter_accuracy_after),
            words.interval(output.interval),
        )
        for memory, output in zip(study.memories, study.outputs, strict=True)
    )
    first = study.memories[0]
    title = f"{words.percent(first.letter_accuracy_before)} of letters right in strings of {first.length}"
    roles = tuple(
        (head.name, study.layers[head.layer], head.role, words.number(head.score), str(head.n or ""))
        for head in study.heads.heads
        if head.role != "none"
    )
    found = [Table(title, columns, rows, _note(study))]
    return [*found, Table("heads", ("head", "layer", "role", "score", "n"), roles)] if roles else found


def cut_rows(study: HybridStudy) -> list[Row]:
    """One row for each memory and output that was taken away."""
    found = []
    for what, cuts in _cuts(study):
        for cut in cuts:
            row = {"taken": what} | {key: value for key, value in vars(cut).items() if isinstance(value, CELLS)}
            row.setdefault("control_mean", None)
            row.setdefault("control_interval", None)
            for missing in ("kind", "size", "layers"):
                row.setdefault(missing, None)
            found.append(flat(dict(sorted(row.items())), "interval", "control_interval"))
    return found


def _cuts(study: HybridStudy) -> tuple[tuple[str, tuple[Cut, ...]], ...]:
    return ("memory", study.memories), ("output", study.outputs), ("memory, untrained", study.untrained)


def _note(study: HybridStudy) -> str:
    cuts = [cut for _, some in _cuts(study) for cut in some]
    return words.intervals_note(drop=[cut.interval for cut in cuts], control=[cut.control_interval for cut in cuts])
