"""What the page's tables say of heads and of what is left without them."""

from interp.base import words
from interp.results.heads import HeadScore
from interp.results.use import HeadUse, Left
from interp.studies.heads.verdict.words import speaks_of_preference


def does(head: HeadScore) -> str:
    """Return what a head does, besides its role: that it stands in, suppresses, attends, or goes by position."""
    if head.backup:
        return "when the others are gone"
    if head.role != "none":
        return ""
    if head.attends:
        return "suppresses" if head.suppresses else "attends to the match"
    return "by position" if head.by_position else ""


def matches(head: HeadScore) -> str:
    """Return which letters back a head matches, whether their order counts, and which of two matches it prefers."""
    if not head.attends:
        return words.ABSENT
    letters = " ".join(map(str, head.matched)) or words.ABSENT
    parts = [letters, *["in any order"] * (head.ordered is False)]
    if speaks_of_preference(head):
        parts.append(f"prefers the {head.prefers} by {words.number(abs(head.preference or 0.0), 1)} nats")
    return ", ".join(parts)


def left_rows(use: HeadUse | None) -> list[tuple[str, Left]]:
    """Return what is left of the copy: as it is, without sets of heads, and without single ones."""
    if use is None or (use.lookups is None and use.others is None):
        return []
    sets = {"nothing": use.whole, "lookup heads": use.lookups, "other heads": use.others, "both": use.both}
    rows = [(name, left) for name, left in sets.items() if left is not None]
    if len(use.alone) > 1:
        rows += [("one head", left) for left in use.alone] + [("all lookup heads but one", left) for left in use.kept]
    return rows
