"""Which tokens of a pretrained model serve as letters of random strings."""

from typing import Any

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.tasks.vocabulary import Vocabulary

MOST_LETTERS = 1000
"""Tokens of a pretrained model that serve as its letters: many enough that n-grams do not recur by chance."""
FEWEST_LETTERS = 26


@checked_call
def vocabulary_over(model: Any, seed: int = 0, separator: bool = False) -> Vocabulary:
    """Choose letters for a pretrained model: `MOST_LETTERS` of its ordinary tokens (of fewer, all), drawn at random.

    A string is BOS c a b c a b, with no separator and no end. The padding is one more ordinary token; it stands behind
    the string, where nothing is asked.

    Args:
        model: a bridge, or what else is `Pretrained`.
        seed: of the draw.
        separator: whether one more ordinary token is the separator of tasks that need one.

    Raises: UserError for a model with too few ordinary tokens, or none that begins a text.
    """
    from interp.models.pretrained.bridge import begin_token, ordinary_tokens

    bos = begin_token(model)
    tokens = [token for token in ordinary_tokens(model) if token != bos]
    marks = 1 + separator
    n = min(MOST_LETTERS, len(tokens) - marks)
    if n < FEWEST_LETTERS:
        least = FEWEST_LETTERS + marks
        raise UserError(
            f"a model must have at least {least} ordinary tokens for random strings; got {len(tokens)}. "
            "Choose one with a larger vocabulary."
        )
    drawn = torch.randperm(len(tokens), generator=as_generator(seed))[: n + marks].tolist()
    letters, (pad, *rest) = [tokens[index] for index in drawn[:n]], [tokens[index] for index in drawn[n:]]
    return Vocabulary(n, bos=bos, separator=rest[0] if rest else None, eos=None, pad=pad, letter_ids=tuple(letters))
