"""What of the state is used: bits about the string that the model's answer shows, letter by letter.

The letters of a string are independent and uniform. By the chain rule, log2 D less the cross-entropy of each letter of
the answer, given the right letters before it, adds up to a lower bound on the mutual information between the string and
the state at the separator: all that the answer can know of the letters has come through it.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from scipy import stats
from torch import Tensor

from interp.base.axes import Logits
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.estimates import RESAMPLES, mean_interval, resampled
from interp.base.interval import Interval
from interp.base.seeds import as_generator
from interp.measure.state.blocks import blocks
from interp.measure.state.carried import answer_logits, carry
from interp.models.hooks.model import HookedModel
from interp.results.state import Bits
from interp.tasks.base import Task, need


@checked_call
@torch.no_grad()
def used_bits(
    model: HookedModel,
    task: Task,
    lengths: Sequence[int],
    strings: int,
    generator: torch.Generator | int,
    seed: int = 0,
) -> Bits:
    """log2 D less the teacher-forced cross-entropy of each answer letter, summed over the letters that it shows.

    Probabilities are those of the letters among themselves: what a model gives to the separator, to the end or to
    padding says nothing of which letter it was, and would cost an untrained model bits that it never claimed.

    Args:
        model: carries a state from call to call.
        task: draws independent, uniform letters; D is its alphabet.
        lengths: letters per string.
        strings: for each length.
        generator: draws them; or a seed.
        seed: of the bootstrap over strings.

    Raises: UserError for a length below 1, fewer than two strings, or a task without a separator, uniform letters or a
        second letter.
    """
    need(task, "uniform_letters", "has_prompt_end")
    check_lengths(lengths)
    check_alphabet(task)
    generator = as_generator(generator)
    rows = [_one_length(model, task, length, strings, generator) for length in lengths]
    return bits_of(tuple(lengths), rows, seed)


def bits_of(lengths: tuple[int, ...], rows: Sequence[Float[np.ndarray, "_ _"]], seed: int = 0) -> Bits:
    """Bits per letter of each string -> their sum over the letters that are shown, with its interval.

    An overconfident wrong guess costs more bits than a letter holds; left out, it does not cancel what other letters
    show. Whether a letter is shown is decided on one half of the strings and its bits are taken from the other, and the
    other way round: decided on the same strings (clipped at 0), letters that are not held would add up to bits that are
    not there. Strings are resampled whole, so the interval accounts for correlation between letters.

    Raises: UserError for fewer than two strings.
    """
    if min(len(row) for row in rows) < 2:
        raise UserError(f"strings must be at least 2, for an interval over them; got {min(len(row) for row in rows)}.")
    rng = np.random.default_rng(seed)
    by_position = np.full((len(lengths), max(lengths)), np.nan)
    draws = np.empty((len(lengths), RESAMPLES))
    for index, row in enumerate(rows):
        one, other = row[::2], row[1::2]
        sizes = len(one), len(other)
        by_position[index, : row.shape[1]] = _shown(one.mean(axis=0), other.mean(axis=0), sizes)
        means = resampled(len(one), rng) @ one, resampled(len(other), rng) @ other
        draws[index] = _shown(*means, sizes).sum(axis=1)
    return Bits(
        lengths=lengths,
        total=tuple(map(float, np.nansum(by_position, axis=1))),
        interval=tuple(map(_interval, rows, draws)),
        by_position=by_position,
        draws=draws,
    )


def _interval(row: Float[np.ndarray, "string pos"], draws: Float[np.ndarray, " resample"]) -> Interval:
    """Interval of the total: the mean over strings of the bits of the letters that the other half shows.

    Which letters these are varies, too: it is wider by as much as the resamples, which choose anew, vary more.
    """
    one, other = row[::2], row[1::2]
    shown = one.mean(axis=0) > 0, other.mean(axis=0) > 0
    values = np.concatenate([(one * shown[1]).sum(axis=1), (other * shown[0]).sum(axis=1)])
    found, total, error = mean_interval(values), float(values.mean()), float(stats.sem(values))
    wider = max(1.0, float(draws.std()) / error) if error > 0 else 1.0
    return Interval(total - wider * (total - found.low), total + wider * (found.high - total), found.method)


def _shown(
    one: Float[np.ndarray, "*axes pos"], other: Float[np.ndarray, "*axes pos"], sizes: tuple[int, int]
) -> Float[np.ndarray, "*axes pos"]:
    """The mean over both halves, of each the letters whose mean in the other is above 0."""
    return (sizes[0] * np.where(other > 0, one, 0) + sizes[1] * np.where(one > 0, other, 0)) / sum(sizes)


def check_lengths(lengths: Sequence[int]) -> None:
    """Raises: UserError for no length, or one below 1."""
    if not lengths or min(lengths) < 1:
        raise UserError(f"lengths must hold at least one length, each of at least 1 letter; got {list(lengths)}.")


def check_alphabet(task: Task) -> None:
    """Raises: UserError for a task of one letter, each of which holds log2 1 = 0 bits."""
    if task.n_letters < 2:
        raise UserError(
            f"alphabet must be at least 2 letters, for a letter to hold bits; got {task.n_letters}. Ask a task of more "
            "letters."
        )


def _one_length(
    model: HookedModel, task: Task, length: int, strings: int, generator: torch.Generator
) -> Float[np.ndarray, "string pos"]:
    """Bits per letter of each string; negative where the model is surer of another letter than chance would be."""
    batch, found = task.sample(strings, length, generator), []
    letters = task.vocabulary.ids(torch.arange(task.n_letters))
    for rows in blocks(batch, model.device):
        block = batch.rows(rows).to(model.device)
        logits = answer_logits(model, block, carry(model, block))
        found.append(letter_bits(logits, block.answer_tokens, letters.to(logits.device)).cpu())
    return torch.cat(found).numpy()


def letter_bits(
    logits: Logits, wanted: Int[Tensor, "batch letter"], letters: Int[Tensor, " alphabet"]
) -> Float[Tensor, "batch letter"]:
    """log2 D less the surprise at each letter, by the probabilities of letters among themselves.

    Args:
        logits: of the whole vocabulary, [batch letter vocab].
        wanted: the right tokens.
        letters: the tokens that are letters; D of them.
    """
    right = logits.double().gather(2, wanted[..., None])[..., 0] - logits[..., letters].double().logsumexp(dim=-1)
    return (right + np.log(len(letters))) / np.log(2)
