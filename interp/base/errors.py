"""The two ways in which `interp` refuses: the user's mistake, and a fault met on the way.

Every message follows one formula, `NAME must be WANT; got X. DO THIS.`, in a sentence or two. Command lines print the
message without a traceback and leave with `exit_code`.
"""

import difflib
import re
from collections.abc import Iterable, Sized
from typing import Any

MOST = 20
"""Items of a list that a message shows."""


class InterpError(Exception):
    """Something went wrong that is not the caller's mistake: a full disk, a diverged training, a damaged file."""

    exit_code = 1


class UserError(InterpError, ValueError):
    """The caller asked for something that does not exist or does not fit together."""

    exit_code = 2


class DivergedError(InterpError):
    """A training whose loss or gradient is no longer finite: it would be again, with the same recipe."""


def unknown(kind: str, name: str, known: Iterable[str], limit: int = 6) -> UserError:
    """The error for a name that does not exist: says so and lists the nearest known ones, at most `limit`."""
    known = list(known)
    name = shortened(name)
    if not known:
        return UserError(f"no {kind} is called {name!r}; there is none.")
    alike = {other: _likeness(name, other) for other in known}
    nearest = sorted((other for other in known if alike[other] >= 0.5), key=lambda other: -alike[other])[:limit]
    nearest = nearest or known[:limit]
    rest = "" if len(nearest) == len(known) else f" (of {len(known)})"
    return UserError(f"no {kind} is called {name!r}; the nearest known: {', '.join(nearest)}{rest}.")


def shortened(text: str, longest: int = 80) -> str:
    """The text, or its two ends where it is too long for a sentence."""
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"


def shown(value: Any) -> str:
    """A value as a message shows it: short, whatever it is.

    >>> shown(np.zeros((2, 3)))
    'an array of float64 [2 3]'
    """
    if hasattr(value, "dtype") and hasattr(value, "shape"):
        return f"an array of {value.dtype} [{' '.join(map(str, value.shape))}]"
    if isinstance(value, str):
        return repr(shortened(value))
    if isinstance(value, Sized) and len(value) > MOST:
        return f"a {type(value).__name__} of {len(value)}"
    try:
        text = repr(value)
    except (ValueError, RecursionError):  # a number of too many digits, lists within lists
        return f"a value of type {type(value).__name__}"
    if type(value).__repr__ is object.__repr__ or "\n" in text:  # a model, whose parts would fill a page
        return f"a value of type {type(value).__name__}"
    return shortened(text, 120)


def _likeness(name: str, known: str) -> float:
    """Return a likeness from 0 to 1. Initials, as in `lr` for learning_rate, and whole parts, as in `beta` for betas,
    count for much."""
    name, known = shortened(name).casefold(), shortened(known).casefold()
    initials = "".join(word[0] for word in re.split(r"[\W_]+", known) if word)
    shorter, longer = sorted((name, known), key=len)
    part = len(shorter) >= 3 and shorter in longer
    return max(difflib.SequenceMatcher(a=name, b=known).ratio(), 0.9 * (name == initials), 0.7 * part)
