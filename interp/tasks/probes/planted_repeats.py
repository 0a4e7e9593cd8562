"""Probes that make n identifiable: copy strings in which two places agree in exactly k letters.

On a plain copy every n-gram lookup looks at the same place, whatever its n. Here a *rival* place competes with it:

    planted_repeats, k = 2     e [c a] b d ... f [c a] d e     maximal: neighbours differ on both sides
    offset_swaps,    t = 1     e [b c a] d ... f [b d a] e     the last K letters agree except for the one t letters
    back order_swaps, t = 1, 2      e [b c a] d ... f [c b a] e     the last K letters agree but that two are exchanged

The query is the copied last letter of one place; the answer is the letter that follows it, the rival's another one.
"""

from typing import Literal

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.tasks.base import Task, need
from interp.tasks.probes.probe import Probe, asking_for, probe_of
from interp.tasks.sampling import below, draw_lengths, span


@checked_call
def planted_repeats(
    task: Task,
    k: Int[Tensor, " batch"],
    length: int | tuple[int, int],
    generator: torch.Generator | int,
    exclusive: bool,
    context: int,
    place: Literal[0, 1] | None = None,
) -> Probe:
    """Draw strings that each hold a maximal repeat of exactly k letters: two places without overlap, whose neighbours
    differ.

    Places are drawn alike for every k in the batch, so that k = 0 (two places whose last letters differ) is the control
    at the same places. The match of the query with its true source is at least `context` + 1 letters long, and longer
    than every k.

    >>> task = interp.CopyTask()
    >>> probe = interp.tasks.planted_repeats(task, torch.tensor([2]), 14, 0, exclusive=True, context=4)
    >>> task.decode(probe.batch.tokens)
    ['$ltrqzasrcnqqzm|ltrqzasrcnqqzm']

    Args:
        k: letters of the repeat, for each string.
        length: letters of the string, or (shortest, longest) drawn for each string. A range tells a lookup from a head
            that attends at a fixed distance.
        exclusive: the repeat's last letter stands nowhere else in the string (k = 0: the query's letter), so that no
            third place competes. It needs an alphabet of 3 letters, otherwise 2.
        context: letters of the string that stand before the query's own letter, at least.
        place: which of the two places is asked about, 0 or 1; None draws it. About the second the copy's own first
            place competes, too.

    Raises: UserError if it does not fit, naming what would.
    """
    _need_letters(task, 3 if exclusive else 2, "an exclusive repeat" if exclusive else "a repeat")
    generator, k, longest = as_generator(generator), k.cpu(), int(k.max())
    if int(k.min()) < 0:
        raise UserError(f"k must be at least 0 letters; got {int(k.min())}.")
    lengths, width, ends = _places(len(k), length, longest, max(context, longest), generator)
    asked, true, other = _ask(ends, generator, place)

    n_common = task.n_letters - exclusive
    letters, named = _background(task, len(k), width, int(exclusive), generator)
    letters = _agree(letters, ends, k, n_common, generator)
    if named is not None and not exclusive:
        letters = named.gather(1, letters)
    if exclusive:
        names = _shuffled_alphabets(len(k), task.n_letters, generator) if named is None else named
        letters = _put(names.gather(1, letters), true, names[:, -1])
        letters = _put(letters, torch.where(k > 0, other, true), names[:, -1])
    return probe_of(task.layout(letters, lengths), k, true, other, asked, rivalled=k > 0)


