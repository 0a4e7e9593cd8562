"""Which heads of a copier look letters up, where, and how many letters they match."""

from dataclasses import dataclass
from typing import Any

from interp.base.seeds import own_generator
from interp.measure.heads.backwards import backward_heads
from interp.measure.heads.effective_n import behavioural_n, causal_n
from interp.measure.heads.margins import head_margins
from interp.measure.heads.settings import HeadSettings
from interp.models.heads import Head, HeadTable
from interp.models.transformer import HookedTransformer
from interp.tasks.base import Task
from interp.tasks.reverse import ReverseCopy

LENGTH = 32
"""Letters of the strings that are asked."""
LONGEST = 10
"""Letters back that are edited, at most."""
STRINGS = 12
SURE = 0.75
"""A model that is right so often after every repeat is not led astray by them; guessing is right half the time."""
KNOWS = 0.5
"""A head that scores its letter above all others this often looks it up."""


@dataclass(frozen=True)
class Lookups:
    """Heads that look letters up, and what limits them."""

    heads: tuple[str, ...]
    behind: int = 0
    """Places behind the letter that is due at which they look."""
    n: int | None = None
    """Letters that they match; None where it cannot be told."""

    @classmethod
    def of(cls, model: HookedTransformer, task: Task, seed: int) -> "Lookups":
        """Look for them in a copier; in a model that writes backwards, for the one head that matches most letters."""
        if not isinstance(task, ReverseCopy):
            return cls(lookup_heads(model, task, seed), n=letters_matched(model, task, seed))
        settings = HeadSettings(longest=LONGEST, strings=4 * STRINGS)
        found = [head for head in backward_heads(model, task, LENGTH, settings, seed).heads if head.flagged]
        if not found:
            return cls(())
        best = max(found, key=lambda head: (head.n or 0, head.attention))
        return cls((best.name,), best.offset, best.n)


def lookup_heads(model: HookedTransformer, task: Task, seed: int) -> tuple[str, ...]:
    """Name the heads that look letters up.

    Where windows bound what keys can hold, they are the heads of the last layer that see everything. Elsewhere they are
    those that score the right place above all others at half of the letters or more; or the one that does it most.
    """
    table = HeadTable.of(model)
    if key_letters(model) is not None:
        last = max(table.by_layer)
        windows = model.config.heads_in(last).windows
        return tuple(str(head) for head in table.by_layer[last] if windows is None or windows[head.index] is None)
    heads = [head for head in table.of_kind("attention") if model.config.heads_in(head.layer).looking]
    known = dict(zip(heads, _known(model, task, heads, seed), strict=True))
    found = [head for head in heads if known[head] >= KNOWS] or [max(heads, key=lambda head: known[head])]
    return tuple(map(str, found))


def letters_matched(model: HookedTransformer, task: Task, seed: int) -> int | None:
    """The model's n: by intervention (`causal_n`), or else as many letters as a key can hold.

    Where neither says it, `LONGEST` for a model that even a repeat of so many letters does not lead astray: it matches
    more of them, or copies by something else, and collisions do not stop it earlier. Else None. Strings of the task
    have to be longer than the two places that are compared.
    """
    found = causal_n(model, task, LENGTH, LONGEST, STRINGS, own_generator("matched", seed)).n
    if found is None:
        found = key_letters(model)
    if found is None:
        right = behavioural_n(model, task, LENGTH, LONGEST, STRINGS, own_generator("repeats", seed)).value
        return LONGEST if min(right) >= SURE else None
    return found


def key_letters(model: HookedTransformer) -> int | None:
    """Letters that a key can hold: one less than the longest window below the last layer, if all there have one.

    The current token is the first of them, and the window ends with the token before the one that is looked up. In a
    single layer it is the window of the convolution before its queries and keys.
    """
    config = model.config
    if config.n_layers == 1:
        return config.conv_in(0) - 1 if config.conv_in(0) else None
    windows = [w for layer in range(config.n_layers - 1) for w in config.heads_in(layer).windows or (None,)]
    limited = [w for w in windows if w is not None]
    return max(limited) - 1 if limited and len(limited) == len(windows) else None


def _known(model: Any, task: Task, heads: list[Head], seed: int) -> list[float]:
    """Share of letters at which each head scores the right place above all others."""
    strings = task.sample(STRINGS, LENGTH, own_generator("lookups", seed)).to(model.device)
    return (head_margins(model, strings, heads).over_best > 0).mean(axis=(1, 2)).tolist()
