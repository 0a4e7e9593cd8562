"""A name that does not exist is answered with those that do."""

import pytest

from interp.base.errors import UserError, unknown


def test_an_unknown_name_is_answered_with_the_nearest_known_ones_first() -> None:
    message = str(
        unknown("hook", "blocks.0.attn.hook_patern", ["hook_embed", "blocks.0.attn.hook_pattern", "ln_final"])
    )
    assert message == (
        "no hook is called 'blocks.0.attn.hook_patern'; the nearest known: blocks.0.attn.hook_pattern (of 3)."
    )


def test_a_name_like_no_other_is_answered_with_the_first_known_ones_and_their_number() -> None:
    message = str(unknown("head", "???", (f"L0H{i}" for i in range(10)), limit=2))
    assert message == "no head is called '???'; the nearest known: L0H0, L0H1 (of 10)."


def test_a_list_shown_whole_says_no_number() -> None:
    assert str(unknown("kind", "???", ["zero", "mean"])) == "no kind is called '???'; the nearest known: zero, mean."


def test_the_error_can_be_caught_as_a_value_error() -> None:
    with pytest.raises(ValueError, match="no kind"):
        raise unknown("kind", "x", ["zero"])
    assert isinstance(unknown("kind", "x", ["zero"]), UserError)


def test_without_any_known_name_the_error_says_so() -> None:
    assert str(unknown("head", "L0H0", [])) == "no head is called 'L0H0'; there is none."
