"""Every Python block of the site and of the README runs, page by page and in order."""

import re
import runpy
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.DOTALL | re.MULTILINE)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
WITH_CODE = [page for page in PAGES if BLOCK.search(page.read_text(encoding="utf-8"))]

SLOW = {"saturation", "hybrid", "backwards", "reproduce", "transplant"}
"""Pages whose code takes long: what it calls is tested beside it."""


def program(page: str) -> str:
    """The page's blocks, each on the lines that it has there, so that an error names them."""
    lines, found = page.split("\n"), [""] * len(page.split("\n"))
    for block in BLOCK.finditer(page):
        first = page.count("\n", 0, block.start(1))
        for line in range(first, first + block[1].count("\n")):
            found[line] = lines[line]
    return "\n".join(found)


PARAMETERS = [pytest.param(page, marks=[pytest.mark.slow] * (page.stem in SLOW)) for page in WITH_CODE]


@pytest.mark.parametrize("page", PARAMETERS, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_code_on_a_page_runs(page, pretrained):
    file = pretrained / f"{page.stem}.py"
    file.write_text(program(page.read_text(encoding="utf-8")), encoding="utf-8")
    runpy.run_path(str(file))


def test_blocks_keep_their_lines_and_nothing_else_is_run():
    page = "# A page\n\n```python\nx = 1\n```\n\n```sh\nexit 1\n```\n\n```python\ny = x + 1\n```\n"
    kept = program(page).split("\n")
    assert (kept[3], kept[11]) == ("x = 1", "y = x + 1")
    assert [line for line in kept if line] == ["x = 1", "y = x + 1"]


def test_there_is_code_to_run():
    assert {"README.md", "tutorial.md"} <= {page.name for page in WITH_CODE}
