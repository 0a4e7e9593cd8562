"""The two ways in which `interp` refuses: the user's mistake, and a fault met on the way.

Every message is one sentence or two: what was wanted, what came, what to do. Command lines print the message
without a traceback and leave with `exit_code`.
"""

import difflib
from collections.abc import Iterable


class InterpError(Exception):
    """Something went wrong that is not the caller's mistake: a full disk, a diverged training, a damaged file."""

    exit_code = 1


class UserError(InterpError, ValueError):
    """The caller asked for something that does not exist or does not fit together."""

    exit_code = 2


def unknown(kind: str, name: str, known: Iterable[str], limit: int = 6) -> UserError:
    """The error for a name that does not exist: says so and lists the nearest known ones, at most `limit`."""
    known = list(known)
    name = shortened(name)
    if not known:
        return UserError(f"no {kind} is called {name!r}; there is none.")
    nearest = difflib.get_close_matches(name, known, n=limit, cutoff=0.5) or known[:limit]
    rest = "" if len(nearest) == len(known) else f" (of {len(known)})"
    return UserError(f"no {kind} is called {name!r}; the nearest known: {', '.join(nearest)}{rest}.")


def shortened(text: str, longest: int = 80) -> str:
    """The text, or its two ends where it is too long for a sentence."""
    half = (longest - 3) // 2
    return text if len(text) <= longest else f"{text[:half]}...{text[-half:]}"
