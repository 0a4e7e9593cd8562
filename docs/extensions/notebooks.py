"""A notebook as a page, with what it showed when it was last run: `<!-- notebook: 02_how_a_transformer_copies -->`.

`make notebooks` runs them; building the site runs nothing. Pictures are in the page itself.
"""

import re
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx

LINE = re.compile(r"<!-- notebook: (\w+) -->")


def page(path: Path) -> str:
    """A notebook as Markdown; what a cell printed is a block of text below it."""
    from nbconvert import MarkdownExporter
    from traitlets.config import Config

    exporter = MarkdownExporter(config=Config({"ExtractOutputPreprocessor": {"enabled": False}}))
    text, _ = exporter.from_filename(str(path))
    return text.replace("![png](", "![What the code above shows](")


def expand(app: Sphinx, _: str, source: list[str]) -> None:
    if (line := LINE.search(source[0])) is None:
        return
    path = Path(app.srcdir).parent / "notebooks" / f"{line[1]}.ipynb"
    app.env.note_dependency(str(path))
    source[0] = LINE.sub(lambda _: page(path), source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", expand)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
