"""The makings of a page: figures, facts and scripts put into a template that asks nothing of the network.

Text is escaped by the template, and the page's policy lets only its own scripts run, known by their hashes.
"""

import base64
import gzip
import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

import jinja2
import plotly.graph_objects as go
from markupsafe import Markup
from plotly.offline import get_plotlyjs

from interp.base import words
from interp.base.files import Write
from interp.figures import theme
from interp.figures.palette import on_dark
from interp.figures.scripts import joined

PACKAGE = Path(__file__).parents[1]
PLOTLY = "plotly.packed.js"
"""The file that the pages of single figures share: `beside_text`."""
Plots = Literal["packed", "beside", "none"]
"""Where a page that draws figures has plotly from: packed within it, or from the file beside it."""
STYLES = ("figures/page.css", "figures/attention/attention_view.css")


def figure_page(figure: go.Figure, name: str, model: str) -> str:
    """One figure as a page of its own, which draws it with the `PLOTLY` beside it."""
    drawn = on_page(name, figure)
    return render("figures/figure.html", plots="beside", title=drawn.title, figure=drawn, model=model)


@dataclass(frozen=True)
class Drawn:
    """A figure as the template takes it."""

    name: str
    title: str
    says: str
    height: int
    json: Markup


def on_page(name: str, figure: go.Figure) -> Drawn:
    """The page writes the title itself, and gives the template of the reader's colour scheme."""
    drawing = json.loads(figure.to_json())
    layout = drawing["layout"]
    del layout["template"], layout["title"]
    layout["margin"]["t"] = 36
    return Drawn(
        name, figure.layout.meta["title"], figure.layout.meta["says"], figure.layout.height, script_json(drawing)
    )


def script_json(value: Any) -> Markup:
    """JSON that can stand in a script element, whatever text it holds."""
    text = json.dumps(value, separators=(",", ":"))
    return Markup(text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e"))


def facts(values: Mapping[str, Any], leave_out: str = "") -> list[tuple[str, str]]:
    """Names and values as text; a mapping within becomes one line."""
    return [(str(key).replace("_", " "), _text(value)) for key, value in values.items() if key != leave_out]


def _text(value: Any) -> str:
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_text(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return (
            "["
            + ", ".join(f"({_text(_said(item))})" if isinstance(item, Mapping) else _text(item) for item in value)
            + "]"
        )
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    return theme.ABSENT if value is None else str(value)


def _said(item: Mapping[str, Any]) -> dict[str, Any]:
    """What one of many, such as each head of a model built by hand, says: without what it leaves open."""
    return {key: value for key, value in item.items() if value not in (None, [], ())}


def render(page: str, scripts: Sequence[str] = (), plots: Plots = "packed", **values: Any) -> str:
    """Fill a template in.

    Args:
        page: the template, by its path below the package.
        scripts: what the page runs, with what they import, by their paths below the package.
        plots: where plotly is, for a page that draws figures.
        values: what the template names.
    """
    own = [joined(PACKAGE / name) for name in (*["figures/page.js"] * (plots != "none"), *scripts)]
    templates = {name: theme.template(name == "dark").to_plotly_json() for name in ("light", "dark")}
    templates |= {"swaps": on_dark()}
    return (
        _templates()
        .get_template(page)
        .render(
            **values,
            scripts=[Markup(text) for text in own],
            plotly_file=PLOTLY if plots == "beside" else "",
            plotly=_packed_plotly() if plots == "packed" else "",
            policy=_policy([*own, *([get_plotlyjs()] if plots != "none" else [])], beside=plots == "beside"),
            css=Markup("".join(map(_text_of, STYLES))),
            templates=script_json(templates) if plots != "none" else "",
            lead=words.lead,
            percent=theme.percent,
            number=theme.number,
            methods=words.methods,
            intervals_note=words.intervals_note,
            named=words.named,
            three=lambda value: theme.number(value, 3),
            p_text=lambda value: "<0.001" if value < 0.001 else f"{value:.3g}",
            names=theme.names,
        )
    )


@cache
def _packed_plotly() -> str:
    """plotly.js, compressed: a page with it has 2 megabytes rather than 5."""
    return base64.b64encode(gzip.compress(get_plotlyjs().encode(), mtime=0)).decode()


def beside_text() -> str:
    """What `PLOTLY` holds: plotly.js, compressed as within a page, 2 megabytes rather than 5 for every result."""
    return f'globalThis.plotlyPacked = "{_packed_plotly()}";\n'


def _text_of(name: str) -> str:
    """A file of the package, by its path below it."""
    return (PACKAGE / name).read_text(encoding="utf-8")


def _policy(scripts: Sequence[str], beside: bool) -> str:
    """Content Security Policy: no network, no frame, no script but these; with `beside`, files beside the page, too."""
    hashes = [base64.b64encode(hashlib.sha256(text.encode()).digest()).decode() for text in scripts]
    allowed = " ".join(["'self'"] * beside + [f"'sha256-{digest}'" for digest in hashes])
    nothing = "default-src 'none'; base-uri 'none'; form-action 'none'"
    return f"{nothing}; script-src {allowed}; style-src 'unsafe-inline'; img-src data: blob:"


@cache
def _templates() -> jinja2.Environment:
    loader = jinja2.FileSystemLoader(PACKAGE)
    return jinja2.Environment(loader=loader, autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True)


def writer(text: str) -> Write:
    """Writes a text, for `write_together`."""
    return lambda path: path.write_text(text, encoding="utf-8")
