"""How well a language model answers a task in words, by length."""

from collections.abc import Callable, Sequence

import numpy as np

from interp.base.seeds import own_generator
from interp.measure.language.writing import continued, predicted
from interp.models.surface import Model, device
from interp.results.language import Answered, TextAccuracy
from interp.tasks.score import letter_correct
from interp.tasks.text.base import TextTask
from interp.tasks.text.copying import TextCopy
from interp.tasks.text.prompts import Prompt, lay_out
from interp.tasks.text.questions import Questions

SHOWN = 120
"""Signs of a prompt's end that an example shows."""
MORE = 8
"""Tokens that a model may write beyond the longest right answer, so that one that goes on is seen to."""


def text_accuracy(
    model: Model,
    task: TextTask,
    name: str,
    lengths: Sequence[int],
    strings: int,
    seed: int = 0,
    free: bool = False,
    on_step: Callable[[str], None] = lambda _: None,
) -> TextAccuracy:
    """Ask a model prompts of several lengths.

    Copies are teacher-forced, unless they are to be free-running: the same ones are right as a whole. Shorter answers
    are written by the model, cut off where the task says, and compared as text; answers to questions by F1, too.

    Args:
        model: the one whose tokenizer the task has.
        task: what is asked.
        name: of the task.
        lengths: in the task's unit.
        strings: prompts of each length.
        seed: of the prompts: the same for every model with the same tokenizer.
        free: whether copies, too, are written by the model.
        on_step: told which length is asked.
    """
    free = free or not isinstance(task, TextCopy)
    right, share, tokens, examples = [], [], [], []
    for length in lengths:
        on_step(f"{name}, {length} {task.unit}")
        prompts = task.prompts(strings, length, own_generator(f"{name} {length}", seed))
        written = _written(model, task, prompts) if free else _forced(model, task, prompts)
        told, correct, part = zip(*written, strict=True)
        right.append(correct)
        share.append(part)
        tokens.append(float(np.mean([len(p.tokens) + len(p.answer_tokens) for p in prompts])))
        examples.append(Answered(length, prompts[0].text[-SHOWN:], prompts[0].answer, told[0]))
    measure = "F1" if isinstance(task, Questions) else "share of right tokens"
    return TextAccuracy(
        task=name,
        unit=task.unit,
        lengths=tuple(lengths),
        tokens=tuple(tokens),
        right=np.array(right, dtype=bool),
        share=np.array(share, dtype=np.float64),
        measure=measure,
        free=free,
        examples=tuple(examples),
    )


Told = tuple[str, bool, float]
"""What was told, whether it is right, and how much of it is."""


def _written(model: Model, task: TextTask, prompts: Sequence[Prompt]) -> list[Told]:
    most = max(len(p.answer_tokens) for p in prompts) + MORE
    found = []
    for prompt, new in zip(prompts, continued(model, [p.tokens for p in prompts], most), strict=True):
        ended = new.index(end) if (end := task.writer.tokenizer.eos_token_id) in new else len(new)
        text = task.writer.decode(new[:ended])
        pairs = zip(new, prompt.answer_tokens, strict=False)
        part = task.f1(prompt, text) if isinstance(task, Questions) else _mean([a == b for a, b in pairs])
        found.append((task.cut(text), bool(task.exact(prompt, text)), part))
    return found


def _forced(model: Model, task: TextTask, prompts: Sequence[Prompt]) -> list[Told]:
    batch = lay_out(prompts, task.vocabulary.pad).to(device(model))
    first = int(batch.answer.any(dim=0).byte().argmax())
    guess = predicted(model, batch.tokens, first)
    correct = letter_correct(guess, batch)
    return [
        (task.writer.decode(told[asked].tolist()), bool(hit[asked].all()), _mean(hit[asked].tolist()))
        for told, hit, asked in zip(guess.cpu(), correct.cpu(), batch.answer.cpu(), strict=True)
    ]


def _mean(values: Sequence[bool]) -> float:
    return float(np.mean(values))
