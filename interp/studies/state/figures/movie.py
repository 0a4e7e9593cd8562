"""One string, step by step: the numbers of the state, what a probe reads of each letter, and what is lost."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from markupsafe import Markup

from interp.figures import theme
from interp.figures.page import script_json
from interp.results.state import StateMovie
from interp.studies.state.figures.facets import name_of
from interp.studies.state.result import StateProfile

SCRIPT = "studies/state/figures/movie.js"
READ = 0.5
"""Probability from which on a letter counts as read."""


@dataclass(frozen=True)
class StateView:
    """What the page needs of a movie."""

    name: str
    letters: tuple[str, ...]
    parts: tuple[tuple[str, int], ...]
    """Caption and height of each canvas of numbers."""
    json: Markup
    says: str
    lines: tuple[str, ...]
    """Each step in words, for readers who do not see the canvas."""


def state_view(profile: StateProfile) -> StateView | None:
    """The view of a profile's movie; None where it has none."""
    movie = profile.movie
    if movie is None:
        return None
    data = {
        "letters": movie.letters,
        "readable": _hundredths(movie.readable.T),
        "states": [_hundredths(_scaled(part)) for part in movie.states],
    }
    captions = map(_caption, movie.parts, movie.states, movie.time_constants)
    parts = tuple(zip(captions, (max(12, min(144, 8 * len(part))) for part in movie.states), strict=True))
    return StateView(name_of(profile), movie.letters, parts, script_json(data), _says(movie), _lines(movie))


def _scaled(numbers: Float[np.ndarray, "row step"]) -> Float[np.ndarray, "row step"]:
    """Each number by its own largest absolute value: from -1 to 1."""
    largest = np.abs(numbers).max(axis=1, keepdims=True)
    return numbers / np.where(largest > 0, largest, 1)


def _hundredths(values: Float[np.ndarray, "_ _"]) -> list[list[int | None]]:
    return [[None if np.isnan(value) else round(100 * float(value)) for value in row] for row in values]


def _caption(part: str, numbers: Float[np.ndarray, "row step"], constants: tuple[float, ...] | None) -> str:
    count = f"{part.removeprefix('blocks.')}: {len(numbers)} numbers"
    if constants is None:
        return f"{count}."
    return f"{count}, time constants from {constants[0]:.2g} (top) to {constants[-1]:.3g} positions (bottom)."


def _says(movie: StateMovie) -> str:
    end = movie.readable[-1]
    there = [i + 1 for i, p in enumerate(end) if p >= READ]
    kept = f"letters {theme.names(there)}" if there else "no letter"
    average = theme.percent(float(movie.average[-1].mean()))
    return (
        f"After all {len(end)} letters, probes read {kept} of this string; they give the right letter {average} on "
        f"average over strings and places (chance: {theme.percent(movie.chance)})."
    )


def _lines(movie: StateMovie) -> tuple[str, ...]:
    lines = []
    for step, letter in enumerate(movie.letters):
        now, best = movie.readable[step, : step + 1], np.nanmax(movie.readable[: step + 1, : step + 1], axis=0)
        lost = [f"{movie.letters[i]} ({i + 1})" for i in range(step + 1) if now[i] < READ <= best[i]]
        read = f"{letter}: {int((now >= READ).sum())} of {step + 1} letters are read"
        lines.append(f"{read}; lost: {theme.names(lost)}." if lost else f"{read}.")
    return tuple(lines)
