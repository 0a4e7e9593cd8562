"""The page of one or more language models: accuracy by length of each task, with parameter counts beside."""

from collections.abc import Sequence
from pathlib import Path

import plotly.graph_objects as go

from interp.base import words
from interp.base.errors import UserError
from interp.base.paths import short_name
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import Row, state_shape_rows, text_state_rows
from interp.figures.text_state import state_figures
from interp.results.language import TextAccuracy
from interp.studies.language.figures import ablated, by_length
from interp.studies.language.report.state import digits, longest_shape, state_tables
from interp.studies.language.result import LanguageStudy
from interp.studies.study import Table

SECTIONS = {
    "models": "Models",
    "tasks": "Tasks",
    "heads": "Heads",
    "state": "State",
    "examples": "Examples",
    "provenance": "Provenance",
}
SHOWN = 12
"""Heads that the page shows; `heads.csv` has all."""


def write_language_report(studies: Sequence[LanguageStudy], folder: str | Path) -> Path:
    """Write one page of some models, its figures and tables, and what `save` writes of each: all or none.

    The results of one model stand beside the page; those of several in a folder each, 1-NAME, 2-NAME, ...

    Returns: the path of `report.html`.

    Raises: UserError for no study; InterpError if the files cannot be written.
    """
    if not studies:
        raise UserError("studies must hold at least one study; got none.")
    several, names = len(studies) > 1, [name_of(study) for study in studies]
    frame = Frame(
        title=_question(studies, words.names(names)),
        eyebrow=f"interp · language · {words.names(names)}",
        verdicts=tuple((name if several else "", str(s.verdict)) for name, s in zip(names, studies, strict=True)),
        sections=_sections(studies),
        provenance=studies[0].provenance,
        models=tuple((name if several else "", s.model) for name, s in zip(names, studies, strict=True)),
    )
    rows = [row for study in studies for row in accuracy_rows(study)]
    beside = Beside(
        dict(zip(_places(names), studies, strict=True)),
        _figures(studies),
        {"accuracy.csv": rows, **_more_tables(studies)},
    )
    examples = [(name_of(s), task, each) for s in studies for task in s.tasks for each in task.examples[-1:]]
    return write_study_page(
        folder,
        "studies/language/report.html",
        frame,
        beside,
        rows=rows,
        about=[_about(study) for study in studies],
        examples=examples,
        note=_note(studies),
        of_heads=[(name_of(s), s.heads, head_rows(s)[:SHOWN]) for s in studies if s.heads],
        of_state=[(name_of(s), s.state, longest_shape(s.state)) for s in studies if s.state],
        digits=digits,
        state_rows=[row for s in studies if s.state for row in text_state_rows(name_of(s), s.state)],
    )


def study_figures(study: LanguageStudy) -> dict[str, go.Figure]:
    """Every figure of one model by its name."""
    return _figures([study])


def _figures(studies: Sequence[LanguageStudy]) -> dict[str, go.Figure]:
    """Task -> accuracy by length of every model."""
    tasks = list(dict.fromkeys(task.task for study in studies for task in study.tasks))
    curves = {
        f"heads_{place}" if len(studies) > 1 else "heads": ablated(name_of(study), study.heads.curve)
        for place, study in enumerate(studies, 1)
        if study.heads
    }
    states = state_figures([(name_of(study), study.state) for study in studies if study.state])
    return (curves | states) | {
        task.replace("-", "_"): by_length(
            task,
            [(name_of(s), found) for s in studies for found in of(s, task)],
            [family_of(s) for s in studies for _ in of(s, task)],
        )
        for task in tasks
    }


def write_report(study: LanguageStudy, folder: str | Path) -> Path:
    """`write_language_report` of one model."""
    return write_language_report([study], folder)


def tables(study: LanguageStudy) -> list[Table]:
    """Right answers by task and length, for a terminal."""
    columns = ("task", "length", "tokens", "right", "in part")
    rows = tuple(
        (
            row["task"],
            f"{row['length']} {row['unit']}",
            words.number(row["tokens"], 0),
            f"{words.percent(row['right'])} {words.interval((row['right_low'], row['right_high']))}",
            f"{words.percent(row['share'])} {'F1' if row['measure'] == 'F1' else 'of tokens'}",
        )
        for row in accuracy_rows(study)
    )
    asked = [Table(name_of(study), columns, rows, _note([study]))] if rows else []
    return [*asked, *_head_tables(study), *state_tables(name_of(study), study.state)]


def _question(studies: Sequence[LanguageStudy], names: str) -> str:
    does, state = ("do", "states") if len(studies) > 1 else ("does", "state")
    if any(study.tasks or study.heads for study in studies):
        return f"How far {does} {names} copy and look up?"
    return f"What {does} the {state} of {names} keep of a text?"


