"""Checks that the configs of all models make of their fields."""

from collections.abc import Sequence
from typing import Any

from interp.base.errors import UserError, shown, unknown

MOST = 2**31 - 1
"""The largest size of an axis."""
MOST_LAYERS = 4096
"""Layers that are built at most: each takes tens of kilobytes and a millisecond, whatever its size."""


def require_counts(config: Any, *names: str, least: int = 1) -> None:
    """Raises: UserError for a field of a config that is not an integer from `least` to `MOST`."""
    for name in names:
        require_size(name, getattr(config, name), least)


def require_size(name: str, value: Any, least: int = 1) -> None:
    """Raises: UserError for what is not an integer from `least` to `MOST`."""
    if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= MOST:
        raise UserError(f"{name} must be an integer from {least} to {MOST}; got {shown(value)}.")


def require_layers(n_layers: Any) -> None:
    """Raises: UserError for a number of layers that is not an integer from 1 to `MOST_LAYERS`."""
    if isinstance(n_layers, bool) or not isinstance(n_layers, int) or not 1 <= n_layers <= MOST_LAYERS:
        raise UserError(f"n_layers must be an integer from 1 to {MOST_LAYERS}; got {shown(n_layers)}.")


def require_choice(name: str, value: Any, known: Sequence[str | None]) -> None:
    """Raises: UserError that lists the nearest, for a value that is none of the known ones."""
    if not isinstance(value, str | None) or value not in known:
        raise unknown(name, str(value), map(str, known))
