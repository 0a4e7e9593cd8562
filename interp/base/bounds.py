"""What the numbers of settings may be: counts and lengths that no measurement has are refused before any work.

A settings class says so in `BOUNDS`, by the names of its fields. It is held to that where a study begins, and by the
command line before torch is imported. An upper bound is where a slip is likelier than a wish.

    BOUNDS: ClassVar[Bounds] = {"strings": STRINGS, "longest": (1, 256)}
"""

from collections.abc import Callable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

from interp.base.errors import UserError, shown

Bounds = Mapping[str, tuple[float, float]]
"""Field -> the least and the most that it may be; of whole numbers, where both of them are whole."""
STRINGS = (2, 1_000_000)
"""Strings with an interval over them."""
LETTERS = (1, 1_000_000)
"""Letters of a string."""


def check_bounds(settings: Any, called: Callable[[str], str] = str, within: str = "") -> None:
    """Hold settings, and settings within them, to their `BOUNDS`.

    Args:
        settings: a dataclass; fields without bounds, and None, are left alone.
        called: from the path of a field, such as `heads.longest`, to what a refusal calls it.
        within: the path of these settings, with a dot behind it.

    Raises: UserError for a number, or one of several, that is out of its bounds.
    """
    bounds: Bounds = getattr(settings, "BOUNDS", {})
    for field in fields(settings):
        value = getattr(settings, field.name)
        if is_dataclass(value):
            check_bounds(value, called, f"{within}{field.name}.")
        elif field.name in bounds:
            least, most = bounds[field.name]
            kind = "an integer" if isinstance(least, int) and isinstance(most, int) else "a number"
            for number in value if isinstance(value, tuple | list) else (value,):
                if number is not None and not least <= number <= most:  # nan is neither
                    raise UserError(
                        f"{called(within + field.name)} must be {kind} from {least:,} to {most:,}; got {shown(number)}."
                    )
