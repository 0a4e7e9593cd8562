"""Random command lines end with 0 or 2 and at most a sentence: no traceback, no request, in bounded time and memory."""

import pytest

from tests.reliability import command_lines
from tests.reliability.nursery import Ended

FEW, MANY = 8, 600


def faults(words: list[str], ended: Ended) -> list[str]:
    """What is wrong with how a command line ended."""
    may_ask = _asks_the_hub(words) or "--compile" in words  # torch.compile starts a compiler
    found = [fault for fault in ended.faults() if not (fault.startswith("asked for") and may_ask)]
    if ended.error:
        found.append(f"{ended.error[0]}: {ended.said[:300]}\n{ended.where}")
    allowed = (0, 2) if not (_asks_the_hub(words) or "The work must fit" in ended.stderr) else (0, 1, 2)
    if ended.code not in allowed and not found:
        found.append(f"exit code {ended.code}: {ended.stderr[-300:]}")
    if ended.code == 0 and "nan" in ended.stdout.lower().split():
        found.append(f"a number that is none: {ended.stdout[-300:]}")
    return found


def _asks_the_hub(words: list[str]) -> bool:
    """Whether the line names a model that can only be on the hub, which then is asked for it."""
    return any(word.startswith("hf:") for word in words)


def test_random_command_lines_end_in_a_page_or_a_sentence(attempt, tries) -> None:
    wrong, codes = {}, dict.fromkeys((0, 2), 0)
    for number in range(tries(FEW, MANY)):
        words = command_lines.line(number)
        ended = attempt(command_lines.run, words)
        codes[ended.code] = codes.get(ended.code, 0) + 1
        if found := faults(words, ended):
            wrong[number] = ([word[:100] for word in words], found)
    print(f"command lines by exit code: {codes}")
    assert not wrong
    assert codes[0] and codes[2]  # some are right, others are not


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(command_lines.BASES))
def test_the_line_that_others_are_made_from_is_right(attempt, name) -> None:
    if name == "grow":
        pytest.skip("trains, and has a test of its own")
    ended = attempt(command_lines.run, [name, *command_lines.BASES[name]])
    assert (ended.code, ended.error) == (0, ())


def test_values_come_from_the_options_that_are_defined() -> None:
    flags = {option.flag: option.kind for option in command_lines.options("heads")}
    assert flags["--seed"] is int and "--heads.strings" in flags and "--model" in flags
    assert command_lines.line(7) == command_lines.line(7)
