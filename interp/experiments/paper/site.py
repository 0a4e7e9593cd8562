"""The page of the site: `paper.md`, and beside it, in `paper/`, what it is made from."""

from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

from interp.base.errors import UserError
from interp.base.files import write_text
from interp.experiments.claim import Claims
from interp.experiments.kept import Found, Record
from interp.experiments.paper.page import PAGE, markdown

BESIDE = "paper"
FOUND = "found"
FIGURES = "_static/paper/figures"
"""Where the site has the figures, which are drawn anew from `results.json` whenever it is built."""


def check_site(docs: str | Path) -> Path:
    """The folder of the site's pages. Raises: UserError for another one."""
    docs = Path(docs)
    if not (docs / "index.md").is_file():
        raise UserError(f"--site must be the folder of the site's pages, with an index.md; got {docs}. Name docs.")
    return docs


def write_site(result: Claims, found: Iterable[Found], docs: str | Path) -> Path:
    """Write the page, `results.json`, and the runs that it rests on, each in a file of a few kilobytes.

    The command that it names is the one that makes it anew from what lies beside it.

    Args:
        result: what was decided.
        found: what its runs have found.
        docs: folder of the site's pages.

    Returns: the path of the page.

    Raises: UserError if there is no such folder; InterpError if something cannot be written.
    """
    docs = check_site(docs)
    command = f"interp reproduce --collect --size {result.size} --found docs/{BESIDE}/{FOUND} --site docs"
    replace(result, provenance={**result.provenance, "command": command}).save(docs / BESIDE)
    record = Record(docs / BESIDE / FOUND)
    for one in found:
        record.add(one)
    return write_text(docs / PAGE, markdown(result, FIGURES))
