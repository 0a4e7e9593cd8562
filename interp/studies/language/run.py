"""Asking a language model in words; `joined` puts together what ran in parts."""

import shlex
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from interp.base.bounds import check_bounds
from interp.base.errors import UserError
from interp.base.provenance import provenance
from interp.loading import Loaded, as_loaded
from interp.measure.language.answers import text_accuracy
from interp.measure.language.comparing import Amount, language_heads
from interp.measure.language.text_state import text_state
from interp.models.heads import HeadTable
from interp.models.surface import device, n_ctx
from interp.results.language import LanguageHeads, TextAccuracy
from interp.studies.language.result import LanguageStudy
from interp.studies.language.settings import LanguageSettings
from interp.studies.language.verdict import language_verdict
from interp.studies.study import OnStep, silent
from interp.tasks.text import Corpus, Questions, TextAgain, TextCopy, TextPasskey, Writer, key_values, phone_book
from interp.tasks.text.base import TextTask
from interp.tasks.text.corpus import read_names
from interp.tasks.text.questions import read_questions

PER_ENTRY = ("phone-book", "key-value")


def language_study(
    loaded: Loaded | str | Path, seed: int = 0, settings: LanguageSettings | None = None, on_step: OnStep = silent
) -> LanguageStudy:
    """Ask a language model to copy texts, shuffled ones too, to look up numbers and a passkey, and to answer questions.

    Args:
        loaded: what `interp.load` or `interp.open` returns, or a model specification.
        seed: of the prompts; models with one tokenizer are asked the same.
        settings: which tasks, lengths and files.
        on_step: told what is being asked, with how many steps there are.

    Raises: UserError for a model without a tokenizer, lengths that the text or the model's context does not have, and
        files that cannot be read.
    """
    settings, loaded = settings or LanguageSettings(), as_loaded(loaded, seed)
    check_bounds(settings)
    _require_something(settings)
    model, writer = loaded.model, writer_of(loaded)
    tasks = {name: task_of(name, writer, settings) for name in settings.tasks}
    lengths = {name: settings.entries if name in PER_ENTRY else settings.lengths for name in tasks}
    for name, task in tasks.items():  # what cannot be asked is refused before any work
        for length in lengths[name]:
            task.prompts(1, length, seed)
    if settings.heads:
        HeadTable.of(model).require()
    if settings.state:
        for length in settings.state_lengths:
            TextAgain(writer, corpus=Corpus.read(settings.text)).prompts(1, length, seed)
    numbered = _numbered(on_step, sum(map(len, lengths.values())))
    found = tuple(
        text_accuracy(model, task, name, lengths[name], settings.strings, seed, settings.free_running, numbered)
        for name, task in tasks.items()
    )
    heads = _heads(loaded, writer, seed, settings, on_step) if settings.heads else None
    state = None
    if settings.state:
        corpus, lengths_of = Corpus.read(settings.text), settings.state_lengths
        state = text_state(model, writer, corpus, lengths_of, settings.state_strings, seed, on_step)
    return LanguageStudy(
        verdict=language_verdict(found, state),
        provenance=provenance(str(device(model)), seed, model),
        model=loaded.description,
        tasks=found,
        heads=heads,
        state=state,
    )


def _require_something(settings: LanguageSettings) -> None:
    """Raises: UserError for settings that ask nothing, or of no length."""
    if not (settings.tasks or settings.heads or settings.state):
        raise UserError("tasks must name at least one; got none. Name one, or ask for --heads or --state.")
    needed = {
        "lengths": {*settings.tasks} - {*PER_ENTRY},
        "entries": settings.heads or {*settings.tasks} & {*PER_ENTRY},
        "state_lengths": settings.state,
    }
    for name, asked in needed.items():
        if asked and not getattr(settings, name):
            raise UserError(f"{name} must hold at least one length; got none. Name one.")


def writer_of(loaded: Loaded) -> Writer:
    """Return the tokenizer of a language model, as text tasks use it.

    Raises: UserError for a model that is not pretrained, or has no tokenizer.
    """
    if loaded.pretrained is None:
        raise UserError(
            f"model must be a language model (hf:, gguf: or interp.open) to be asked in words; got "
            f"{loaded.description.get('spec', 'another')}. Ask it of letters: interp heads, interp ablate."
        )
    from interp.models.pretrained.bridge import begin_token

    return Writer(loaded.pretrained.tokenizer, begin_token(loaded.pretrained), n_ctx(loaded.model))


def _heads(loaded: Loaded, writer: Writer, seed: int, settings: LanguageSettings, on_step: OnStep) -> LanguageHeads:
    amount = Amount(
        length=settings.head_length,
        entries=settings.entries[min(1, len(settings.entries) - 1)],
        strings=settings.head_strings,
        untrained=settings.untrained,
    )
    corpus, names = Corpus.read(settings.text), read_names(settings.names)
    told = _now_and_then(on_step)
    return language_heads(loaded.model, loaded.task, writer, corpus, names, amount, seed, told)


