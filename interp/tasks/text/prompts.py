"""Prompts with their answers, token by token: `Writer` makes them, `lay_out` puts them into a `Batch`."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch

from interp.base.errors import UserError, shortened, shown
from interp.tasks.batch import Batch
from interp.tasks.vocabulary import Vocabulary

Span = tuple[int, int, int]
"""Signs of the answer that stand in the prompt: the first of them in the answer, in the prompt, and how many."""


@dataclass(frozen=True)
class Prompt:
    """A text that asks, the answer that is right, and where each of its tokens is copied from."""

    text: str
    answer: str
    """As it follows the text, with the blank before it."""
    tokens: tuple[int, ...]
    """Begin token, then those of the text."""
    answer_tokens: tuple[int, ...]
    source: tuple[int, ...]
    """Position in `tokens` of each answer token's source; -1 for none."""
    length: int
    """What was asked for: tokens of the text that is copied or searched, or its entries."""
    accepted: tuple[str, ...] = ()
    """Answers that are right, where there are several."""


@dataclass(frozen=True, eq=False)
class Writer:
    """A tokenizer, as text tasks use it: without marks, and knowing where in the text each token stands.

    Raises: UserError for no tokenizer, or one that does not know where its tokens stand.
    """

    tokenizer: Any
    begin: int
    """Token that stands before every prompt."""
    context: int | None = None
    """Most tokens that the model reads; None where nothing bounds it."""

    def __post_init__(self) -> None:
        if self.tokenizer is None:
            raise UserError(
                "model must have a tokenizer to be asked in words; got none. Pass one: interp.open(model, tokenizer), "
                "or put its files beside the model."
            )
        if not getattr(self.tokenizer, "is_fast", False):
            raise UserError(
                f"tokenizer must know where its tokens stand in a text (a fast one); got a "
                f"{type(self.tokenizer).__name__}. Load it with use_fast=True."
            )

    def encode(self, text: str) -> tuple[list[int], list[tuple[int, int]]]:
        """Return the tokens of a text and the signs that each stands for, (first, after the last)."""
        found = self.tokenizer(text, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        return list(found["input_ids"]), [tuple(pair) for pair in found["offset_mapping"]]

    def count(self, text: str) -> int:
        """Return how many tokens a text has."""
        return len(self.encode(text)[0])

    def decode(self, tokens: Sequence[int]) -> str:
        """Return the text of tokens."""
        return self.tokenizer.decode(list(tokens), clean_up_tokenization_spaces=False)

    @cached_property
    def vocabulary(self) -> Vocabulary:
        """Every token that is text, as the letters of a vocabulary; the padding is the end token or another mark."""
        marks = {*self.tokenizer.all_special_ids, *self.tokenizer.added_tokens_decoder, self.begin}
        ids = tuple(token for token in range(len(self.tokenizer)) if token not in marks)
        pad = next((token for token in sorted(marks) if token != self.begin), ids[-1])
        letters = ids if pad in marks else ids[:-1]
        return Vocabulary(len(letters), bos=self.begin, separator=None, eos=None, pad=pad, letter_ids=letters)

    def prompt(
        self, text: str, answer: str, spans: Sequence[Span], length: int, accepted: Sequence[str] = ()
    ) -> Prompt:
        """Make a prompt of a text and its answer.

        Args:
            text: what the model reads.
            answer: what should follow, with its blank.
            spans: which signs of the answer stand where in the text.
            length: what was asked for.
            accepted: answers that are right.

        Raises: UserError for an answer whose first signs make one token with the text's last, for an empty one, and for
            a prompt that does not fit the model's context.
        """
        asked, _ = self.encode(text)
        whole, offsets = self.encode(text + answer)
        if whole[: len(asked)] != asked:
            raise UserError(
                f"answer must begin with a token of its own; got {shortened(shown(answer))}, which the tokenizer "
                f"merges with the end of its prompt, {shown(text[-12:])}. End the prompt elsewhere."
            )
        if not (told := whole[len(asked) :]):
            raise UserError("answer must have at least one token; got an empty one.")
        source = _sources(whole, offsets, len(asked), len(text), spans)
        return self.of_tokens(asked, told, source, length, accepted, text, answer)

    def of_tokens(
        self,
        asked: Sequence[int],
        told: Sequence[int],
        source: Sequence[int],
        length: int,
        accepted: Sequence[str] = (),
        text: str | None = None,
        answer: str | None = None,
    ) -> Prompt:
        """Make a prompt of tokens; sources count from the first token of the text.

        Raises: UserError for a prompt that does not fit the model's context.
        """
        if self.context is not None and (size := 1 + len(asked) + len(told)) > self.context:
            raise UserError(
                f"a prompt with its answer must have at most {self.context} tokens, the context of this model; got "
                f"{size}. Ask for a shorter length."
            )
        text = self.decode(asked) if text is None else text
        answer = self.decode(told) if answer is None else answer
        places = tuple(place + 1 if place >= 0 else -1 for place in source)
        return Prompt(text, answer, (self.begin, *asked), tuple(told), places, length, tuple(accepted) or (answer,))


def lay_out(prompts: Sequence[Prompt], pad: int) -> Batch:
    """Put prompts and their answers into a batch, padded behind; what is padded is never asked.

    >>> lay_out([Prompt("ab", "c", (9, 0, 1), (2,), (-1,), 2)], pad=8).tokens
    tensor([[9, 0, 1]])
    """
    width = max(len(p.tokens) + len(p.answer_tokens) - 1 for p in prompts)
    shape = (len(prompts), width)
    tokens, source = torch.full(shape, pad), torch.full(shape, -1)
    targets, answer = torch.full(shape, pad), torch.zeros(shape, dtype=torch.bool)
    for row, p in enumerate(prompts):
        whole, first = torch.tensor([*p.tokens, *p.answer_tokens]), len(p.tokens) - 1
        last = len(whole) - 1
        tokens[row, :last], targets[row, :last] = whole[:-1], whole[1:]
        answer[row, first:last], source[row, first:last] = True, torch.tensor(p.source)
    return Batch(tokens, targets, answer.clone(), answer, source)


def _sources(
    whole: Sequence[int], offsets: Sequence[tuple[int, int]], first: int, start: int, spans: Sequence[Span]
) -> list[int]:
    """The token of the prompt that each token of the answer is copied from: the same token, on the same signs.

    Args:
        whole: tokens of text and answer.
        offsets: the signs of each.
        first: the first token of the answer.
        start: the first sign of the answer.
        spans: as in `Writer.prompt`.
    """
    known: dict[tuple[int, int], list[int]] = defaultdict(list)
    for place, signs in enumerate(offsets[:first]):
        known[signs].append(place)
    met: dict[tuple[int, int], int] = defaultdict(int)
    found = []
    for place in range(first, len(whole)):
        signs = offsets[place]
        nth, met[signs] = met[signs], met[signs] + 1  # pieces of one sign stand on the same signs, in order
        at = -1
        for begin, there, size in spans:
            if begin <= signs[0] - start and signs[1] - start <= begin + size:
                shift = there - begin - start
                same = known[signs[0] + shift, signs[1] + shift]
                if nth < len(same) and whole[same[nth]] == whole[place]:
                    at = same[nth]
        found.append(at)
    return found
