"""`TextStrings`: the copy task on natural text, token by token, so that heads are scored on text as on letters."""

from dataclasses import dataclass, field, replace
from typing import ClassVar

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.errors import UserError, shown
from interp.base.seeds import as_generator
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask
from interp.tasks.sampling import Length, draw_lengths, span
from interp.tasks.text.corpus import Corpus
from interp.tasks.text.prompts import Writer


@dataclass(frozen=True)
class TextStrings(CopyTask):
    """Asks for a copy of some tokens in a row of a text: BOS, the tokens, the same tokens once more.

    Its letters are the tokens that the text has. Repeats are planted into text as into random letters: places of a text
    agree in exactly k tokens, and the token by which the query asks is one that the string has nowhere else. What is
    changed for it is drawn from all tokens of the text, and so is not natural.
    """

    needs_separator: ClassVar[bool] = False
    text: tuple[int, ...] = field(default=(), repr=False)
    """Letters of the text, 0, 1, ..., in order."""

    @property
    def uniform_letters(self) -> bool:
        return False

    def background(self, n: int, width: int, generator: torch.Generator) -> Int[Tensor, "batch letter"]:
        """Cut out tokens in a row, from places drawn at random.

        Raises: UserError for a text that is too short.
        """
        if (last := len(self.text) - width) < 0:
            raise UserError(f"text must have at least {width} tokens; got {len(self.text)}. Name a longer text.")
        start = torch.randint(last + 1, (n, 1), generator=generator)
        return torch.tensor(self.text)[start + torch.arange(width)]

    def sample(
        self,
        n: int,
        length: Length,
        generator: torch.Generator | int,
        letters_per_string: int | Int[Tensor, " batch"] | None = None,
    ) -> Batch:
        """Draw `n` strings; see `Task.sample`.

        Raises: UserError for a number of letters per string: a text has its own.
        """
        if letters_per_string is not None:
            raise UserError(
                f"letters_per_string must be None on a text; got {shown(letters_per_string)}. Leave it out: a text has "
                "its own letters."
            )
        generator = as_generator(generator)
        lengths = draw_lengths(n, length, generator)
        low, high = span(length)
        return self.layout(self.background(n, high, generator), None if low == high else lengths)


def text_strings(writer: Writer, corpus: Corpus | None = None) -> TextStrings:
    """Make the copy task on a text, in the tokens of a model.

    Args:
        writer: its tokenizer.
        corpus: the text; None: the paragraphs that come with this package.

    Raises: UserError for a text of fewer than two different tokens.
    """
    tokens = writer.encode(" ".join((corpus or Corpus.read()).words))[0]
    known = writer.vocabulary
    ids = tuple(sorted({*tokens} - {known.bos, known.pad}))
    if len(ids) < 2:
        raise UserError(f"text must have at least two different tokens; got {len(ids)}. Name another text.")
    place = {token: letter for letter, token in enumerate(ids)}
    letters = tuple(place[token] for token in tokens if token in place)
    return TextStrings(vocab=replace(known, n_letters=len(ids), letter_ids=ids), text=letters)
