"""Strings in which some n-gram is unique: what the official code asks of a string before it looks anything up."""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from interp.base.errors import UserError
from interp.tasks.sampling import draw_letters

TRIES = 10
"""How often the official code draws a string before it gives up."""
LARGEST = 2**62


def draw_with_a_unique_gram(
    lengths: Int[Tensor, " batch"], n: int, places: Int[Tensor, " batch"], alphabet: int, generator: torch.Generator
) -> Int[Tensor, "batch letter"]:
    """Draw letters until each string has an n-gram that stands once among its first `places`.

    Raises: UserError for a string that has none in as many draws as the official code takes.
    """
    width = int(lengths.max())
    letters = draw_letters(len(lengths), width, alphabet, generator)
    for _ in range(TRIES - 1):
        lacking = ~has_a_unique_gram(letters, n, places)
        if not lacking.any():
            return letters
        fresh = draw_letters(len(lengths), width, alphabet, generator)
        letters = torch.where(lacking[:, None], fresh, letters)
    if has_a_unique_gram(letters, n, places).all():
        return letters
    raise UserError(
        f"a string must have an n-gram that stands once; got none of {n} of {alphabet} letters in {TRIES} strings of "
        f"{width}. Use longer n-grams, a larger alphabet or shorter strings."
    )


def has_a_unique_gram(
    letters: Int[Tensor, "batch letter"], n: int, places: Int[Tensor, " batch"]
) -> Bool[Tensor, " batch"]:
    """Whether one of the n-grams that begin at a string's first `places` stands there once."""
    found = grams(letters, n)
    base = int(letters.max()) + 1
    names = found[..., 0]
    for offset in range(1, n):
        if int(names.max()) >= LARGEST // base:  # the number of a long n-gram would not fit: its rank does
            names = _ranked(names)
        names = names * base + found[..., offset]
    outside = torch.arange(names.shape[1]) >= places[:, None]
    ordered = names.masked_fill(outside, LARGEST).sort(dim=1).values
    differ = torch.nn.functional.pad(ordered[:, 1:] != ordered[:, :-1], (1, 1), value=True)
    return (differ[:, 1:] & differ[:, :-1] & (ordered < LARGEST)).any(dim=1)


def grams(letters: Int[Tensor, "batch letter"], n: int) -> Int[Tensor, "batch place n"]:
    """The n-gram that begins at each place."""
    return letters.unfold(1, n, 1)


def _ranked(values: Int[Tensor, "batch place"]) -> Int[Tensor, "batch place"]:
    """0 for a row's smallest value, 1 for the next larger one, and so on: small names for what is equal."""
    ordered, order = values.sort(dim=1)
    rank = torch.nn.functional.pad((ordered[:, 1:] != ordered[:, :-1]).long().cumsum(dim=1), (1, 0))
    return torch.empty_like(rank).scatter(1, order, rank)
