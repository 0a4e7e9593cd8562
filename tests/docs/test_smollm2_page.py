"""The page on SmolLM2 says what `docs/language/` holds, row by row."""

from pathlib import Path

from interp.base.estimates import proportion_interval
from interp.studies.language.result import LanguageStudy

DOCS = Path(__file__).parents[2] / "docs"


def test_every_row_of_the_page_is_what_was_measured():
    page = (DOCS / "smollm2.md").read_text(encoding="utf-8").splitlines()
    told = [line for line in page if line.startswith("| ") and "[" in line]
    rows = []
    for task in LanguageStudy.load(DOCS / "language").tasks:
        for length, tokens, right, share in zip(task.lengths, task.tokens, task.right, task.share, strict=True):
            low, high = proportion_interval(int(right.sum()), len(right))
            said = f"{right.mean():.0%} [{low:.0%}, {high:.0%}] | {share.mean():.1%}"
            rows.append(f"| {task.task} | {length} {task.unit} | {tokens:.0f} | {said} |")
    assert told == rows and len(rows) == 22
