"""One script of many: the modules that a page's script imports, joined into one text that stands in the page.

The sources are ES modules, so that editors, type checkers and `node --test` read them as they are; but a page that is
opened from a disk may not import. Joined, each module is a function that runs once, after those that it imports, and
returns what it exports.
"""

import re
from functools import cache
from pathlib import Path

_IMPORT = re.compile(r'^import (\{(?:\s*\w+,)*\s*\w+,?\s*\}) from "(\./[\w./-]+)";$', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:const|let|class|function|async function) (\w+))", re.MULTILINE)
_LEFT = re.compile(r"^(?:import|export)\b.*", re.MULTILINE)


@cache
def joined(entry: Path) -> str:
    """A module with everything that it imports, as one script for a page; its names stay its own.

    Imports must be of the form `import { name, other } from "./file.js";`, and `export` must stand before a definition.

    Args:
        entry: the module that is to run.

    Raises: ValueError for another form of import or export, or if modules import each other in a circle.
    """
    functions: dict[Path, str] = {}
    _add(entry.resolve(), functions, ())
    return f'(() => {{\n"use strict";\nconst $ = [];\n{"".join(functions.values())}}})();\n'


def _add(path: Path, functions: dict[Path, str], importers: tuple[Path, ...]) -> None:
    """Put a module after those that it imports, unless it is there."""
    if path in importers:
        raise ValueError(f"modules must not import each other in a circle; got {path.name} from {importers[-1].name}.")
    if path in functions:
        return
    source = path.read_text(encoding="utf-8")
    for _, name in _IMPORT.findall(source):
        _add((path.parent / name).resolve(), functions, (*importers, path))
    number = {module: index for index, module in enumerate(functions)}
    body = _IMPORT.sub(lambda found: f"const {found[1]} = $[{number[(path.parent / found[2]).resolve()]}];", source)
    exported = ", ".join(name for _, name in _EXPORT.findall(body))
    body = _EXPORT.sub(r"\1", body)
    if left := _LEFT.search(body):
        raise ValueError(f"{path.name} must import and export by name, a line each; got {left[0]!r}.")
    functions[path] = f"$[{len(functions)}] = (() => {{\n{body}return {{ {exported} }};\n}})();\n"
