"""Lengths and letters drawn from a generator, for all strings at once."""

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.budget import check_fits
from interp.base.errors import UserError, shown
from interp.base.seeds import as_generator

Length = int | tuple[int, int]
"""Letters of every string, or the shortest and the longest, both included."""
BYTES = 128
"""Memory that a letter takes while a batch is made, about: it stands in ten tensors."""


def draw_lengths(
    n: int, length: Length, generator: torch.Generator | int, shortest: int = 1, letters: int = 1
) -> Int[Tensor, " batch"]:
    """Draw a length for each string: all the same, or uniform over (shortest, longest), both included.

    Args:
        shortest: the least that is allowed.
        letters: letters of the string for each that its length counts, where that counts pairs or entries.

    Raises: UserError for less than one string, an empty range, a length below `shortest`, or strings that do not
        fit into memory.
    """
    low, high = span(length)
    if isinstance(n, bool) or not isinstance(n, int) or n < 1:
        raise UserError(f"the number of strings must be an integer of at least 1; got {shown(n)}.")
    if low < shortest:
        raise UserError(f"these strings must have at least {shortest} letters; got {low}.")
    check_fits(n * high * letters * BYTES, f"{n:,} strings of {high * letters:,} letters")
    return low + below(torch.full((n,), high - low + 1), as_generator(generator))


def span(length: Any) -> tuple[int, int]:
    """Take a length, or a range of lengths, as (shortest, longest).

    Raises: UserError for what is neither.
    """
    ends = (length, length) if not isinstance(length, tuple | list) else tuple(length)
    if len(ends) != 2 or any(isinstance(end, bool) or not isinstance(end, int) for end in ends) or ends[0] > ends[1]:
        raise UserError(f"length must be an integer, or a pair (shortest, longest); got {shown(length)}.")
    return ends


def draw_letters(
    n: int,
    width: int,
    alphabet: int,
    generator: torch.Generator | int,
    letters_per_string: int | Int[Tensor, " batch"] | None = None,
) -> Int[Tensor, "batch letter"]:
    """Draw letters 0, 1, ..., independent and uniform over the alphabet, or over a random subset for each string.

    Args:
        letters_per_string: size of the subset, for all strings or for each; None: the whole alphabet.

    Raises: UserError for a subset that is empty or larger than the alphabet, or fewer than no strings or letters.
    """
    generator = as_generator(generator)
    if n < 0 or width < 0:
        raise UserError(f"strings and their letters must not be fewer than none; got {n} strings of {width} letters.")
    if letters_per_string is None:
        return torch.randint(alphabet, (n, width), generator=generator)
    sizes = torch.as_tensor(letters_per_string).expand(n)
    if n and not 1 <= int(sizes.min()) <= int(sizes.max()) <= alphabet:
        raise UserError(f"letters_per_string must be 1 to {alphabet} different letters; got {letters_per_string}.")
    subset = torch.rand(n, alphabet, generator=generator, dtype=torch.float32).argsort(dim=1)
    return subset.gather(1, below(sizes[:, None].expand(n, width), generator))


def below(bound: Int[Tensor, "*axes"], generator: torch.Generator) -> Int[Tensor, "*axes"]:
    """Draw uniformly from 0, ..., bound - 1, each element with a bound of its own (bias below bound / 2^62)."""
    return torch.randint(2**62, bound.shape, generator=generator) % bound
