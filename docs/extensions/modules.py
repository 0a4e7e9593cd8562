"""Which modules a page of the reference shows: a line `<!-- modules: interp.base.errors interp.tasks.* -->` on it.

Each module becomes a heading and what autodoc says of it. A pattern stands for the modules of a package that are named
on no page, each in the place of the longest pattern that fits: so that no module can be forgotten.
"""

import re
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from sphinx.application import Sphinx
from sphinx.util import logging

logger = logging.getLogger(__name__)
LINE = re.compile(r"<!-- modules:\s(.*?)\s-->", re.DOTALL)


def every_module(package: Path) -> list[str]:
    """Names of a package and of all that is in it and says anything, read from its folder: nothing is imported."""
    files = [path for path in package.rglob("*.py") if path.stat().st_size]
    parts = [path.relative_to(package.parent).with_suffix("").parts for path in files]
    return sorted(".".join(names[:-1] if names[-1] == "__init__" else names) for names in parts)


def named_on(pages: list[str]) -> list[str]:
    """What all pages name, patterns too."""
    return [name for page in pages for line in LINE.findall(page) for name in line.split()]


def shown(wanted: list[str], everywhere: list[str], modules: list[str]) -> list[str]:
    """The modules that a line means; a warning for a name that none has.

    Args:
        wanted: what it names.
        everywhere: what all pages name.
        modules: those that there are.
    """
    left = [module for module in modules if module not in everywhere]

    def place(module: str) -> str:
        return max((name for name in everywhere if "*" in name and fnmatch(module, name)), key=len, default="")

    found = []
    for name in wanted:
        if "*" in name:
            found += [module for module in left if place(module) == name]
        elif name in modules:
            found.append(name)
        else:
            logger.warning("the reference names %s, and there is no such module", name)
    return found


def section(module: str) -> str:
    return f"## {module}\n\n```{{eval-rst}}\n.. automodule:: {module}\n```\n"


def expand(app: Sphinx, docname: str, source: list[str]) -> None:
    if not docname.startswith("reference/"):
        return
    pages = [path.read_text(encoding="utf-8") for path in sorted(Path(app.srcdir, "reference").glob("*.md"))]
    everywhere, modules = named_on(pages), every_module(Path(app.srcdir).parent / "interp")
    source[0] = LINE.sub(lambda m: "\n".join(map(section, shown(m[1].split(), everywhere, modules))), source[0])


def setup(app: Sphinx) -> dict[str, Any]:
    app.connect("source-read", expand)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
