"""The page of a training: its curves, its recipe, what the model can do, how its heads formed, where to look further.

The words and the markup are in `report.html`.
"""

from pathlib import Path
from shlex import quote

import plotly.graph_objects as go

from interp.base import words
from interp.figures.page import facts
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import Row, accuracy_rows, head_rows
from interp.figures.training import length_accuracy, training
from interp.studies.learning.figures import formation
from interp.studies.learning.result import LearningStudy
from interp.studies.study import Table

SECTIONS = {
    "curves": "Curves",
    "accuracy": "Accuracy",
    "heads": "Heads",
    "recipe": "Recipe",
    "further": "Further",
    "provenance": "Provenance",
}
UNTOLD = ("training", "config", "planted")
"""What the facts of the model leave to the recipe."""


def write_learning_report(study: LearningStudy, folder: str | Path) -> Path:
    """Write the page, its figures and tables, and what `study.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    spec = str(study.model.get("spec", "this model"))
    figures: dict[str, go.Figure] = {
        "training": training(study.training),
        "length_accuracy": length_accuracy(study.accuracy_by_length),
    }
    if study.kept:
        figures["formation"] = formation(study)
    frame = Frame(
        title=f"How did {spec} learn?",
        eyebrow=f"interp · training · {spec}",
        verdicts=(("", str(study.verdict)),),
        sections=SECTIONS,
        provenance=study.provenance,
        models=(("", {key: value for key, value in study.model.items() if key not in UNTOLD}),),
    )
    rows = accuracy_rows(study.accuracy_by_length)
    beside = Beside({"": study}, figures, {"accuracy.csv": rows, "formation.csv": formation_rows(study)})
    shows = {
        "accuracy": rows,
        "ideals": tuple(study.accuracy_by_length.ideal),
        "kept": study.kept,
        "notes": study.notes,
        "marks": study.training.marks,
        "recipe": facts(study.model.get("training", {})),
        "architecture": facts(study.model.get("config", {})),
        "quoted": {0: quote(spec), **{kept.step: quote(f"{spec}@{kept.step}") for kept in study.kept[:-1]}},
        "recurrent": not study.model.get("n_heads"),
    }
    return write_study_page(folder, "studies/learning/report.html", frame, beside, **shows)


def formation_rows(study: LearningStudy) -> list[Row]:
    """One row for each head at each kept step."""
    return [
        {"step": kept.step, "examples": kept.examples} | row
        for kept in study.kept
        for row in head_rows(kept.scores.heads)
    ]


def tables(study: LearningStudy) -> list[Table]:
    """Accuracy by length and heads by kept step, for a terminal."""
    rows = accuracy_rows(study.accuracy_by_length)
    cells = tuple(
        (str(row["length"]), words.percent(row["string_accuracy"]), words.percent(row["letter_accuracy"]))
        for row in rows
    )
    shown = [Table("accuracy by length", ("letters", "strings right", "letters right"), cells)]
    if study.kept:
        heads = tuple(
            (
                f"{kept.step:,}",
                f"{kept.examples:,}",
                words.names((f"{h.name} (n = {h.n})" for h in kept.scores.heads if h.role == "lookup"), none="none"),
                words.names(kept.scores.of_role("gather"), none="none"),
            )
            for kept in study.kept
        )
        shown.append(Table("heads along the way", ("step", "examples", "lookup", "gather"), heads))
    return shown
