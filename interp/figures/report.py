"""The page of a study: verdict, numbers, figures, tables and provenance in one file that asks nothing of the network.

The words and the markup are in `report.html` (on top of `shell.html`, which alone makes the page of a single figure);
here the study is put into the terms that they use. Text is escaped by the template, and the page's policy lets only its
own two scripts run, known by their hashes.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import jinja2
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from interp.figures import tables, theme
from interp.figures.ablation import ablations
from interp.figures.attention import attention
from interp.figures.glance import glance, model_line, question
from interp.figures.heads import head_grid, head_scores, response
from interp.figures.steps import effective_n
from interp.figures.training import first_errors, length_accuracy, training
from interp.files import write_together
from interp.results import HashHeadStudy

HERE = Path(__file__).parent
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
    "zero": "<i>zero</i>: the head writes nothing",
    "mean": "<i>mean</i>: the head's output is replaced by its mean over strings and positions",
    "mean-per-position": "<i>mean-per-position</i>: the head's output is replaced by its mean over strings",
    "resample": "<i>resample</i>: the head's output is replaced by that on another string",
}


def write_report(study: HashHeadStudy, folder: str | Path) -> Path:
    """Write the page of a study, its figures and its tables, and what `study.save(folder)` writes: all or none.

    Beside the results, writes `report.html`, `heads.csv`, `ablations.csv`, `accuracy.csv` and `figures/NAME.html`; each
    page is complete in itself. `study.model["spec"]` names the model, and `study.provenance["command"]` is shown as the
    command to repeat.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    folder, drawn = Path(folder), study_figures(study)
    texts = {folder / name: tables.csv_text(rows) for name, rows in study_tables(study).items()}
    texts |= {folder / "figures" / f"{name}.html": figure_page(f, name, model_line(study)) for name, f in drawn.items()}
    texts[folder / "report.html"] = report_page(study, drawn)
    write_together(study.writes(folder) | {path: _writer(text) for path, text in texts.items()})
    return folder / "report.html"


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
        "attention": attention(study.attention),
    }
    return figures if study.training is None else figures | {"training": training(study.training)}


def study_tables(study: HashHeadStudy) -> dict[str, list[tables.Row]]:
    """Every table of a study by the name of its file."""
    return {
        "heads.csv": tables.head_rows(study.heads),
        "ablations.csv": tables.ablation_rows(study.ablations),
        "accuracy.csv": tables.accuracy_rows(study.accuracy_by_length),
    }


def report_page(study: HashHeadStudy, figures: Mapping[str, go.Figure]) -> str:
    """The page as text."""
    scores, accuracy = study.scores, study.accuracy_by_length
    by_name = {head.name: head for head in scores.heads}
    with_role = [by_name[name] for name in (*scores.of_role("lookup"), *scores.of_role("gather"))]
    best = [] if with_role else sorted(scores.heads, key=lambda head: -head.score)[:4]
    used = {key: value for key, value in SECTIONS.items() if key != "training" or "training" in figures}
    kinds = dict.fromkeys(result.kind for result in study.ablations if result.group != "edges")
    return _render(
        "report.html",
        title=question(study),
        question=question(study),
        model=model_line(study),
        study=study,
        scores=scores,
        glance=glance(study),
        figures={name: _on_page(name, figure) for name, figure in figures.items()},
        sections=used.items(),
        with_role=with_role,
        best=best,
        rest=[head for head in scores.heads if head not in with_role and head not in best],
        offset_accuracy=theme.names(theme.percent(scores.offset_accuracy[t]) for t in scores.set_offsets),
        accuracy=tables.accuracy_rows(accuracy),
        strings=accuracy.string_correct.shape[1],
        has_free=accuracy.free_letter_accuracy is not None,
        ideals=list(accuracy.ideal),
        ablations=study.ablations,
        kinds=Markup("; ".join(KINDS.get(kind, str(Markup.escape(kind))) for kind in kinds) + ".") if kinds else "",
        notes=scores.notes,
        command=study.provenance.get("command"),
        provenance=_facts(study.provenance, leave_out="command"),
        model_facts=_facts(study.model),
        files=list(study_tables(study)),
    )


def figure_page(figure: go.Figure, name: str, model: str) -> str:
    """One figure as a page of its own."""
    drawn = _on_page(name, figure)
    return _render("shell.html", title=drawn.title, figure=drawn, model=model)


@dataclass(frozen=True)
class _Drawn:
    """A figure as the template takes it."""

    name: str
    title: str
    says: str
    height: int
    json: Markup


def _on_page(name: str, figure: go.Figure) -> _Drawn:
    """The page writes the title itself, and gives the template of the reader's colour scheme."""
    drawing = json.loads(figure.to_json())
    layout = drawing["layout"]
    del layout["template"], layout["title"]
    layout["margin"]["t"] = 36
    return _Drawn(name, figure.layout.meta["title"], figure.layout.meta["says"], figure.layout.height, _json(drawing))


def _json(value: Any) -> Markup:
    """JSON that can stand in a script element, whatever text it holds."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def _facts(values: Mapping[str, Any], leave_out: str = "") -> list[tuple[str, str]]:
    """Names and values as text; a mapping within becomes one line."""
    return [(str(key).replace("_", " "), _text(value)) for key, value in values.items() if key != leave_out]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(_text, value)) + "]"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return theme.ABSENT if value is None else str(value)


def _render(page: str, **values: Any) -> str:
    scripts = {"plotly": Markup(get_plotlyjs()), "script": Markup((HERE / "page.js").read_text(encoding="utf-8"))}
    templates = {name: theme.template(name == "dark").to_plotly_json() for name in ("light", "dark")}
    return (
        _templates()
        .get_template(page)
        .render(
            **values,
            **scripts,
            policy=_policy(scripts.values()),
            css=Markup((HERE / "page.css").read_text(encoding="utf-8")),
            templates=_json(templates),
            percent=theme.percent,
            number=theme.number,
            three=lambda value: theme.number(value, 3),
            p_text=lambda value: "<0.001" if value < 0.001 else f"{value:.3g}",
            names=theme.names,
        )
    )


def _policy(scripts: Any) -> str:
    """Content Security Policy: no network, no frame, no script but these."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(f"'sha256-{digest}'" for digest in hashes)
    nothing = "default-src 'none'; base-uri 'none'; form-action 'none'"
    return f"{nothing}; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(HERE)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)


def _writer(text: str) -> Any:
    return lambda path: path.write_text(text, encoding="utf-8")
