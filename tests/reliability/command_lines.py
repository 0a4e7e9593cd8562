"""Command lines made at random from the options that the commands define, with the values that break programs."""

import dataclasses
import os
import random
import sys
import types
import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from pathlib import Path
from typing import Any

from interp.cli.commands import command, names

COPIER, MEMORY = "planted:ngram?n=2&alphabet=6", "planted:register?k=3"
BASES = {
    "heads": ["--tiny", "--model", COPIER],
    "ablate": ["--tiny", "--model", COPIER],
    "backwards": ["--tiny", "--model", "planted:reverse?n=2&alphabet=6"],
    "circuit": ["--tiny", "--model", COPIER],
    "view": ["--tiny", "--model", COPIER],
    "state": ["--tiny", "--model", MEMORY],
    "hybrid": ["--tiny", "--model", "planted:hybrid?part=recurrence&n=2&alphabet=6"],
    "grow": ["--tiny", "--values", "1", "2"],
    "train": ["--model", "hard-alibi", "--steps", "2", "--batch", "4", "--length", "2", "4"],
    "presets": [],
}
"""A small line of each command; a command that comes later is begun with the demo."""
GIANT = str(10**9)
INTEGERS = (
    *("0", "1", "2", "-1", "3", "-0", "+7", GIANT, str(2**31), str(2**63 - 1), str(2**63), str(-(2**63) - 1)),
    *(
        "9" * 30,
        "9" * 5000,
        "1e3",
        "1.5",
        "nan",
        "inf",
        "",
        " ",
        "three",
        "True",
        "None",
        "0x10",
        "1_000",
        "\u0663",
        "-",
    ),
)
NUMBERS = ("0", "1", "-1", "0.5", "nan", "-nan", "inf", "-inf", "1e999", "1e308", "5e-324", "1e-400", "", "half", "1,5")
BRACKETS = "[" * 200_000
TEXTS = (
    *("", " ", "x", "x" * 5000, "~nobody-here/x", "../" * 3000, "a/" * 2000, "\udcff", "\0", "a\nb", "é😀", "{}", "[]"),
    *("nan", "-1", "$(touch CANARY)", "; touch CANARY", "`touch CANARY`", "%s%n", "{0}", "/dev/null", "/dev/zero", "."),
    *(
        "--",
        "-",
        "none",
        "None",
        BRACKETS[:100_000],
        "<b>x</b>",
        "L1H1",
        "L9H9",
        "L1H1x",
        "L-1H0",
        "L" + "9" * 30 + "H0",
    ),
    *(
        "*",
        "zero",
        "mean",
        "edges",
        "authors",
        "mimetic",
        "d_vocab",
        "d_model",
        "kind",
        "cuda",
        "cuda:9",
        "cuda:" + "9" * 30,
    ),
)
SPECS = (
    *(COPIER, MEMORY, "hf:", "hf:FOLDER", "hf:~nobody-here", "hf:/dev/null", "hf:" + "x" * 5000, "hf:a/b/c", "hf:../x"),
    *(
        "planted:",
        "planted:?",
        "planted:ngram?",
        "planted:nothing",
        "planted:ngram?n",
        "planted:ngram?n=",
        "hf:nobody/x",
    ),
    *("FOLDER", "FOLDER/config.json", "~", "/", "/dev/null", "/dev/stdin", "/proc/self", "planted", ":", "x" * 300),
)
PLANTED = {
    "ngram": ("n", "alphabet", "n_layers", "n_lookup", "zero_heads", "random_heads", "tau", "seed", "n_ctx", "idle"),
    "register": ("k", "alphabet", "seed", "layers"),
    "shift": ("k", "alphabet", "seed"),
    "decay": ("k", "rate", "alphabet", "seed"),
    "circuit": ("kind", "seed"),
    "hybrid": ("part", "n", "alphabet"),
}


@dataclass(frozen=True)
class Option:
    """An option of a command, and the type of its value."""

    flag: str
    kind: Any


def options(name: str) -> list[Option]:
    """Every option of a command, the settings of its study among them."""
    return list(_options(command(name).options()[0], "--"))


