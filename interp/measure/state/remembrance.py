"""How far back a letter still moves the output: one letter of a string replaced, the answer's distributions compared.

Effective remembrance after Buitrago Ruiz & Gu 2025, with single letters replaced instead of all before a position left
out. The same answer letters are read in both runs, so that the state at the separator alone makes the difference.
"""

from collections.abc import Callable, Iterable, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Logits
from interp.base.errors import UserError
from interp.base.estimates import share_intervals
from interp.base.seeds import as_generator
from interp.measure.state.bits import check_alphabet, check_lengths
from interp.measure.state.blocks import blocks
from interp.measure.state.carried import answer_logits, carry
from interp.models.hooks.model import HookedModel
from interp.results.state import Remembrance
from interp.tasks.base import Batch, Task, need
from interp.tasks.sampling import draw_letters


@torch.no_grad()
def remembrance(
    model: HookedModel,
    task: Task,
    lengths: Sequence[int],
    strings: int,
    generator: torch.Generator | int,
    positions: int = 16,
) -> Remembrance:
    """Total variation of the answer's letter distributions when one letter of the string was another.

    Args:
        model: carries a state from call to call.
        task: draws independent, uniform letters.
        lengths: letters per string.
        strings: for each length; at each place each has its letter replaced by one of the others, uniformly.
        generator: draws the strings and the replacements; or a seed.
        positions: at most so many letters of a length are replaced, one at a time, evenly from first to last.

    Returns: column i is the string's letter i, which stands length - i positions before the separator; nan where none
        was replaced. `elsewhere` is nan for strings of one letter.

    Raises: UserError for a length below 1, fewer than two strings, no positions, or a task of one letter.
    """
    need(task, "lays_out_letters", "uniform_letters", "has_prompt_end")
    check_lengths(lengths)
    check_alphabet(task)
    generator = as_generator(generator)
    if strings < 2 or positions < 1:
        raise UserError(f"strings must be at least 2 and positions at least 1; got {strings} and {positions}.")

    def asked(length: int, places: list[int]) -> tuple[Batch, list[Batch]]:
        """Strings, and the same with the letter of each place replaced."""
        letters = draw_letters(strings, length, task.n_letters, generator)
        shifts = torch.randint(1, task.n_letters, (len(places), strings), generator=generator)
        pairs = zip(places, shifts, strict=True)
        return task.layout(letters), [task.layout(_replaced(letters, at, by, task.n_letters)) for at, by in pairs]

    def answer(wanted: Batch, read: Batch) -> Logits:
        return answer_logits(model, wanted, carry(model, read))

    return by_place(lengths, positions, asked, answer, lambda batch: blocks(batch, model.device), model.device)


def by_place(
    lengths: Sequence[int],
    positions: int,
    asked: Callable[[int, list[int]], tuple[Batch, list[Batch]]],
    answer: Callable[[Batch, Batch], Logits],
    in_blocks: Callable[[Batch], Iterable[slice]],
    device: torch.device,
) -> Remembrance:
    """Compare the answers of strings with those of the same strings in which one place is another.

    Args:
        lengths: places of a string.
        positions: at most so many of them are replaced, evenly from first to last.
        asked: makes the strings of a length, and for each place the strings with it replaced.
        answer: logits of the answer of the first batch when the prompts of the second were read.
        in_blocks: rows that are run at once.
        device: of the model.
    """
    shape = len(lengths), max(lengths)
    effect, elsewhere, interval = np.full(shape, np.nan), np.full(shape, np.nan), np.full((*shape, 2), np.nan)
    for row, length in enumerate(lengths):
        places = np.unique(np.linspace(0, length - 1, min(positions, length)).round().astype(int))
        batch, changed = asked(length, places.tolist())
        own, rest = _moved(batch, changed, places.tolist(), answer, in_blocks, device)
        effect[row, places], elsewhere[row, places] = own.mean(axis=1), rest.mean(axis=1)
        found = share_intervals(own)
        interval[row, places] = np.stack([found.low, found.high], axis=-1)
    return Remembrance(tuple(lengths), effect, elsewhere, interval, "Korn-Graubard")


def _moved(
    batch: Batch,
    changed: list[Batch],
    places: list[int],
    answer: Callable[[Batch, Batch], Logits],
    in_blocks: Callable[[Batch], Iterable[slice]],
    device: torch.device,
) -> tuple[Float[np.ndarray, "place string"], Float[np.ndarray, "place string"]]:
    """Total variation at the answer letter that copies each place, and its mean over the others."""
    own, rest = [], []
    for rows in in_blocks(batch):
        block = batch.rows(rows).to(device)
        clean = answer(block, block).double().softmax(dim=-1)
        moved = []
        for other in changed:
            after = answer(block, other.rows(rows).to(device)).double().softmax(dim=-1)
            moved.append((after - clean).abs().sum(dim=-1) / 2)
        by_letter = torch.stack(moved)  # [place string letter]
        at = by_letter[torch.arange(len(places)), :, places]
        own.append(at.cpu())
        rest.append(((by_letter.sum(dim=-1) - at) / (by_letter.shape[2] - 1)).cpu())  # of one letter 0 / 0: nan
    return torch.cat(own, dim=1).numpy(), torch.cat(rest, dim=1).numpy()


def _replaced(
    letters: Int[Tensor, "string letter"], place: int, shift: Int[Tensor, " string"], alphabet: int
) -> Int[Tensor, "string letter"]:
    changed = letters.clone()
    changed[:, place] = (changed[:, place] + shift) % alphabet
    return changed
