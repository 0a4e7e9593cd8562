"""Docstrings as they are written in `interp`, plain text with a little Markdown, turned into reStructuredText.

Paragraphs, `code`, *emphasis*, tables with bars, pictures in columns, and `Raises:` on one line. "Args:" and its like,
with lines of their own below, are left to napoleon.
"""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.ext.napoleon import Config, GoogleDocstring
from sphinx.roles import XRefRole

SECTION = re.compile(r"(Args|Returns|Raises|Yields):")
ONE_LINE = re.compile(r"(Args|Returns|Raises|Yields): +(?=\S)")
IN_COLUMNS = re.compile(r"\S {3,}\S")
INLINE = re.compile(r"`([^`]+)`|\[([^\]]+)\]\((https?://[^)\s]+)\)|(?<![\w*])(\*{1,2})(?=\w)([^*]*[\w.])\4(?![\w*])")
BEFORE, AFTER = " \n([{<-/:'\"", " \n)]}>-/:.,;!?'\""
"""What may stand beside a mark; "" is in both. Beside anything else goes an escaped blank, which is not seen."""
NAPOLEON = Config(napoleon_use_rtype=False)
A_NAME = re.compile(r"interp(\.\w+)+|(?:[A-Z][a-z0-9]+){2,}")


def to_rest(lines: list[str]) -> list[str]:
    """A docstring's lines, dedented, as reStructuredText."""
    found: list[str] = []
    for block in _blocks(lines):
        found += [*_block(block, within=_within_section(found)), ""]
    return found


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Stretches without an empty line; what is indented below a section's name belongs to it."""
    for empty, stretch in groupby(lines, key=lambda line: not line.strip()):
        if empty:
            continue
        block: list[str] = []
        for line in stretch:
            if block and (SECTION.fullmatch(line) or ONE_LINE.match(line)):
                yield block
                block = []
            block.append(line)
        yield block


def _within_section(before: list[str]) -> bool:
    """Whether what is indented now goes on with a section."""
    last = next((line for line in reversed(before) if line and not line[0].isspace()), "")
    return bool(SECTION.fullmatch(last))


def _block(block: list[str], within: bool) -> list[str]:
    indented = all(line.startswith("    ") for line in block)
    if all(line.lstrip().startswith("|") for line in block):
        return _table(block)
    if (len(block) > 1 and all(IN_COLUMNS.search(line.strip()) for line in block)) or (indented and not within):
        return ["::", "", *(f"    {line}" for line in block)]
    if one_line := ONE_LINE.match(block[0]):
        text = " ".join([block[0][one_line.end() :], *(line.strip() for line in block[1:])])
        return [f":{one_line[1].lower()}: {inline(text)}"] if one_line[1] != "Args" else [f"Args: {inline(text)}"]
    return inline("\n".join(block)).split("\n")


def _table(block: list[str]) -> list[str]:
    """Its first line is the head; the second, of dashes, says nothing more."""
    rows = [
        [cell.strip().replace("\\|", "|") for cell in re.split(r"(?<!\\)\|", line.strip().strip("|"))] for line in block
    ]
    found = [".. list-table::", "   :header-rows: 1", ""]
    for row in (row for row in rows if not all(set(cell) <= set("-: ") for cell in row)):
        found += [
            f"   {'-' if column else '* -'} {inline(cell)}".replace("   -", "     -") for column, cell in enumerate(row)
        ]
    return found


def inline(text: str) -> str:
    """Marks within a paragraph; whatever else would be a mark in reStructuredText is escaped."""
    found, at = [], 0
    for match in INLINE.finditer(text):
        before, at = text[at : match.start()], match.end()
        found += [
            _escaped(before),
            "\\ " * (before[-1:] not in BEFORE),
            _mark(match),
            "\\ " * (text[at : at + 1] not in AFTER),
        ]
    return "".join([*found, _escaped(text[at:])])


def _mark(match: re.Match[str]) -> str:
    code, words, address, stars, emphasised = match.groups()
    if code:
        code = " ".join(code.split())
        return f":named:`{code}`" if A_NAME.fullmatch(code) else f"``{code}``"
    return f"`{words} <{address}>`__" if address else f"{stars}{_escaped(emphasised)}{stars}"


def _escaped(text: str) -> str:
    return re.sub(r"([\\*`|]|(?<=\w)_(?!\w))", r"\\\1", text)


# ---------------------------------------------------------------------- for Sphinx


class Named(XRefRole):
    """A name of this package: a link where the site has it, else code."""

    def process_link(self, env: Any, refnode: Any, *rest: Any) -> tuple[str, str]:  # noqa: ARG002
        refnode["refdomain"], refnode["reftype"], refnode["refspecific"] = "py", "obj", True
        refnode["may_be_missing"] = True
        _, title, target = rest
        return title, target


def leave_as_code(*event: Any) -> nodes.TextElement | None:
    _, _, node, content = event
    return content if node.get("may_be_missing") else None


def convert(*event: Any) -> None:
    _, what, _, thing, _, lines = event
    made_up = isinstance(thing, type) and dataclasses.is_dataclass(thing)
    if made_up and (inspect.getdoc(thing) or "").startswith(f"{thing.__name__}("):
        lines[:] = []  # dataclass makes one up of the fields where there is none
        return
    lines[:] = to_rest(list(lines))
    if what in (
        "function",
        "method",
        "class",
        "exception",
    ):  # of other things it takes what precedes a colon for a type
        lines[:] = str(GoogleDocstring(lines, NAPOLEON)).splitlines()


def without_fields(*event: Any) -> tuple[str, None] | None:
    """The fields of a dataclass stand below it, each with its type and meaning; they are not said twice."""
    _, what, _, thing, *_ = event
    return ("", None) if what == "class" and dataclasses.is_dataclass(thing) else None


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_role("named", Named())
    app.connect("autodoc-process-docstring", convert)
    app.connect("autodoc-process-signature", without_fields)
    app.connect("missing-reference", leave_as_code)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
