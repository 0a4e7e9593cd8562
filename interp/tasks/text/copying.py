"""Copying a text, in order or shuffled; and the same text token by token from a mark on, as states are measured."""

from dataclasses import dataclass, field
from typing import ClassVar, Literal

import torch

from interp.base.errors import UserError
from interp.tasks.text.base import TextTask
from interp.tasks.text.corpus import ROUNDS, Corpus
from interp.tasks.text.prompts import Prompt

BLANK_LINE = "\n\n"


@dataclass(frozen=True)
class TextCopy(TextTask):
    """Write a text once more, after its first word.

    `paper` is the paper's prompt: TEXT, blank line, TEXT, blank line, first word. `plain` shows the text once. In both
    the answer is the rest of the text, and its source the copy that was read last. A length counts the text's tokens.
    """

    corpus: Corpus = field(default_factory=Corpus.read)
    form: Literal["paper", "plain"] = "paper"
    order: Literal["text", "words", "tokens"] = "text"
    """As it is; its words shuffled, as the paper says; or its tokens, as the paper's code does."""

    ends: ClassVar[str] = BLANK_LINE

    def one(self, length: int, generator: torch.Generator) -> Prompt:
        if length < 2:
            raise UserError(f"length must be at least 2 tokens, a first word and a rest; got {length}.")
        for _ in range(ROUNDS):
            text = self.corpus.cut(self.writer, length, generator)
            if self.order == "tokens":
                return self._of_tokens(text, generator)
            words = text.split(" ")
            if self.order == "words":
                words = [words[i] for i in torch.randperm(len(words), generator=generator)]
            shuffled = " ".join(words)
            if len(words) > 1 and self.writer.count(shuffled) == length:
                return self._of_text(shuffled, len(words[0]), length)
        raise UserError(f"text must have two words within {length} tokens; got {self.corpus.name}. Name another text.")

    def _of_text(self, text: str, first: int, length: int) -> Prompt:
        shown, rest = [text] * (2 if self.form == "paper" else 1), text[first:]
        asked = BLANK_LINE.join([*shown, text[:first]])
        start = (len(text) + len(BLANK_LINE)) * (len(shown) - 1)
        return self.writer.prompt(asked, rest, [(0, start + first, len(rest))], length)

    def _of_tokens(self, text: str, generator: torch.Generator) -> Prompt:
        """The tokens themselves are put together, since other merges would be made of their text."""
        found = self.writer.encode(text)[0]
        found = [found[i] for i in torch.randperm(len(found), generator=generator)]
        blank, times = self.writer.encode(BLANK_LINE)[0], 2 if self.form == "paper" else 1
        asked = [*(found + blank) * times, found[0]]
        start = (len(found) + len(blank)) * (times - 1)
        return self.writer.of_tokens(asked, found[1:], range(start + 1, start + len(found)), len(found))


@dataclass(frozen=True)
class TextAgain(TextTask):
    """Write a text again, from its first token on, after what stands between the two.

    No word of the answer is given: at the last token of the mark all that a model knows of the text is what it carries,
    so that every measure of a state that needs a separator can be taken on text. A length counts the text's tokens.
    """

    corpus: Corpus = field(default_factory=Corpus.read)
    between: str = BLANK_LINE
    """What stands between the text and its copy; at least one token."""

    ends: ClassVar[str] = BLANK_LINE

    @property
    def has_prompt_end(self) -> bool:
        return True

    def one(self, length: int, generator: torch.Generator) -> Prompt:
        if not (mark := self.writer.encode(self.between)[0]):
            raise UserError("between must be at least one token, which asks for the copy; got none.")
        text = self.corpus.cut(self.writer, length, generator)
        found = self.writer.encode(text)[0]
        return self.writer.of_tokens([*found, *mark], found, range(length), length, text=text + self.between)