def _options(kind: type, prefix: str) -> Iterator[Option]:
    hints = typing.get_type_hints(kind)
    for each in dataclasses.fields(kind):
        flag = f"{prefix}{each.name.replace('_', '-')}"
        if is_dataclass(hint := hints[each.name]):
            yield from _options(typing.cast(type, hint), prefix if each.name == "settings" else f"{flag}.")
        else:
            yield Option(flag, hint)


def line(number: int, seed: int = 0) -> list[str]:
    """The command line of a number: the same each time."""
    draw = random.Random(f"line {seed} {number}")
    name = draw.choice(names())
    words = [name, *BASES.get(name, ["--tiny"])]
    if draw.random() < 0.03:
        words[0] = draw.choice(TEXTS)
    known = options(name)
    for option in draw.sample(known, min(len(known), draw.choice((1, 1, 2, 3)))):
        words = _without(words, option.flag)
        words += [option.flag, *_values(option, draw)]
        words += [option.flag] if draw.random() < 0.02 else []
    if draw.random() < 0.03:
        words.append(draw.choice(TEXTS))
    return [word.replace("\0", "") for word in words]  # no system passes a NUL on


def _without(words: list[str], flag: str) -> list[str]:
    if flag not in words:
        return words
    at = words.index(flag)
    end = next((index for index in range(at + 1, len(words)) if words[index].startswith("--")), len(words))
    return words[:at] + words[end:]


def _values(option: Option, draw: random.Random) -> list[str]:
    kinds, many = _plain(option.kind)
    if option.flag == "--model" and draw.random() < 0.9:
        return [_spec(draw)]
    if kinds == [bool]:
        return [] if draw.random() < 0.7 else [draw.choice(TEXTS)]
    pool: list[str] = [*TEXTS] if draw.random() < 0.08 else []
    for kind in kinds:
        pool += INTEGERS if kind is int else NUMBERS if kind is float else [*TEXTS, str(kind)]
    return [draw.choice(pool) for _ in range(draw.choice((0, 1, 1, 1, 2, 3)) if many else 1)]


def _plain(hint: Any) -> tuple[list[Any], bool]:
    """The plain types that a value may have, and whether there may be several values."""
    hint = typing.get_args(hint)[0] if typing.get_origin(hint) is typing.Annotated else hint
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        found = [_plain(arm) for arm in typing.get_args(hint) if arm is not type(None)]
        return [kind for kinds, _ in found for kind in kinds], any(many for _, many in found)
    if typing.get_origin(hint) is tuple:
        return _plain(typing.get_args(hint)[0])[0], True
    if typing.get_origin(hint) is typing.Literal:
        return list(typing.get_args(hint)), False
    return [hint], False


def _spec(draw: random.Random) -> str:
    if draw.random() < 0.4:
        return draw.choice(SPECS + TEXTS)
    kind = draw.choice(list(PLANTED))
    given = draw.sample(PLANTED[kind], draw.choice((1, 1, 2)))
    values = [draw.choice(INTEGERS + NUMBERS + TEXTS[:20] + ("4", "5", "20")) for _ in given]
    return f"planted:{kind}?" + "&".join(f"{name}={value}" for name, value in zip(given, values, strict=True))


# ---------------------------------------------------------------------- in the child


def run(words: list[str], begin: Callable[[], Any] = lambda: None) -> None:
    """Run a command line as `interp` would, in the attempt's own folder, where presets are trained for two steps.

    `begin` is called when all is ready, just before.
    """
    import interp.training.presets as presets
    from interp.cli import main

    here = Path.cwd()
    os.environ["INTERP_HOME"] = str(here / "home")
    presets.PRESETS = {name: _quick(made) for name, made in presets.PRESETS.items()}
    Path("FOLDER").mkdir()
    Path("FOLDER/config.json").write_text(BRACKETS)
    sys.argv = ["interp", *words]
    begin()
    try:
        main(words)
    finally:
        if (here / "CANARY").exists():
            print("Traceback (most recent call last): a shell has run", file=sys.stderr)


def _quick(made: Any) -> Any:
    """A preset that is trained for two steps."""

    def quick() -> Any:
        model, task, training = made()
        return model, task, dataclasses.replace(training, steps=2, batch=4, length=(2, 4), evaluate_lengths=(4,))

    return quick
