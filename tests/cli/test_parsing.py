"""From a command line to options: what is given counts, and what nothing could use is refused."""

from dataclasses import dataclass, field

import pytest

from interp.base.errors import UserError
from interp.cli.options import Analysis, OfModel
from interp.cli.parsing import parse


@dataclass(frozen=True)
class Inner:
    strings: int = 96
    """Strings."""
    level: float = 0.05
    """Level."""


@dataclass(frozen=True)
class Options(Analysis):
    """Options."""

    letters: tuple[int, ...] = (1, 2)
    """How many letters."""
    rate: float = 0.1
    """A rate."""
    length: int | None = None
    """A length, of which it takes a line and more to say what it is of: of the strings that are
    drawn, and of none
    (of those that are given: their own)."""
    ends: tuple[int, int] | None = None
    """Two numbers."""
    joint: bool = True
    """Whether letters are read jointly."""
    scoring: Inner = field(default_factory=Inner)
    """How heads are scored."""


TINY = Options(letters=(1,), scoring=Inner(strings=8))


def read(*args: str) -> Options:
    return parse(Options, args, tiny=TINY)


def test_options_arrive() -> None:
    assert read("--seed", "7", "--letters", "3", "4") == Options(seed=7, letters=(3, 4))


def test_tiny_changes_defaults_and_what_is_given_beside_it_counts() -> None:
    assert read("--tiny") == Options(tiny=True, letters=(1,), scoring=Inner(strings=8))
    assert read("--tiny", "--letters", "5", "--scoring.strings", "96") == Options(tiny=True, letters=(5,))


@pytest.mark.parametrize("seed", ["-1", "4294967296", "99999999999999999999"])
def test_a_seed_that_no_generator_takes_is_refused(seed) -> None:
    with pytest.raises(UserError, match=rf"^--seed must be an integer from 0 to 4294967295; got {seed}\.$"):
        read("--seed", seed)
    assert read("--seed", "4294967295").seed == 4294967295


@pytest.mark.parametrize(
    ("args", "sentence"),
    [
        (("--letters", "3", str(2**63)), "--letters must be a 64-bit integer; got 9223372036854775808."),
        (("--length", f"-{2**70}"), f"--length must be a 64-bit integer; got -{2**70}."),
        (("--length", "9" * 4000), "--length must be a 64-bit integer; got one of more than 40 digits."),
        (("--length", "-3"), "--length must be an integer of at least 0; got -3."),
        (("--scoring.strings", "0"), "--scoring.strings must be an integer of at least 1; got 0."),
        (("--rate", "inf"), "--rate must be finite; got inf."),
        (("--rate", "nan"), "--rate must be finite; got nan."),
        (("--rate", "1e999"), "--rate must be finite; got inf."),
        (("--scoring.level", "-inf"), "--scoring.level must be finite; got -inf."),
        (("--scoring.strings", str(2**64)), f"--scoring.strings must be a 64-bit integer; got {2**64}."),
        (
            ("--device", "a\udcffb"),
            r"the command line must be UTF-8; got a\udcffb. Rename the file: results record the command that made "
            "them.",
        ),
    ],
)
def test_what_nothing_could_use_is_refused_in_a_sentence(args, sentence) -> None:
    with pytest.raises(UserError) as caught:
        read(*args)
    assert str(caught.value) == sentence


@pytest.mark.parametrize("args", [("--leters", "3"), ("--letters", "three"), ("--no-tiny",), ("--length", "9" * 5000)])
def test_what_cannot_be_read_exits_2_and_is_named(args, capsys) -> None:
    with pytest.raises(SystemExit) as left:
        read(*args)
    said = capsys.readouterr().err
    assert left.value.code == 2
    assert args[0] in said and "Traceback" not in said


def test_help_folds_paragraphs_by_the_width_alone_and_names_defaults_that_say_something(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        read("--help")
    said = capsys.readouterr().out
    paragraph = "to say what it is of: of the strings that are drawn, and of none (of those that are given: their own)."
    assert paragraph in said
    assert "A rate. (default: 0.1)" in said and "--ends INT INT" in said
    assert "Whether letters are read jointly. (on, unless this is given)" in said
    assert not any(empty in said for empty in ("(default: None)", "(default: False)", "(default: )"))


def test_a_word_before_the_options_is_refused_with_what_was_meant() -> None:
    sentence = r"^the first word after interp heads must be an option; got rope\. Write --model rope, or see --help\.$"
    with pytest.raises(UserError, match=sentence):
        parse(OfModel, ("rope", "--tiny"), prog="interp heads")
    with pytest.raises(UserError, match=r"must be an option; got rope\. See --help\.$"):
        read("rope")
