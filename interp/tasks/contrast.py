"""How a string and its answer change when one letter of the string is another."""

from dataclasses import replace

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.errors import UserError
from interp.tasks.batch import Batch, ContrastPair
from interp.tasks.sampling import below
from interp.tasks.vocabulary import Vocabulary


def change_one_letter(
    batch: Batch,
    vocabulary: Vocabulary,
    generator: torch.Generator,
    place: int | None = None,
    letters: range | None = None,
) -> ContrastPair:
    """Pair strings with others in which one letter, and all that is copied from it, is another letter.

        clean       $ c a b | c a b       place 1: the letter at position 2
        corrupted   $ c d b | c d b       and what the query at position 5 is answered

    Args:
        batch: one string a row, every letter of whose answer has a source.
        vocabulary: whose letters replace the letter, uniformly.
        generator: draws places and letters.
        place: which letter of the answer, 0, 1, ...; None draws it for each string.
        letters: what the answer's letters are drawn from, where that is not the whole alphabet.

    Raises: UserError for a place that an answer does not have, or letters of which no two differ.
    """
    lengths = batch.answer_lengths
    if place is not None and not 0 <= place < int(lengths.min()):
        raise UserError(
            f"place must be a letter of every answer, 0 to {int(lengths.min()) - 1}; got {place}. Draw longer strings."
        )
    index = below(lengths, generator) if place is None else torch.full_like(lengths, place)
    query = (batch.answer & (batch.answer.cumsum(dim=1) == index[:, None] + 1)).byte().argmax(dim=1)
    source = batch.source.gather(1, query[:, None])
    letter = _other_letter(batch.tokens.gather(1, source), vocabulary, letters, generator)

    position = torch.arange(batch.tokens.shape[1])
    copied = batch.answer & (batch.source == source)  # the targets that are copied from it
    follows = torch.nn.functional.pad(copied, (1, 0))[:, :-1]  # as the tokens that they become
    seen = follows & (batch.tokens == batch.targets.roll(1, dims=1))  # a string's last target is not a token
    tokens = torch.where((position == source) | seen, letter, batch.tokens)
    targets = torch.where((position + 1 == source) | copied, letter, batch.targets)
    return ContrastPair(batch, replace(batch, tokens=tokens, targets=targets), query)


def _other_letter(
    token: Int[Tensor, "batch one"], vocabulary: Vocabulary, letters: range | None, generator: torch.Generator
) -> Int[Tensor, "batch one"]:
    """Draw one of the letters, uniform over those that the token is not."""
    among = range(vocabulary.n_letters) if letters is None else letters
    if len(among) < 2:
        raise UserError(f"alphabet must be at least 2 letters, for one to be another; got {len(among)}.")
    ids = vocabulary.ids(torch.tensor(among))
    number = (token == ids).byte().argmax(dim=1, keepdim=True)
    step = 1 + below(torch.full_like(number, len(among) - 1), generator)
    return ids[(number + step) % len(among)]
