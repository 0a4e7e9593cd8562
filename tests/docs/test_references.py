"""The BibTeX of the site is whole: every entry can be read, and every paper cited by its arXiv number is there."""

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
BIB = (ROOT / "docs" / "references.bib").read_text(encoding="utf-8")
ENTRIES = re.findall(r"@(\w+)\{(\w+),\n(.*?)\n\}(?:\n|$)", BIB, re.DOTALL)
CITED = re.compile(r"(?:arXiv[:\s]+|arxiv\.org/abs/)(\d{4}\.\d{5})")


def test_every_entry_has_title_author_and_year_and_a_key_of_its_own():
    assert len(ENTRIES) == BIB.count("\n@") > 40
    assert len({key for _, key, _ in ENTRIES}) == len(ENTRIES)
    for kind, key, body in ENTRIES:
        assert body.count("{") == body.count("}"), key
        fields = dict(re.findall(r"^  (\w+) = \{(.*)\},?$", body, re.MULTILINE))
        assert {"title", "author", "year"} <= set(fields), key
        assert kind == "software" or fields["year"] in key


def test_every_paper_that_is_cited_by_its_number_is_there():
    files = [
        *ROOT.glob("*.md"),
        ROOT / "CITATION.cff",
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "interp").rglob("*.py"),
    ]
    cited = {number for file in files for number in CITED.findall(file.read_text(encoding="utf-8"))}
    known = set(re.findall(r"eprint = \{([\d.]+)\}", BIB))
    assert len(cited) > 15 and not cited - known
    assert re.search(r'__version__ = "(.*)"', (ROOT / "interp" / "__init__.py").read_text(encoding="utf-8"))[1] in BIB
