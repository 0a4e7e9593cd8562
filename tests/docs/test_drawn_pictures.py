"""The pictures of the documentation are those that the script draws, each is shown somewhere, and none is large."""

import re
import runpy
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"
SHOWN = re.compile(r"!\[[^\]]{20,}\]\((?:\.\./)?(?:docs/)?images/([\w-]+\.png)\)")


def test_every_picture_is_drawn_by_the_script_and_shown_with_words_for_who_does_not_see_it():
    pages = [*DOCS.rglob("*.md"), DOCS.parent / "README.md"]
    shown = {name for page in pages for name in SHOWN.findall(page.read_text(encoding="utf-8"))}
    pictures = runpy.run_path(str(DOCS / "draw_pictures.py"))["PICTURES"]
    drawn = {f"{studied}-{name}.png" for studied, names in pictures.items() for name in names.values()}
    there = {path.name: path.stat().st_size for path in (DOCS / "images").iterdir()}
    assert drawn | {"attention.png"} == set(there)
    assert drawn <= shown
    assert max(there.values()) < 150_000
