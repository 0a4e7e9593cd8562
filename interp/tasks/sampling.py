"""Lengths and letters drawn from a generator, for all strings at once."""

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.errors import UserError


def draw_lengths(
    n: int, length: int | tuple[int, int], generator: torch.Generator, shortest: int = 1
) -> Int[Tensor, " batch"]:
    """A length for each string: all the same, or uniform over (shortest, longest), both included.

    Raises: UserError for a range that is none, or a length below `shortest`.
    """
    low, high = (length, length) if isinstance(length, int) else length
    if low > high:
        raise UserError(f"a range of lengths is (shortest, longest); ({low}, {high}) came.")
    if low < shortest:
        raise UserError(f"these strings need at least {shortest} letters; {low} were asked for.")
    return low + below(torch.full((n,), high - low + 1, device=generator.device), generator)


def draw_letters(
    n: int,
    width: int,
    alphabet: int,
    generator: torch.Generator,
    letters_per_string: int | Int[Tensor, " batch"] | None = None,
) -> Int[Tensor, "batch letter"]:
    """Letters 0, 1, ..., independent and uniform over the alphabet, or over a random subset of it for each string.

    Args:
        letters_per_string: size of the subset, for all strings or for each; None: the whole alphabet.

    Raises: UserError for a subset that is empty or larger than the alphabet.
    """
    device = generator.device
    if letters_per_string is None:
        return torch.randint(alphabet, (n, width), generator=generator, device=device)
    sizes = torch.as_tensor(letters_per_string, device=device).expand(n)
    if n and not 1 <= int(sizes.min()) <= int(sizes.max()) <= alphabet:
        raise UserError(f"a string has 1 to {alphabet} different letters; {letters_per_string} were asked for.")
    subset = torch.rand(n, alphabet, generator=generator, device=device).argsort(dim=1)
    return subset.gather(1, below(sizes[:, None].expand(n, width), generator))


def below(bound: Int[Tensor, "*axes"], generator: torch.Generator) -> Int[Tensor, "*axes"]:
    """Uniform over 0, ..., bound - 1, each element with a bound of its own (bias below bound / 2^62)."""
    return torch.randint(2**62, bound.shape, generator=generator, device=bound.device) % bound
