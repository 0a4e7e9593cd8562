"""How something was measured, in words that are written once: a page shows them, and so does the site.

They stand in a study's `method.md`: Markdown, a section for each measure.
"""

from functools import cache
from pathlib import Path

from markdown_it import MarkdownIt
from markupsafe import Markup

PACKAGE = Path(__file__).parents[1]


def method(study: str) -> dict[str, Markup]:
    """Read what a study says of its measures.

    Args:
        study: the name of its folder.

    Returns: name of a measure -> HTML, in the order of the file.
    """
    return {name: Markup(_MARKDOWN.renderInline(text)) for name, text in sections(study).items()}


@cache
def sections(study: str) -> dict[str, str]:
    """Name of a measure -> its section as Markdown, a paragraph on one line."""
    text = (PACKAGE / "studies" / study / "method.md").read_text(encoding="utf-8")
    parts = (part.partition("\n") for part in text.split("\n## ")[1:])
    return {name.strip(): " ".join(body.split()) for name, _, body in parts}


_MARKDOWN = MarkdownIt("commonmark", {"html": False})
