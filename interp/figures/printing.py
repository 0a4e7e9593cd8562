"""Figures on paper: `save` writes them as PDF, SVG or PNG, as wide as a column, with text in the size of the column's.

Chrome or Chromium draws them (by kaleido, the extra `print`), without a window and without a network. The title is left
to the caption; panels that stand side by side are put one below the other where the column is narrow, as on a phone.
"""

import asyncio
import math
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, get_args

import plotly.graph_objects as go

from interp.base.calls import checked_call
from interp.base.errors import InterpError, UserError, shortened
from interp.base.files import Write, write_together
from interp.base.paths import expanded
from interp.figures.ends import NAME as END
from interp.figures.ends import move_ends
from interp.figures.stacking import TITLE, stack, titles, titles_collide

Format = Literal["pdf", "svg", "png"]
FORMATS: tuple[str, ...] = get_args(Format)
PER_MM = 96 / 25.4
"""Pixels of a page in a millimetre of paper: text of 13 pixels has 9.75 points."""
NARROWEST, WIDEST = 40.0, 1000.0
"""Millimetres."""
NARROW = 600
"""Pixels below which panels are put one below the other, as on a page (`page.js`)."""
DOTS = 300
"""Per inch, of a PNG."""
PATIENCE = 600.0
"""Seconds that the browser has for a figure."""
TOP, SIDE = 36, 12
"""Pixels above the panels, where no title stands, and beside them; what an axis needs comes to it."""


@checked_call
def save(what: Any, folder: str | Path, format: str = "pdf", *, width: float | int = 160) -> dict[str, Path]:
    """Write figures for print, each to a file of its own: all or none.

    >>> interp.figures.save(study, "paper/figures", "pdf", width=85)  # doctest: +SKIP
    {'head_scores': PosixPath('paper/figures/head_scores.pdf'), ...}

    Args:
        what: a study's result, whose figures are those of its page; a figure, or figures by their names.
        folder: where to.
        format: pdf, svg or png (300 dots an inch).
        width: millimetres, 40 to 1000; 85 is a column of two, 160 a page.

    Returns: name -> path.

    Raises: UserError for what has no figures, another format or width, or without kaleido and a browser; InterpError if
        the browser fails or the files cannot be written.
    """
    if format not in FORMATS:
        raise UserError(f"format must be pdf, svg or png; got {shortened(format)}. Choose one.")
    if not (math.isfinite(width) and NARROWEST <= width <= WIDEST):
        raise UserError(f"width must be 40 to 1000 millimetres; got {width:g}. Pass 85 for a column, 160 for a page.")
    figures = figures_of(what)
    if find_spec("kaleido") is None:
        raise UserError(
            "figures.save must have the package kaleido; got none. Install it: pip install 'interp[print]'."
        )
    drawn = _draw([on_paper(figure, float(width)) for figure in figures.values()], format)
    place = expanded(folder, "folder")
    paths = {name: place / f"{name}.{format}" for name in figures}
    write_together({path: _writer(content) for path, content in zip(paths.values(), drawn, strict=True)})
    return paths


def figures_of(what: Any) -> dict[str, go.Figure]:
    """Figures by their names: of a study's result, of a mapping, or one alone by its title.

    Raises: UserError for anything else, and for what has none.
    """
    if isinstance(what, go.Figure):
        title = str((what.layout.meta or {}).get("title", "figure"))
        return {"".join(c if c.isalnum() else "_" for c in title.lower()).strip("_") or "figure": what}
    found = what.figures() if hasattr(what, "figures") else what
    if not (isinstance(found, Mapping) and all(isinstance(figure, go.Figure) for figure in found.values())):
        kind = type(what).__name__
        raise UserError(
            f"what must be a study's result, a figure, or figures by their names; got a {kind}. Draw it first."
        )
    if not found:
        kind = type(what).__name__
        raise UserError(
            f"what must have figures; got a {kind}, which has none. Save the picture from its page: the button SVG."
        )
    return dict(found)


def on_paper(figure: go.Figure, width: float) -> go.Figure:
    """A copy of a figure as it is printed: without its title, so many millimetres wide, its panels where they fit."""
    paper = go.Figure(figure)
    paper.update_layout(width=round(width * PER_MM), height=figure.layout.height or 400, title=None)
    ends = any(note.name == END for note in figure.layout.annotations)
    paper.update_layout(margin={"t": TOP, "l": SIDE, "r": figure.layout.margin.r if ends else SIDE})
    for title in titles(paper):
        title.font.size = TITLE
    if paper.layout.width < NARROW or titles_collide(paper):
        stack(paper)
    return move_ends(paper)


def _writer(content: bytes) -> Write:
    return lambda path: path.write_bytes(content)


def _draw(figures: list[go.Figure], format: str) -> list[bytes]:
    """What the browser makes of figures, in a thread of its own: a notebook has a loop of events already."""
    import kaleido
    from choreographer.errors import BrowserFailedError, ChromeNotFoundError

    sizes = [{"format": format, "width": figure.layout.width, "height": figure.layout.height} for figure in figures]

    async def draw() -> list[bytes]:
        async with kaleido.Kaleido(mathjax=False, timeout=PATIENCE) as browser:
            scale = DOTS / 96 if format == "png" else 1
            return [
                await browser.calc_fig(figure.to_dict(), opts={**size, "scale": scale})
                for figure, size in zip(figures, sizes, strict=True)
            ]

    try:
        with ThreadPoolExecutor(1) as thread:
            return thread.submit(lambda: asyncio.run(draw())).result()
    except ChromeNotFoundError:
        raise UserError(
            "figures.save must have Chrome or Chromium; got none. Install one, or name it in BROWSER_PATH."
        ) from None
    except (BrowserFailedError, OSError, TimeoutError) as error:
        raise InterpError(
            f"the browser must start and draw; got an error ({type(error).__name__}). Try it: chromium --headless."
        ) from None