@checked_call
def offset_swaps(
    task: Task,
    offset: Int[Tensor, " batch"],
    context: int,
    length: int | tuple[int, int],
    generator: torch.Generator | int,
) -> tuple[Probe, Tokens]:
    """Draw strings for the causal effective n: a rival place agrees with the true one in all of the last K letters but
    one.

    In the edited tokens the *copied* letter `offset` letters back from the query is the rival's. An n-gram lookup with
    n <= K moves to the rival if and only if offset < n: for offset >= n both places match before and after.
    The last letters of both places stand nowhere else in the string. (Corrupting a letter without a rival would not
    be enough: a head that counts matching letters stays where it is.)

    >>> probe, edited = interp.tasks.offset_swaps(interp.CopyTask(), torch.tensor([1]), 4, 14, generator=0)
    >>> int((probe.batch.tokens != edited).sum())
    1

    Args:
        offset: 0, ..., `context` - 1 letters back from the last letter of the place, for each string.
        context: K, letters of the places. At least as many stand before either place's last letter.
        length: as in `planted_repeats`.

    Returns:
        the probe, unedited (its k is the offset: that many last letters agree), and the edited tokens.

    Raises: UserError if it does not fit, naming what would. It needs an alphabet of 4 letters.
    """
    _need_letters(task, 4, "a rival place with letters of its own")
    generator, offset = as_generator(generator), offset.cpu()
    if not 0 <= int(offset.min()) <= int(offset.max()) < context:
        asked = f"{int(offset.min())} to {int(offset.max())}"
        raise UserError(f"offsets must be 0 to {context - 1}, into {context} letters; got {asked}.")
    lengths, width, ends = _places(len(offset), length, context, context, generator)
    place, true, other = _ask(ends, generator)

    n_common = task.n_letters - 2
    common, named = _background(task, len(offset), width, 2, generator)
    common = _agree(common, ends, torch.full_like(offset, context), n_common, generator)
    common = _differ(common, ends[0] - offset, ends[1] - offset, n_common, generator)
    names = _shuffled_alphabets(len(offset), task.n_letters, generator) if named is None else named
    letters = _put(names.gather(1, common), true, names[:, -1])
    letters = _put(letters, other, torch.where(offset == 0, names[:, -2], names[:, -1]))

    whole = task.layout(letters, lengths)
    probe = probe_of(whole, offset, true, other, place, rivalled=offset >= 0)
    rival_letter = whole.targets.gather(1, asking_for(whole, other - offset)[:, None])[:, 0]
    return probe, _put(whole.tokens, probe.query - offset, rival_letter)


def order_swaps(
    task: Task,
    near: Int[torch.Tensor, " batch"],
    far: Int[torch.Tensor, " batch"],
    context: int,
    length: int | tuple[int, int],
    generator: torch.Generator | int,
) -> tuple[Probe, Tokens]:
    """Strings that tell an n-gram from a bag of letters: a rival place holds the same letters, two of them exchanged.

    In the edited tokens the two *copied* letters are exchanged, as they are at the rival place. A lookup that asks for
    both, in order, moves to the rival; one that compares bags of letters stays where it is.

    Args:
        near, far: how many letters back from the last one the two are, for each string; `near` is the smaller.
        context: K, letters of the places; more than the largest `far`.
        task, length, generator: as in `offset_swaps`.

    Returns: the probe, unedited (its k is `near`: that many last letters agree), and the edited tokens.

    Raises: UserError if it does not fit, naming what would. It takes an alphabet of 4.
    """
    _need_letters(task, 4, "a rival place with its letters exchanged")
    generator, near, far = as_generator(generator), near.cpu(), far.cpu()
    lengths, width, ends = _places(len(near), length, context, context, generator)
    place, true, other = _ask(ends, generator)

    n_common = task.n_letters - 2
    common, named = _background(task, len(near), width, 2, generator)
    common = _agree(common, ends, torch.full_like(near, context), n_common, generator)
    common = _differ(common, true - near, true - far, n_common, generator)
    names = _shuffled_alphabets(len(near), task.n_letters, generator) if named is None else named
    letters = _put(_put(names.gather(1, common), true, names[:, -1]), other, names[:, -1])
    of_far = letters.gather(1, (true - far)[:, None])[:, 0]
    letters = _put(letters, true - far, torch.where(near == 0, names[:, -2], of_far))
    one, two = (letters.gather(1, (true - t)[:, None])[:, 0] for t in (near, far))
    letters = _put(_put(letters, other - near, two), other - far, one)

    probe = probe_of(task.layout(letters, lengths), near, true, other, place, rivalled=near >= 0)
    here, there = probe.query - near, probe.query - far
    one, two = (probe.batch.tokens.gather(1, at[:, None])[:, 0] for at in (here, there))
    return probe, _put(_put(probe.batch.tokens, here, two), there, one)


