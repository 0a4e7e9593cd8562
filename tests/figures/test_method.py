"""What is said of a measure is written once, and stands on the page of a study and on the site."""

import re
from pathlib import Path

import pytest

from interp.figures.method import method, sections
from interp.studies.heads.report import write_report

ROOT = Path(__file__).parents[2]
MATHEMATICS = ROOT / "docs" / "mathematics"
WITH_METHODS = sorted(path.parent.name for path in (ROOT / "interp" / "studies").glob("*/method.md"))


@pytest.mark.parametrize("study", WITH_METHODS)
def test_each_section_stands_once_on_the_site(study):
    shown = [
        name
        for page in MATHEMATICS.glob("*.md")
        for name in re.findall(rf"{{measured}} {study}: (.+)", page.read_text())
    ]
    assert sorted(shown) == sorted(sections(study))


@pytest.mark.parametrize("study", WITH_METHODS)
def test_sections_are_plain_sentences_that_a_page_can_show(study):
    assert len(sections(study)) >= 5
    for name, text in sections(study).items():
        assert name and text.endswith(".") and "\n" not in text
        assert "$" not in text and "](" not in text  # neither formulas nor links: a page is complete in itself


def test_markup_in_a_section_is_shown_as_text_but_for_that_of_markdown(monkeypatch):
    text = "\n## One\n\nA <b>bold</b> *claim*\nfor k < n.\n\n## Two\n\nAnother.\n"
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: text)
    sections.cache_clear()
    try:
        assert method("of nobody") == {
            "One": "A &lt;b&gt;bold&lt;/b&gt; <em>claim</em> for k &lt; n.",
            "Two": "Another.",
        }
    finally:
        sections.cache_clear()


def test_a_page_shows_each_section_with_what_holds_there(studies, tmp_path):
    page = write_report(studies.hard_alibi(), tmp_path).read_text(encoding="utf-8")
    for name, text in method("heads").items():
        assert (f"<dt>{name}</dt><dd>{text}" in page) == (name != "Hidden attention")
    scores = studies.hard_alibi().scores
    assert f"Here: {len(scores.null)} such heads, level {scores.level}, floor {scores.floor}." in page
    assert f"Here the floor is {scores.gather_floor} of their size." in page
    assert "Here, <i>mean</i>: the head&#39;s output is replaced by its mean over strings and positions" in page
