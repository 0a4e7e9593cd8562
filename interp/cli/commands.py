"""Every command by its name: what it is for, examples, its options, and what does its work.

Studies come from their registry, so that a new one is a new command. The options of the others are imported when the
command is called.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pkgutil import resolve_name
from typing import Any

from interp.base.errors import unknown
from interp.studies.study import STUDIES


@dataclass(frozen=True)
class Command:
    """A subcommand of `interp`."""

    name: str
    question: str
    """What it answers, in one sentence."""
    examples: tuple[tuple[str, str], ...]
    """Arguments, and what they ask for."""
    options: Callable[[], tuple[type[Any], Any]]
    """Gives the dataclass of its options, and an instance with the defaults of `--tiny` or None."""
    work: Callable[[Any], object]
    """Does it, with the options that were given."""

    def says(self, called: str) -> str:
        """What `--help` says first.

        Args:
            called: how the command is called, as in "interp heads".
        """
        width = max((len(arguments) for arguments, _ in self.examples), default=0)
        lines = [f"  {called} {arguments:{width}}  {why}".rstrip() for arguments, why in self.examples]
        return "\n".join([self.question, *lines])


EXAMPLES: dict[str, tuple[tuple[str, str], ...]] = {
    "heads": (
        ("", "the demo model, trained once and kept"),
        ("--model 'planted:ngram?n=4'", "a model whose mechanism is known"),
        ("--model runs/mine", "a model of your own"),
    ),
    "ablate": (
        ("", "the lookup heads of the demo model"),
        ("--heads L1H0 L0H4 --kind resample --length 60", "heads of your choice"),
    ),
    "backwards": (
        ("", "a model whose mechanism is known"),
        ("--model runs/mine --length 40", "a model of your own that was trained to write backwards"),
        ("--model 'planted:ngram?n=3' --task reverse --tiny", "a copier, which looks forwards"),
    ),
    "circuit": (
        ("", "the demo model"),
        ("--model 'planted:ngram?n=3' --strings 128", "a model whose mechanism is known, on more strings"),
    ),
    "view": (
        ("", "the demo model on a string that is drawn"),
        ("--prompt kqvbtzahkqv --heads L1H0 L1H1", "a string and heads of your own"),
        ("--model mamba --ablate L0H0 --kind zero", "hidden attention, and without one layer's"),
        ("--model hf:PATH --prompt 'any text'", "a pretrained model"),
    ),
    "state": (
        ("", "a small Mamba, trained once and kept"),
        ("--model mamba --model lstm --model hard-alibi", "three, side by side"),
        ("--model 'planted:register?k=8'", "a memory whose capacity is known"),
        ("--model runs/mine --lengths 4 8 16 32", "a model and lengths of your own"),
    ),
    "hybrid": (
        ("", "a layer of Mamba and one of attention, trained once and kept"),
        ("--model 'planted:hybrid?part=lookup'", "a hybrid of which it is known what copies"),
        ("--model runs/mine --length 40", "a hybrid of your own, on longer strings"),
    ),
    "learning": (
        ("", "the demo model"),
        ("--model runs/mine", "a run folder: its curves, and its heads after the steps that it kept"),
    ),
    "language": (
        ("--model gguf:PATH", "a language model in one file"),
        ("--model hf:PATH --model hf:OTHER --text book.txt", "two, side by side, on a text of yours"),
    ),
    "grow": (
        ("", "Mambas of six state sizes"),
        ("--kind lstm --vary d_model --values 16 24 32 48 64 --longest 16", "LSTMs"),
    ),
    "record": (
        ("", "five copiers trained on 64 letters, followed to 65,536"),
        ("--arms long32 softmax-nape --seeds 1 --lengths 1024 4096 --strings 50 20", "two, less far"),
    ),
    "reproduce": (
        ("samples length --workers 2", "two claims, at the laptop's size, two runs at a time"),
        ("--list", "what would run, what is kept, and how long the rest takes"),
        ("--explain samples/L10/mamba/rate0.005/seed0", "the plan of one run, as a document"),
        ("--size paper --ray-address auto --gpus 1 --workers 8", "the paper's own models, on a cluster"),
    ),
    "train": (
        ("", "the demo's model, in ten seconds of one CPU core"),
        ("--model rope --seed 1 --out runs/rope-1", "another preset"),
        ("--kind mamba --set d_state=8 --steps 500", "a model of another kind, in another shape"),
        ("--config runs/rope-1/config.json --seed 2 --out runs/rope-2", "what a run folder says, from another seed"),
        ("--resume --out runs/rope-1", "continue after Ctrl-C, a crash or a power cut"),
    ),
    "presets": (("", "and which of them are trained already"),),
}
OTHERS = {
    "grow": "Does a model with a larger state copy longer strings before it is full?",
    "record": "How long a string can a copier of a third of a million parameters copy, and what stops it?",
    "reproduce": "Does what the paper says hold? Runs its claims one by one, and says which hold, with intervals.",
    "train": "How does a small copier learn? Trains one and keeps it in a run folder, which every --model can name.",
    "presets": "Which models are there by name, how large are they, how well do they copy?",
}
"""Commands that are not studies: each is a module of `interp.cli` with `Options`, `TINY` and `work`."""


def names() -> tuple[str, ...]:
    """Every command: those with examples first, in their order."""
    return tuple(dict.fromkeys([*EXAMPLES, *STUDIES]))


def command(name: str) -> Command:
    """The command of that name. Raises: UserError for an unknown one, with the nearest."""
    examples = EXAMPLES.get(name, (("", "the demo model"),))
    if name in OTHERS:
        module = f"interp.cli.{name}:"
        return Command(
            name,
            OTHERS[name],
            examples,
            lambda: (resolve_name(f"{module}Options"), resolve_name(f"{module}TINY")),
            lambda options: resolve_name(f"{module}work")(options),
        )
    if name not in STUDIES:
        raise unknown("command", name, names())
    from interp.cli.studies import ask, options_of

    study = STUDIES[name]
    return Command(name, study.question, examples, partial(options_of, study), partial(ask, study))