def _sections(studies: Sequence[LanguageStudy]) -> dict[str, str]:
    absent = {
        "tasks": not any(study.tasks for study in studies),
        "examples": not any(study.tasks for study in studies),
        "heads": not any(study.heads for study in studies),
        "state": not any(study.state for study in studies),
    }
    return {anchor: name for anchor, name in SECTIONS.items() if not absent.get(anchor)}


def _head_tables(study: LanguageStudy) -> list[Table]:
    if (found := study.heads) is None:
        return []
    columns = ("head", *found.tasks, "strongest key", "key-value cost", "n")
    rows = tuple(
        (
            str(row["head"]),
            *(words.number(row[task]) for task in (*found.tasks, "strongest key on text", "key-value cost")),
            words.number(row["n"], 0),
        )
        for row in head_rows(study)[:SHOWN]
    )
    alike = tuple(
        (f"{one.one} and {one.other}", words.with_interval(one.correlation, one.interval), words.names(one.shared))
        for one in found.likeness
    )
    curve = tuple(
        (
            str(n),
            words.percent(found.curve.without[at].mean()),
            words.percent(found.curve.others[at].mean()),
            words.percent(found.curve.kept[at].mean()),
        )
        for at, n in enumerate(found.curve.counts)
    )
    return [
        Table("Heads: attention to the source", columns, rows, "Cost: nats of a token of the answer."),
        Table("Tokens of texts right", ("heads", "without the first", "without others", "only these kept"), curve),
        Table("How alike rankings are", ("rankings", "rank correlation", f"shared of {found.first}"), alike),
    ]


def name_of(study: LanguageStudy) -> str:
    """Return what a model is called: its specification, of a path the last part."""
    kind, colon, rest = str(study.model.get("spec", "this model")).rpartition(":")
    return f"{kind}{colon}{Path(rest).name}"


def family_of(study: LanguageStudy) -> str:
    """Return what kind of sequence model it is: transformer, state-space model, recurrent model or hybrid."""
    kind = str(study.model.get("config", {}).get("kind", "transformer"))
    if study.model.get("architecture") or kind == "transformer":
        return "transformer"
    return {"mamba": "state-space model", "mamba2": "state-space model", "hybrid": "hybrid"}.get(
        kind, "recurrent model"
    )


def of(study: LanguageStudy, task: str) -> list[TextAccuracy]:
    """Return the accuracies of one task."""
    return [found for found in study.tasks if found.task == task]


def accuracy_rows(study: LanguageStudy) -> list[Row]:
    """One row a task and length."""
    return [
        {
            "model": name_of(study),
            "task": found.task,
            "length": length,
            "unit": found.unit,
            "tokens": found.tokens[place],
            "prompts": found.right.shape[1],
            "right": found.accuracy[place],
            "right_low": found.interval(place).low,
            "right_high": found.interval(place).high,
            "share": float(found.share[place].mean()),
            "measure": found.measure,
            "written": "by the model" if found.free else "teacher-forced",
        }
        for found in study.tasks
        for place, length in enumerate(found.lengths)
    ]


def head_rows(study: LanguageStudy) -> list[Row]:
    """One row a head, the most attention on random tokens first."""
    if (found := study.heads) is None:
        return []
    by_n = {head.name: head for head in found.detector.heads} if found.detector else {}
    place = {name: at for at, name in enumerate(found.heads)}
    return [
        {
            "model": name_of(study),
            "head": name,
            **{task: float(found.on(task).attention[place[name]]) for task in found.tasks},
            "strongest key on text": float(found.on("text").retrieval[place[name]]),
            "key-value cost": float(found.cost[place[name]].mean()),
            "n": by_n[name].n if name in by_n and by_n[name].flagged else None,
            "stays": name in found.stay,
        }
        for name in found.scores[0].ranked()
    ]


def _more_tables(studies: Sequence[LanguageStudy]) -> dict[str, list[Row]]:
    states = [(name_of(study), study.state) for study in studies if study.state]
    rows = {
        "heads.csv": [row for study in studies for row in head_rows(study)],
        "state.csv": [row for name, state in states for row in text_state_rows(name, state)],
        "state_shape.csv": [row for name, state in states for row in state_shape_rows(name, state)],
    }
    return {name: found for name, found in rows.items() if found}


def _about(study: LanguageStudy) -> Row:
    model = study.model
    kind = str(model.get("architecture") or model.get("config", {}).get("kind", ""))
    return {
        "name": name_of(study),
        "kind": f"{family_of(study)}, {kind}",
        "parameters": model.get("n_parameters"),
        "layers": model.get("n_layers"),
    }


def _note(studies: Sequence[LanguageStudy]) -> str:
    return words.intervals_note(
        right=[task.interval(place) for s in studies for task in s.tasks for place in range(len(task.lengths))]
    )


def _places(names: Sequence[str]) -> list[str]:
    """The folder of each model's results within the page's."""
    if len(names) == 1:
        return [""]
    plain = ["".join(sign if sign.isalnum() or sign in "-=." else "-" for sign in name).strip("-.") for name in names]
    return [short_name(f"{i}-{name}", 100) for i, name in enumerate(plain, 1)]
