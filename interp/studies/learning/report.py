"""The page of a training: its curves, its recipe, what the model can do, how its heads formed, where to look further.

The words and the markup are in `report.html`.
"""

import math
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import Any

import plotly.graph_objects as go

from interp.base import words
from interp.base.paths import short_name
from interp.figures.curves import learning_curves
from interp.figures.page import facts
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import Row, accuracy_rows, head_rows
from interp.figures.training import length_accuracy, training
from interp.results.curves import LearningCurves, curves_of
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
SHARE = 0.9
"""Share of right strings whose examples runs are compared by."""
UNTOLD = ("training", "config", "planted")
"""What the facts of the model leave to the recipe."""


def write_learning_report(study: LearningStudy, folder: str | Path) -> Path:
    """Write the page, its figures and tables, and what `study.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    spec = str(study.model.get("spec", "this model"))
    frame = Frame(
        title=f"How did {spec} learn?",
        eyebrow=f"interp · training · {spec}",
        verdicts=(("", str(study.verdict)),),
        sections=SECTIONS,
        provenance=study.provenance,
        models=(("", {key: value for key, value in study.model.items() if key not in UNTOLD}),),
    )
    rows = accuracy_rows(study.accuracy_by_length)
    beside = Beside({"": study}, study_figures(study), {"accuracy.csv": rows, "formation.csv": formation_rows(study)})
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


def study_figures(study: LearningStudy) -> dict[str, go.Figure]:
    """Every figure of a training by its name, in the order of the page."""
    figures = {"training": training(study.training), "length_accuracy": length_accuracy(study.accuracy_by_length)}
    return figures | {"formation": formation(study)} if study.kept else figures


def write_learning_comparison(studies: Sequence[LearningStudy], folder: str | Path) -> Path:
    """Write one page of several trainings: learning curves by group, examples needed, and each run in a row.

    Returns: the path of `report.html`; of one training, that of its own page.

    Raises: UserError for no training; InterpError if the files cannot be written.
    """
    if len(studies) == 1:
        return write_learning_report(studies[0], folder)
    names = [str(study.model.get("spec", f"run {i}")) for i, study in enumerate(studies, 1)]
    curves = curves_of(names, [_recipe(study) for study in studies], [study.training for study in studies])
    frame = Frame(
        title=f"How did {words.count(len(studies), 'model')} learn?",
        eyebrow=f"interp · training · {words.names(curves.groups)}",
        verdicts=(),
        sections={"curves": "Curves", "runs": "Runs", "provenance": "Provenance"},
        provenance=studies[0].provenance,
    )
    places = [
        short_name(f"{i}-{''.join(c if c.isalnum() else '-' for c in name)}", 100) for i, name in enumerate(names, 1)
    ]
    beside = Beside(
        {"": curves, **dict(zip(places, studies, strict=True))},
        {"learning_curves": learning_curves(curves, SHARE)},
        {"runs.csv": run_rows(curves, studies)},
    )
    shows = {
        "groups": group_rows(curves),
        "runs": run_rows(curves, studies),
        "share": SHARE,
        "length": curves.length,
        "inf": math.inf,
    }
    return write_study_page(folder, "studies/learning/comparison.html", frame, beside, **shows)


def group_rows(curves: LearningCurves) -> list[Row]:
    """One row for each group: how many of its runs got there, when, and how many times later than the first group."""
    rows, first = [], curves.groups[0]
    for group, needed in curves.needed(SHARE).items():
        got = sorted(each.most for each in needed if not each.censored)
        most = min(len(needed), len(curves.needed(SHARE)[first]))
        ratio = curves.ratio(group, first, SHARE) if group != first and most > 1 else None
        band = curves.band(group)
        rows.append(
            {
                "group": group,
                "runs": len(needed),
                "reached": len(got),
                "first_examples": got[0] if got else None,
                "last_examples": got[-1] if len(got) == len(needed) else None,
                "final_accuracy": float(band.mean[-1]) if len(band.mean) else None,
                "ratio": ratio and ratio.value,
                "ratio_low": ratio and ratio.low,
                "ratio_high": ratio and ratio.high,
            }
        )
    return rows


def run_rows(curves: LearningCurves, studies: Sequence[LearningStudy]) -> list[Row]:
    """One row for each run."""
    needed = {group: iter(each) for group, each in curves.needed(SHARE).items()}
    rows = []
    for name, group, seed, study in zip(curves.runs, curves.group, curves.seed, studies, strict=True):
        found, right = next(needed[group]), study.verdict.evidence("string_accuracy")
        ends = {"low": right.interval and right.interval.low, "high": right.interval and right.interval.high}
        most = None if found.censored else found.most
        rows.append({"run": name, "group": group, "seed": seed, "examples": most, "accuracy": right.value, **ends})
    return rows


def _recipe(study: LearningStudy) -> dict[str, dict[str, Any]]:
    """Model, task and training, as far as a result knows them."""
    task = {"kind": study.model.get("task"), "letters": study.model.get("letters")}
    return {"model": study.model.get("config", {}), "task": task, "training": study.model.get("training", {})}


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
