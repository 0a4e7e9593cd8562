"""Lengths that must agree: of arrays, of tuples beside them, and of the parts of a result."""

import dataclasses
from dataclasses import dataclass
from typing import Annotated

import numpy as np
import pytest
from jaxtyping import Float

from interp.base.errors import UserError
from interp.results.accuracy import LengthAccuracy
from interp.results.attention import AttentionView
from interp.results.axes import check_axes
from interp.results.heads import HeadScores
from interp.results.record import Result
from interp.results.state import StateMovie


def refused(result: Result, match: str) -> None:
    with pytest.raises(UserError, match=match):
        check_axes(result, Result)


def test_an_array_along_a_tuple_has_as_many_rows(made, changed) -> None:
    result = made(LengthAccuracy)
    check_axes(result, Result)
    refused(changed(result, lengths=(1,)), r"string_correct must have 1 along length, as lengths has; got 2\.")
    refused(changed(result, ideal={"3": (1.0,)}), r"ideal\['3'\] must have 2 along length, as lengths has; got 1\.")


def test_two_arrays_agree_where_no_tuple_says_how_long_they_are(made, changed) -> None:
    result = made(LengthAccuracy)
    refused(changed(result, first_error=result.first_error[:, :-1]), "first_error must have .* along string")


def test_parts_share_the_axes_of_what_they_are_part_of(made, changed) -> None:
    scores = made(HeadScores)
    heads = (changed(scores.heads[0], response=(0.5,) * 9), *scores.heads[1:])
    refused(changed(scores, heads=heads), r"heads\[0\]\.response must have . along match, as match_lengths has; got 9")
    refused(changed(scores, heads=scores.heads[1:]), "attention must have . along head, as heads has")
    view = made(AttentionView)
    wrong = changed(view.variants[0], pattern=view.variants[0].pattern[:, :, 1:])
    refused(changed(view, variants=(wrong,)), r"variants\[0\]\.pattern must have . along pos")


def test_arrays_in_a_tuple_each_name_their_axes_and_one_without_a_name_is_free(made, changed) -> None:
    movie = made(StateMovie)
    first = movie.states[0]
    check_axes(changed(movie, states=(np.concatenate([first, first]), *movie.states[1:])), Result)
    refused(changed(movie, states=(first[:, 1:], *movie.states[1:])), r"along step")
    refused(changed(movie, states=movie.states[1:]), "along part")


def test_a_result_within_a_result_has_axes_of_its_own() -> None:
    @dataclass(frozen=True)
    class Inner(Result):
        lengths: Annotated[tuple[int, ...], "length"]

    @dataclass(frozen=True)
    class Outer(Result):
        values: Float[np.ndarray, " length"]
        inner: Inner

    check_axes(Outer(np.ones(2), Inner((1, 2, 3))), Result)


def test_no_field_with_an_axis_is_overlooked(made, changed) -> None:
    """Every array of a full instance is in the way of a longer one along some axis, or alone with all of its axes."""
    names = [field.name for field in dataclasses.fields(HeadScores)]
    found = set()
    for name in names:
        value = getattr(made(HeadScores), name)
        if isinstance(value, np.ndarray):
            longer = np.concatenate([value, value])
            try:
                check_axes(changed(made(HeadScores), **{name: longer}), Result)
            except UserError:
                found.add(name)
    assert found == {"attention", "shuffled", "response"}
