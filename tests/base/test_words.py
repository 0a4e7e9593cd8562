"""Numbers as text: what a reader sees is never further from the number than its digits say."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.base import words
from interp.base.words import ABSENT, MINUS


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (0, "0%"),
        (1, "100%"),
        (0.5, "50%"),
        (0.123, "12.3%"),
        (0.9996, ">99.9%"),
        (0.9994, "99.9%"),
        (0.0004, "<0.1%"),
        (-0.05, f"{MINUS}5%"),
        (-0.0004, f">{MINUS}0.1%"),
        (-0.9999, f"<{MINUS}99.9%"),
        (1.5, "150%"),
        (math.inf, ABSENT),
        (None, ABSENT),
    ],
)
def test_shares_are_not_rounded_to_none_or_all(share, text):
    assert words.percent(share) == text


@given(st.floats(0, 1))
def test_only_nothing_reads_as_nothing_and_only_all_as_all(share):
    assert (words.percent(share) == "0%") == (share == 0)
    assert (words.percent(share) == "100%") == (share == 1)


def test_whole_per_cents_keep_their_zeros():
    assert words.percent(0.3, 0) == "30%"
    assert words.percent(0.999, 0) == ">99%"


def test_intervals():
    assert words.with_interval(0.171, (0.1, -0.25)) == f"0.17 [0.10, {MINUS}0.25]"
    assert words.with_interval(None, (0.1, 0.2)) == words.interval(None) == ABSENT
    assert words.with_interval(3, None, 0) == "3"


def test_counts_and_lists():
    assert [words.count(n, "head") for n in (0, 1, 2, 12345)] == ["0 heads", "1 head", "2 heads", "12,345 heads"]
    assert words.count(2, "entry", "entries") == "2 entries"
    assert [words.verb(n, "attend") for n in (1, 2)] == ["attends", "attend"]
    assert [words.names("abc"[:n]) for n in range(4)] == ["none", "a", "a and b", "a, b and c"]
    assert words.names([3, 4], last="or") == "3 or 4"
