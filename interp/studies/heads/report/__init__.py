"""The page of a study: verdict, numbers, figures, tables and provenance in one file that asks nothing of the network.

The words and the markup are in `report.html`, on top of `figures/shell.html`; here the study is put into the terms that
they use.
"""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go
from markupsafe import Markup

from interp.base import words
from interp.figures.ablation import ablations
from interp.figures.attention.view import SCRIPTS, attention_view, shown
from interp.figures.heads import head_grid, head_scores, response
from interp.figures.method import method
from interp.figures.steps import effective_n
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import Row, ablation_rows, accuracy_rows, head_rows
from interp.figures.training import first_errors, length_accuracy, training
from interp.studies.heads.report.glance import glance, model_line, question
from interp.studies.heads.report.rows import does, left_rows, matches
from interp.studies.heads.report.terminal import tables as tables
from interp.studies.heads.result import HashHeadStudy

SECTIONS = {
    "accuracy": "Accuracy",
    "heads": "Heads",
    "n": "n",
    "ablation": "Ablation",
    "attention": "Attention",
    "training": "Training",
    "method": "Method",
    "provenance": "Provenance",
}
KINDS = {
    "zero": "the head writes nothing",
    "mean": "the head's output is replaced by its mean over strings and positions",
    "mean-per-position": "the head's output is replaced by its mean over strings",
    "resample": "the head's output is replaced by that on another string",
}


def write_report(study: HashHeadStudy, folder: str | Path) -> Path:
    """Write the page of a study, its figures and its tables, and what `study.save(folder)` writes: all or none.

    Beside the results, writes `report.html`, which is complete in itself, `heads.csv`, `ablations.csv`, `accuracy.csv`
    and `figures/NAME.html`. `study.model["spec"]` names the model, and `study.provenance["command"]` is shown as the
    command to repeat.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    figures = study_figures(study)
    frame = Frame(
        title=question(study),
        eyebrow=f"interp · n-gram hash heads · {model_line(study)}",
        verdicts=(("", str(study.verdict)),),
        sections={key: value for key, value in SECTIONS.items() if key != "training" or "training" in figures},
        provenance=study.provenance,
        models=(("", study.model),),
    )
    alone = {"attention": ("Attention", attention_view(study.attention).html)}
    beside = Beside({"": study}, figures, study_tables(study), alone)
    return write_study_page(folder, "studies/heads/report/report.html", frame, beside, SCRIPTS, **_shown(study))


def study_figures(study: HashHeadStudy) -> dict[str, go.Figure]:
    """Every figure of a study by its name, in the order of the page."""
    figures = {
        "length_accuracy": length_accuracy(study.accuracy_by_length),
        "first_errors": first_errors(study.accuracy_by_length),
        "head_scores": head_scores(study.scores),
        "head_grid": head_grid(study.scores),
        "response": response(study.scores),
        "effective_n": effective_n(study.behavioural, study.causal),
        "ablations": ablations(study.ablations),
    }
    return figures if study.training is None else figures | {"training": training(study.training)}


def study_tables(study: HashHeadStudy) -> dict[str, list[Row]]:
    """Every table of a study by the name of its file."""
    return {
        "heads.csv": head_rows(study.heads),
        "ablations.csv": ablation_rows(study.ablations),
        "accuracy.csv": accuracy_rows(study.accuracy_by_length),
    }


def _shown(study: HashHeadStudy) -> dict[str, Any]:
    """What the template names."""
    scores, accuracy = study.scores, study.accuracy_by_length
    by_name = {head.name: head for head in scores.heads}
    with_role = [by_name[name] for name in (*scores.of_role("lookup"), *scores.of_role("gather"))]
    best = [] if with_role else sorted(scores.heads, key=lambda head: -head.score)[:4]
    kinds = dict.fromkeys(result.kind for result in study.ablations if result.group != "edges")
    return {
        "study": study,
        "scores": scores,
        "glance": glance(study),
        "left": left_rows(study.use),
        "does": does,
        "matches": matches,
        "with_role": with_role,
        "best": best,
        "rest": [head for head in scores.heads if head not in with_role and head not in best],
        "offset_accuracy": words.names(words.percent(scores.offset_accuracy[t]) for t in scores.set_offsets),
        "accuracy": accuracy_rows(accuracy),
        "strings": accuracy.string_correct.shape[1],
        "has_free": accuracy.free_letter_accuracy is not None,
        "ideals": list(accuracy.ideal),
        "ablations": study.ablations,
        "method": method("heads"),
        "here": {
            "p, q and flagged": f"Here: {len(scores.null)} such heads, level {scores.level}, floor {scores.floor}.",
            "Gather, its effect and offsets": f"Here the floor is {scores.gather_floor} of their size.",
            "Ablation and controls": Markup("Here, {}.").format(Markup("; ").join(map(_kind, kinds))) if kinds else "",
        },
        "attention": shown(study.attention),
        "notes": scores.notes,
    }


def _kind(kind: str) -> Markup:
    """What an ablation of this kind does."""
    return Markup("<i>{}</i>").format(kind) + (f": {KINDS[kind]}" if kind in KINDS else "")
