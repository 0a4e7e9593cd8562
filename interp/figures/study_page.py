"""What the pages of all studies have in common: their head and their end, and the files that lie beside them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from interp.base.files import write_together
from interp.figures.page import PLOTLY, beside_text, facts, figure_page, on_page, render, writer
from interp.figures.tables import Row, csv_text
from interp.results.record import Result


@dataclass(frozen=True)
class Frame:
    """Head and end of a page."""

    title: str
    """The question, of this model."""
    eyebrow: str
    """The line above it: which study, of what."""
    verdicts: tuple[tuple[str, str], ...]
    """The name of each model (empty where there is one alone) and what was found."""
    sections: Mapping[str, str]
    """Anchor -> name of each section, in their order."""
    provenance: Mapping[str, Any]
    models: tuple[tuple[str, Mapping[str, Any]], ...] = ()
    """The name of each model (empty where there is one alone) and what is known about it."""


@dataclass(frozen=True)
class Beside:
    """What lies beside a page."""

    results: Mapping[str, Result]
    """Folder below the page's (empty: the same) -> the result that is saved there."""
    figures: Mapping[str, go.Figure]
    """Name -> figure, in the order of the page; each also stands on a page of its own."""
    tables: Mapping[str, Sequence[Row]]
    """Name of a .csv file -> its rows."""
    pages: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    """Name -> title and text of further pages beside those of the figures."""


def write_study_page(
    folder: str | Path, template: str, frame: Frame, beside: Beside, scripts: Sequence[str] = (), **values: Any
) -> Path:
    """Write the page of a study and everything beside it: all or none.

    The page is complete in itself. Pages of single figures share one `plotly.packed.js`.

    Args:
        folder: where to.
        template: of the page, by its path below the package; it extends `figures/shell.html`.
        frame: head and end of the page.
        beside: results, figures and tables.
        scripts: what the page runs besides the drawing of figures, by their paths below the package.
        values: what else the template names.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    folder, caption = Path(folder), frame.eyebrow
    drawn = {name: on_page(name, figure) for name, figure in beside.figures.items()}
    results = [f"{place}/{name}".lstrip("/") for place in beside.results for name in ("results.json", "arrays.npz")]
    alone = [(name, figure.title) for name, figure in drawn.items()]
    page = render(
        template,
        scripts,
        title=frame.title,
        frame=frame,
        figures=drawn,
        command=frame.provenance.get("command"),
        provenance=facts(frame.provenance, leave_out="command"),
        models=[(name, facts(about)) for name, about in frame.models],
        files=[*results, *beside.tables],
        alone=[*alone, *((name, title) for name, (title, _) in beside.pages.items())],
        **values,
    )
    texts = {folder / name: csv_text(rows) for name, rows in beside.tables.items()}
    texts |= {folder / "figures" / f"{name}.html": figure_page(f, name, caption) for name, f in beside.figures.items()}
    texts |= {folder / "figures" / f"{name}.html": text for name, (_, text) in beside.pages.items()}
    texts |= {folder / "figures" / PLOTLY: beside_text(), folder / "report.html": page}
    writes = {path: writer(text) for path, text in texts.items()}
    for place, result in beside.results.items():
        writes |= result.writes(folder / place)
    write_together(writes)
    return folder / "report.html"