def _need_letters(task: Task, least: int, what: str) -> None:
    need(task, "lays_out_letters")
    if (alphabet := task.n_letters) < least:
        raise UserError(f"alphabet must be at least {least} letters for {what}; got {alphabet}.")


def _places(
    n: int, length: int | tuple[int, int], reach: int, before: int, generator: torch.Generator
) -> tuple[Tensor, int, tuple[Tensor, Tensor]]:
    """Lengths, the greatest, and where the places end (index of their last letter), uniform over all pairs that fit.

    `before` letters before each end, a letter after it, and between the places two letters at least, so that the
    neighbours of one are not the neighbours of the other.
    """
    shortest = before + reach + 4
    lengths = draw_lengths(n, length, generator, shortest)
    room = lengths - shortest
    # Two different numbers out of room + 2, in order: the second less one is a pair with repetition out of room + 1.
    one, another = below(room + 2, generator), below(room + 1, generator)
    another = another + (another >= one)
    first = before + torch.minimum(one, another)
    second = before + reach + 1 + torch.maximum(one, another)
    return lengths, span(length)[1], (first, second)


def _ask(
    ends: tuple[Tensor, Tensor], generator: torch.Generator, place: int | None = None
) -> tuple[Tensor, Tensor, Tensor]:
    """Which place is asked about (drawn, unless told), its end, and the other's."""
    two = torch.full_like(ends[0], 2)
    asked = below(two, generator) if place is None else torch.full_like(two, place)
    return asked, torch.where(asked == 0, *ends), torch.where(asked == 0, *ends[::-1])


def _agree(
    letters: Tensor, ends: tuple[Tensor, Tensor], k: Tensor, n_letters: int, generator: torch.Generator
) -> Tensor:
    """Write the first place's last k letters over the second's, and make the neighbours differ."""
    first, second = (end[:, None] for end in ends)
    index = torch.arange(letters.shape[1]).expand_as(letters)
    inside = (index > second - k[:, None]) & (index <= second)
    letters = letters.gather(1, torch.where(inside, index - (second - first), index))
    letters = _differ(letters, ends[0] - k, ends[1] - k, n_letters, generator)
    return _differ(letters, ends[0] + 1, ends[1] + 1, n_letters, generator)


def _differ(letters: Tensor, here: Tensor, there: Tensor, n_letters: int, generator: torch.Generator) -> Tensor:
    """Draw the letter `there` again, uniform over the letters that do not stand `here`."""
    step = 1 + below(torch.full_like(here, n_letters - 1), generator)
    return _put(letters, there, (letters.gather(1, here[:, None])[:, 0] + step) % n_letters)


def _put(letters: Tensor, index: Tensor, values: Tensor) -> Tensor:
    return letters.scatter(1, index[:, None], values[:, None])


def _shuffled_alphabets(n: int, alphabet: int, generator: torch.Generator) -> Tensor:
    """For each string the alphabet in random order: common letters first, the reserved ones last."""
    return torch.rand(n, alphabet, generator=generator, dtype=torch.float32).argsort(dim=1)


def _background(
    task: Task, n: int, width: int, reserved: int, generator: torch.Generator
) -> tuple[Tensor, Tensor | None]:
    """Letters that repeats are planted into: uniform; or those of a task whose strings are not, with each string's
    alphabet in random order, its own letters first and letters that it lacks last, by whose places they are named."""
    if (own := task.background(n, width, generator)) is None:
        return torch.randint(task.n_letters - reserved, (n, width), generator=generator), None
    order = torch.rand(n, task.n_letters, generator=generator, dtype=torch.float32).scatter(1, own, -1.0)
    if int((order >= 0).sum(dim=1).min()) < reserved:
        raise UserError(
            f"strings must lack {reserved} letters of {task.n_letters}; got some that do not. Ask for shorter ones."
        )
    names = order.argsort(dim=1)
    return names.argsort(dim=1).gather(1, own), names
