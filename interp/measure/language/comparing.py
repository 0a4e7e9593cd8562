"""The heads of a language model on random tokens, on text and in look-ups: which copy, and are they the same ones?"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import combinations, count

import numpy as np
from jaxtyping import Float

from interp.base.calls import checked_call
from interp.base.seeds import own_generator
from interp.measure.heads.effective_n import causal_n
from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.language.costs import answer_costs
from interp.measure.language.heads import copy_heads, head_curve
from interp.measure.language.likeness import likeness
from interp.models.heads import HeadTable
from interp.models.surface import Model
from interp.results.language import CopyHeads, LanguageHeads, Likeness
from interp.tasks.base import Task
from interp.tasks.text import Corpus, TextCopy, Writer, key_values, phone_book

RANDOM, TEXT, BOOK, PROBE = "random tokens", "text", "phone book", "key-value"
LOOKED_UP = (BOOK, PROBE)
"""Tasks whose answers are short, and scored as the model would write them."""
LONGEST = 4
"""Longest planted repeat of the detector."""
LENGTHS = (18, 22)
"""Tokens of the detector's strings: two places of `LONGEST` + 1 fit."""


@dataclass(frozen=True)
class Amount:
    """How much is measured."""

    length: int = 64
    """Tokens of a random string and of a text."""
    entries: int = 10
    """Entries of phone books and of key-value lists."""
    strings: int = 8
    """Strings of each."""
    first: int = 10
    """How many heads of a ranking are called its first, and are ablated."""
    draws: int = 3
    """Control sets beside each set that is ablated."""
    untrained: int = 3
    """Untrained models that the detector holds the heads against; 0: the detector is not run."""


@checked_call
def language_heads(
    model: Model,
    letters: Task,
    writer: Writer,
    corpus: Corpus | None = None,
    names: tuple[str, ...] | None = None,
    amount: Amount | None = None,
    seed: int = 0,
    on_step: Callable[[str], None] = lambda _: None,
) -> LanguageHeads:
    """Score every head on four tasks, ablate the first ones on text and each one on the key-value probe.

    Where heads look is measured under teacher forcing, in look-ups up to the model's first error in an answer: what a
    run of its own would show (`copy_heads`). In copies what follows an error counts, too: a copy begins with a token
    that nothing, or a single word, asks for, and so with an error as a rule. Heads are ablated in the order of random
    tokens, on texts that nothing was ranked on.

    Args:
        model: a language model with heads.
        letters: copies of random tokens (`Loaded.task`).
        writer: the model's tokenizer.
        corpus: a text; None: the paragraphs of this package.
        names: for phone books; None: those of this package.
        amount: how much is measured.
        seed: of all strings and untrained models.
        on_step: told what is being done, and which step of how many it is.

    Raises: UserError for a model without heads, and for strings that its context does not hold.
    """
    amount, corpus = amount or Amount(), corpus or Corpus.read()
    table = HeadTable.of(model).require().names
    first, total, told = min(amount.first, len(table)), steps(len(table), amount), count(1)

    def step(what: str) -> None:
        on_step(f"{what} ({next(told)} of {total})")

    text = TextCopy(writer, corpus, form="plain")
    tasks = {
        RANDOM: (letters, amount.length),
        TEXT: (text, amount.length),
        BOOK: (phone_book(writer, names), amount.entries),
        PROBE: (key_values(writer), amount.entries),
    }
    batches = {
        name: task.sample(amount.strings, length, own_generator(f"heads on {name}", seed))
        for name, (task, length) in tasks.items()
    }
    found = {}
    for name, batch in batches.items():
        step(f"where heads look on {name}")
        found[name] = copy_heads(model, batch, decoding=name in LOOKED_UP)
    held_out = text.sample(amount.strings, amount.length, own_generator("heads ablated on text", seed))
    curve = head_curve(
        model,
        held_out,
        found[RANDOM].ranked()[:first],
        _counts(first),
        amount.draws,
        own_generator("controls", seed),
        lambda _: step("the first heads ablated on text, and others"),
    )
    cost = answer_costs(model, batches[PROBE], on_step=lambda _: step("every head ablated on the key-value probe"))
    causal = detector = None
    if amount.untrained:
        step("for which n the model copies")
        draw = own_generator("intervention", seed)
        causal = causal_n(model, letters, LENGTHS, LONGEST, 2 * amount.strings, draw)
        step("for which n its heads attend")
        settings = HeadSettings(longest=LONGEST, strings=amount.strings, untrained=amount.untrained)
        draw = own_generator("detector", seed)
        detector = score_heads(model, letters, LENGTHS, draw, settings, seed, feeders=False)
    ranked = [{*found[name].ranked()[:first]} for name in (RANDOM, TEXT, BOOK)]
    return LanguageHeads(
        tasks=tuple(found),
        scores=tuple(found.values()),
        cost=cost,
        curve=curve,
        first=first,
        likeness=likenesses(found, cost, first, seed),
        stay=tuple(name for name in found[RANDOM].ranked()[:first] if all(name in chosen for chosen in ranked)),
        causal=causal,
        detector=detector,
    )


def likenesses(
    found: Mapping[str, CopyHeads], cost: Float[np.ndarray, "head string"], first: int, seed: int
) -> tuple[Likeness, ...]:
    """Compare the rankings by attention on three tasks, and on the probe those by attention, decoding and ablation.

    Args:
        found: task -> scores.
        cost: of each head on the key-value probe.
        first: how many heads of each ranking are compared by name.
        seed: of the bootstrap.
    """
    by_attention = [(name, found[name].attention_by_string) for name in (RANDOM, TEXT, BOOK)]
    probe = found[PROBE]
    on_probe = [
        (f"{PROBE}, attention", probe.attention_by_string),
        (f"{PROBE}, while decoding", probe.retrieval_by_string),
        (f"{PROBE}, ablation", cost),
    ]
    pairs = [*combinations(by_attention, 2), *combinations(on_probe, 2), (by_attention[0], on_probe[2])]
    return tuple(likeness(probe.heads, one, other, first, seed) for one, other in pairs)


def steps(n_heads: int, amount: Amount) -> int:
    """Return how often `language_heads` calls `on_step`."""
    runs = len(_counts(min(amount.first, n_heads))) * (2 + amount.draws)
    return 4 + 1 + runs + n_heads + 2 * bool(amount.untrained)


def _counts(first: int) -> tuple[int, ...]:
    return tuple(sorted({min(n, first) for n in (0, 1, 2, 3, 5, 10, first)}))
