"""A number hidden in a text, at a depth."""

from dataclasses import dataclass, field

import torch

from interp.base.errors import UserError
from interp.tasks.text.base import TextTask, draw
from interp.tasks.text.corpus import ROUNDS, Corpus
from interp.tasks.text.prompts import Prompt

BEFORE = "There is a pass key hidden in this text. Remember it.\n\n"
HIDDEN = "The pass key is {}."
AFTER = "\n\nWhat is the pass key?"


@dataclass(frozen=True)
class TextPasskey(TextTask):
    """Write the number of a sentence that is hidden in a text. A length counts the tokens of text and sentence."""

    corpus: Corpus = field(default_factory=Corpus.read)
    depth: float | None = None
    """Share of the text that stands before the sentence, 0 to 1; None draws it for each prompt."""
    digits: int = 5

    def __post_init__(self) -> None:
        if self.depth is not None and not 0 <= self.depth <= 1:
            raise UserError(f"depth must be a share from 0 to 1; got {self.depth}.")

    def one(self, length: int, generator: torch.Generator) -> Prompt:
        for _ in range(ROUNDS):
            key = str(1 + draw(9, generator)) + "".join(str(draw(10, generator)) for _ in range(self.digits - 1))
            sentence = HIDDEN.format(key)
            if (rest := length - self.writer.count(f" {sentence}")) < 1:
                raise UserError(
                    f"length must be more than the {length - rest} tokens of the sentence with the pass key; got "
                    f"{length}. Ask for a longer text."
                )
            words = self.corpus.cut(self.writer, rest, generator).split(" ")
            share = draw(len(words) + 1, generator) / len(words) if self.depth is None else self.depth
            at = round(share * len(words))
            before = " ".join(words[:at])
            text = " ".join([*([before] if at else []), sentence, *words[at:]])
            if self.writer.count(text) != length:
                continue
            start = len(BEFORE) + len(before) + bool(at) + HIDDEN.index("{") - 1
            answer = f" {key}"
            asked = BEFORE + text + AFTER + " " + HIDDEN.split(" {")[0]
            return self.writer.prompt(asked, answer, [(0, start, len(answer))], length, (key,))
        raise UserError(f"text must leave room for {length} tokens; got {self.corpus.name}. Ask for another length.")

    def cut(self, written: str) -> str:
        """Return the first word, without a full stop."""
        return (written.split() or [""])[0].rstrip(".,;")
