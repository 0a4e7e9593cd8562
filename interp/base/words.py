"""Numbers as text: shares, numbers, counts, lists and intervals, the same on every page and in every verdict."""

import math
import re
from collections.abc import Iterable
from typing import Any, SupportsFloat

from interp.base.interval import Interval

ABSENT = "\N{EN DASH}"
"""Stands where there is no number."""
MINUS = "\N{MINUS SIGN}"


def percent(share: SupportsFloat | None, digits: int = 1) -> str:
    """Write a share in per cent; never 100% or 0% by rounding alone.

    >>> percent(0.9931), percent(0.99996), percent(1.0), percent(0.0001)
    ('99.3%', '>99.9%', '100%', '<0.1%')
    """
    if share is None or not math.isfinite(share := float(share)):
        return ABSENT
    value, least = 100 * abs(share), 10**-digits
    sign, less, more = (MINUS, ">", "<") if share < 0 else ("", "<", ">")
    if 0 < value < least / 2:
        return f"{less}{sign}{least:.{digits}f}%"
    if 100 - least / 2 <= value < 100:
        return f"{more}{sign}{100 - least:.{digits}f}%"
    text = f"{value:.{digits}f}"
    return f"{sign}{text.rstrip('0').rstrip('.') if digits else text}%"


def number(value: SupportsFloat | None, digits: int = 2) -> str:
    """Write a number with this many digits after the decimal point.

    >>> number(0.456)
    '0.46'
    """
    if value is None or not math.isfinite(value):
        return ABSENT
    return f"{float(value):.{digits}f}".replace("-", MINUS)


def interval(ends: Iterable[SupportsFloat] | None, digits: int = 2) -> str:
    """Write an interval: `[0.10, 0.25]`."""
    return ABSENT if ends is None else f"[{', '.join(number(end, digits) for end in ends)}]"


def named(found: Interval, digits: int = 2) -> str:
    """Write an interval with its method.

    >>> named(Interval(0.1, 0.25, "Student t"))
    '[0.10, 0.25; 95%, Student t]'
    """
    return f"{interval(found, digits)[:-1]}; {methods([found])}]"


def methods(intervals: Iterable[Interval | None]) -> str:
    """Write at what level some intervals are, and by which methods.

    >>> methods([Interval(0.1, 0.2, "Student t"), None, Interval(0.2, 0.3, "Student t")]), methods([None])
    ('95%, Student t', '95%')
    """
    return ", ".join(["95%", *dict.fromkeys(found.method for found in intervals if found is not None)])


def intervals_note(**of: str | Iterable[Interval | None]) -> str:
    """Write below a table by which methods the intervals of its quantities are; of a method's name, that name.

    >>> intervals_note(drop=[Interval(0.1, 0.2, "Student t")], rise_in_loss=[None], n="percentile bootstrap")
    '95% intervals: drop, Student t; n, percentile bootstrap.'
    """
    by = {name: found if isinstance(found, str) else methods(found).partition(", ")[2] for name, found in of.items()}
    said = "; ".join(f"{name.replace('_', ' ')}, {method}" for name, method in by.items() if method)
    return f"95% intervals: {said}." if said else ""


def with_interval(value: SupportsFloat | None, ends: Iterable[SupportsFloat] | None, digits: int = 2) -> str:
    """Write a number and, if it has one, its interval: `0.17 [0.10, 0.25]`."""
    text = number(value, digits)
    return text if text == ABSENT or ends is None else f"{text} {interval(ends, digits)}"


def names(items: Iterable[Any], none: str = "none", last: str = "and") -> str:
    """Write a list.

    Args:
        items: what is listed, as text or something that has one.
        none: stands for an empty list.
        last: the word before the last item.

    >>> names("abc"), names([1, 2], last="or"), names([])
    ('a, b and c', '1 or 2', 'none')
    """
    texts = [str(item) for item in items]
    return f" {last} ".join([", ".join(texts[:-1]), texts[-1]] if len(texts) > 1 else texts) or none


def count(n: int, noun: str, many: str | None = None) -> str:
    """Write how many there are of something.

    Args:
        n: how many.
        noun: its name, one of it.
        many: its plural, where that is not `noun` and an s.

    >>> count(1, "head"), count(1024, "head"), count(0, "entry", "entries")
    ('1 head', '1,024 heads', '0 entries')
    """
    return f"{n:,} {plural(n, noun, many)}"


def plural(n: int, noun: str, many: str | None = None) -> str:
    """Choose the form of a noun that goes with a number: `head` with 1, `heads` with any other."""
    return noun if n == 1 else many or f"{noun}s"


def verb(n: int, stem: str) -> str:
    """Choose the form of a verb that goes with this many subjects: `attends` with 1, `attend` with any other."""
    return f"{stem}s" if n == 1 else stem


def lead(text: str, sentences: int = 2) -> tuple[str, str]:
    """Cut a text behind its first sentences: what is read at once, and the rest.

    >>> lead("It copies 9.5 letters. They fade. It forgets.")
    ('It copies 9.5 letters. They fade.', 'It forgets.')
    """
    parts = re.split(r"(?<=[.!?])\s+(?=[^a-z])", text.strip(), maxsplit=sentences)
    return " ".join(parts[:sentences]), " ".join(parts[sentences:])