def _now_and_then(on_step: OnStep) -> OnStep:
    """Tell the first step of each part, and the tenth, twentieth, ... after it."""
    before: Counter[str] = Counter()

    def tell(step: str) -> None:
        part = step.rpartition(" (")[0]
        if before[part] % 10 == 0:
            on_step(step)
        before[part] += 1

    return tell


def task_of(name: str, writer: Writer, settings: LanguageSettings) -> TextTask:
    """Make a task by its name, out of the files of the settings."""
    if name == "phone-book":
        return phone_book(writer, read_names(settings.names))
    if name == "key-value":
        return key_values(writer)
    if name == "questions":
        return Questions(writer, read_questions(settings.questions))
    corpus = Corpus.read(settings.text)
    if name == "passkey":
        return TextPasskey(writer, corpus)
    if name == "repeat":
        return TextCopy(writer, corpus, form="plain")
    if name == "copy-words":
        return TextCopy(writer, corpus, order="words")
    return TextCopy(writer, corpus, order="tokens" if name == "copy-tokens" else "text")


def _numbered(on_step: OnStep, steps: int) -> Callable[[str], None]:
    """Tell each step with its number and how many there are."""
    done = iter(range(1, steps + 1))
    return lambda step: on_step(f"{step} ({next(done)} of {steps})")


def joined(studies: Sequence[LanguageStudy]) -> LanguageStudy:
    """Put studies of one model together that ran in parts: other tasks, or the same tasks at other lengths.

    Provenance is that of the first part, with the commands of all as one.

    Args:
        studies: of one model and seed, with as many prompts of each length.

    Raises: UserError for no studies, other models or seeds, and parts that cannot be put together, as heads or states
        of several studies cannot.
    """
    if not studies:
        raise UserError("studies must hold at least one study; got none.")
    asked = {(str(study.model), study.provenance["seed"]) for study in studies}
    if len(asked) > 1:
        raise UserError(f"studies must be of one model and seed; got {len(asked)} of them. Join those of one.")
    found: dict[str, TextAccuracy] = {}
    for task in (task for study in studies for task in study.tasks):
        found[task.task] = _longer(found[task.task], task) if task.task in found else task
    tasks = tuple(found.values())
    command = one_command([study.provenance["command"] for study in studies])
    first, heads, state = studies[0], _only(studies, "heads"), _only(studies, "state")
    return replace(
        first,
        verdict=language_verdict(tasks, state),
        tasks=tasks,
        provenance=first.provenance | {"command": command},
        heads=heads,
        state=state,
    )


def _only(studies: Sequence[LanguageStudy], part: str) -> Any:
    """The heads or the state of the one study that has them; None where none has.

    Raises: UserError where several have, as one alone could be kept.
    """
    found = [value for study in studies if (value := getattr(study, part)) is not None]
    if len(found) > 1:
        raise UserError(f"studies must have {part} in one of them at most; got {len(found)}. Leave the others out.")
    return found[0] if found else None


def one_command(commands: Sequence[str]) -> str:
    """Say several commands as one line of a shell, in which what they share stands once.

    >>> print(one_command(["interp language --strings 4 --tasks copy", "interp language --strings 4 --tasks passkey"]))
    for part in '--tasks copy' '--tasks passkey'; do interp language --strings 4 $part; done
    """
    different = list(dict.fromkeys(commands))
    words = [shlex.split(command) for command in different]
    alike = next((i for i, column in enumerate(zip(*words, strict=False)) if len({*column}) > 1), min(map(len, words)))
    while alike and any(rest[alike:] and not rest[alike].startswith("--") for rest in words):
        alike -= 1  # an option and its values stay together
    rests = [rest[alike:] for rest in words]
    if len(different) < 2 or not alike or any(word != shlex.quote(word) for rest in rests for word in rest):
        return "; ".join(different)  # the shell would split at blanks within a word
    parts = " ".join(f"'{' '.join(rest)}'" for rest in rests)
    return f"for part in {parts}; do {shlex.join(words[0][:alike])} $part; done"


def _longer(one: TextAccuracy, other: TextAccuracy) -> TextAccuracy:
    """One task at the lengths of both, shortest first."""
    kinds = {(part.unit, part.measure, part.free, part.right.shape[1]) for part in (one, other)}
    if len(kinds) > 1 or {*one.lengths} & {*other.lengths}:
        raise UserError(
            f"studies must ask {one.task} alike, at other lengths; got {list(one.lengths)} and {list(other.lengths)}. "
            "Leave one out."
        )
    lengths = np.array([*one.lengths, *other.lengths])
    order = np.argsort(lengths)
    return replace(
        one,
        lengths=tuple(lengths[order].tolist()),
        tokens=tuple(np.array([*one.tokens, *other.tokens])[order].tolist()),
        right=np.concatenate([one.right, other.right])[order],
        share=np.concatenate([one.share, other.share])[order],
        examples=tuple(sorted([*one.examples, *other.examples], key=lambda example: example.length)),
    )
