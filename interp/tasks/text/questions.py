"""Questions over paragraphs, in the format of SQuAD and of the paper."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from interp.base.errors import UserError, shortened, shown
from interp.base.files import read_json
from interp.base.paths import expanded, is_file
from interp.base.seeds import as_generator
from interp.tasks.text.base import TextTask, draw, exact_match, f1
from interp.tasks.text.corpus import OWN, ROUNDS, Corpus
from interp.tasks.text.prompts import Prompt


@dataclass(frozen=True)
class Paragraph:
    """A paragraph and its questions, each with the answers that are right and the sign at which the first stands."""

    context: str
    questions: tuple[tuple[str, tuple[str, ...], int], ...]


@dataclass(frozen=True)
class Questions(TextTask):
    """Answer a question over a paragraph, of which another question is shown answered, as in the paper.

    A length counts the tokens of the context: a paragraph amid others of the set, cut so that it fits exactly. A range
    takes paragraphs as they are, whose tokens lie within it: the paper's bins.
    """

    paragraphs: tuple[Paragraph, ...] = field(default_factory=lambda: read_questions())

    def prompts(self, n: int, length: int | tuple[int, int], generator: torch.Generator | int) -> tuple[Prompt, ...]:
        if isinstance(length, int):
            return super().prompts(n, length, generator)
        drawn, (low, high) = as_generator(generator), length
        sizes = [self.writer.count(paragraph.context) for paragraph in self.paragraphs]
        fits = [p for p, size in zip(self.paragraphs, sizes, strict=True) if low <= size <= high]
        if not fits:
            raise UserError(
                f"length must be a range that paragraphs have, {min(sizes)} to {max(sizes)} tokens; got {low} to "
                f"{high}."
            )
        chosen = (fits[draw(len(fits), drawn)] for _ in range(n))
        return tuple(self._asked(p, p.context, 0, self.writer.count(p.context), drawn) for p in chosen)

    def one(self, length: int, generator: torch.Generator) -> Prompt:
        for _ in range(ROUNDS):
            at = draw(len(self.paragraphs), generator)
            own = self.paragraphs[at]
            others = " ".join(p.context for p in self.paragraphs[at + 1 :] + self.paragraphs[:at])
            if (rest := length - self.writer.count(own.context)) < 0:
                continue
            if not rest:
                return self._asked(own, own.context, 0, length, generator)
            if not others.strip():
                break
            around = Corpus(others, "the paragraphs").cut(self.writer, rest, generator).split(" ")
            here = draw(len(around) + 1, generator)
            before = "".join(f"{word} " for word in around[:here])
            context = before + " ".join([own.context, *around[here:]])
            if self.writer.count(context) == length:
                return self._asked(own, context, len(before), length, generator)
        shortest = min(self.writer.count(p.context) for p in self.paragraphs)
        if len(self.paragraphs) == 1:
            raise UserError(
                f"length must be that of the only paragraph, {shortest} tokens; got {length}. Name a file with more "
                "paragraphs."
            )
        raise UserError(
            f"length must be at least that of the shortest paragraph, {shortest} tokens; got {length}. Ask for more."
        )

    def _asked(self, paragraph: Paragraph, context: str, shift: int, length: int, generator: torch.Generator) -> Prompt:
        shown, asked = torch.randperm(len(paragraph.questions), generator=generator)[:2].tolist()
        example, (solved, *_), _ = paragraph.questions[shown]
        question, accepted, at = paragraph.questions[asked]
        text = f"{context}\n\nQuestion: {example}\nAnswer: {solved}\n\nQuestion: {question}\nAnswer:"
        answer = f" {accepted[0]}"
        return self.writer.prompt(text, answer, [(0, shift + at - 1, len(answer))] if at else [], length, accepted)

    def exact(self, prompt: Prompt, written: str) -> float:
        """Return 1 if the answer is one of those accepted, normalised as SQuAD does; else 0."""
        return exact_match(self.cut(written), prompt.accepted)

    def f1(self, prompt: Prompt, written: str) -> float:
        """Return the F1 of the answer's words, normalised as SQuAD does."""
        return f1(self.cut(written), prompt.accepted)


def read_questions(path: str | Path = "") -> tuple[Paragraph, ...]:
    """Read questions in SQuAD's format; without a path, the small set that comes with this package.

    Returns: the paragraphs with at least two questions that have an answer, one to be shown and one to be asked.

    Raises: UserError for a file that is not there, or holds no such paragraph; InterpError for damaged JSON.
    """
    file = expanded(path, "questions") if str(path) else OWN / "questions.json"
    if not is_file(file):
        name = shortened(str(file))
        raise UserError(f"questions must be a file in SQuAD's format; got {name}, where there is none. Check the path.")
    document = read_json(file, "a set of questions")
    try:
        found = [_paragraph(p) for article in document["data"] for p in article["paragraphs"]]
    except (KeyError, TypeError, ValueError, IndexError, AttributeError):
        raise UserError(
            f"questions must be in SQuAD's format (data, paragraphs, context, qas); got {file}, which is not. Name "
            "another file."
        ) from None
    if not (kept := tuple(p for p in found if len(p.questions) > 1)):
        raise UserError(
            f"questions must be at least two of a paragraph, with answers; got {file}, where none has as many. Name "
            "another file."
        )
    if astray := next((told for p in kept for told in _astray(p)), None):
        raise UserError(
            f"answer_start must be where an answer stands in its context; got {file}, where {shown(astray)} does not. "
            "Mend the file."
        )
    return kept


def _astray(paragraph: Paragraph) -> list[str]:
    """Answers that do not stand where the file says: nothing could be said of what they are copied from."""
    answers = [(told[0], start) for _, told, start in paragraph.questions]
    return [told for told, start in answers if paragraph.context[start : start + len(told)] != told]


def _paragraph(entry: Mapping[str, Any]) -> Paragraph:
    """A paragraph as it stands in the file; line ends are blanks, which leaves every sign at its place."""
    context = _text(entry["context"])
    questions = [
        (str(asked["question"]).strip(), tuple(dict.fromkeys(_text(a["text"]) for a in asked["answers"])), first)
        for asked in entry["qas"]
        if asked["answers"] and (first := int(asked["answers"][0]["answer_start"])) >= 0
    ]
    return Paragraph(context, tuple(questions))


def _text(value: Any) -> str:
    """A text of the file. Raises: TypeError for anything else."""
    if not isinstance(value, str):
        raise TypeError
    return value.replace("\n", " ")
