"""The state of a language model behind a text, as states are measured on letters: how far back a token counts, shape,
size; and everything that is known of it at once, for any model (`text_state`)."""

from collections.abc import Callable, Sequence

import numpy as np
import torch

from interp.base.axes import Logits
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.estimates import mean_intervals, resampled
from interp.base.seeds import own_generator
from interp.measure.language.text_bits import rows_at_once, text_bits, text_transplants
from interp.measure.state.bits import check_lengths
from interp.measure.state.carried import separator_at
from interp.measure.state.geometry import geometry
from interp.measure.state.knee import knee
from interp.measure.state.remembrance import by_place
from interp.measure.state.size import state_size
from interp.models.hooks.model import HookedModel
from interp.models.surface import Model, device, run
from interp.results.language import TextBits
from interp.results.state import Bits, Knee, Remembrance
from interp.results.text_state import TextState
from interp.tasks.batch import Batch
from interp.tasks.text import Corpus, TextAgain, Writer

FEWEST = 4
"""Strings that show the spread of states."""


@checked_call
@torch.no_grad()
def text_remembrance(
    model: Model,
    writer: Writer,
    corpus: Corpus,
    lengths: Sequence[int],
    strings: int = 16,
    seed: int = 0,
    positions: int = 16,
) -> Remembrance:
    """Measure how much each token of a text still moves the distributions of its copy, when it is replaced.

    As `interp.measure.state.remembrance` on letters: the same tokens of the copy are read in both runs, so that only
    what the model keeps of the text differs. A token is replaced by one that the other texts have, drawn as often as
    they have it.

    Args:
        model: any language model.
        writer: its tokenizer.
        corpus: the text that is cut into pieces.
        lengths: tokens of a text.
        strings: texts of each length.
        seed: of texts and replacements.
        positions: at most so many tokens of a length are replaced, one at a time, evenly from first to last.

    Returns: column i is token i, which stands length - i positions before what stands between text and copy.

    Raises: UserError for fewer than two strings, no positions, or a text that is too short or has one token alone.
    """
    check_lengths(lengths)
    if strings < 2 or positions < 1:
        raise UserError(f"strings must be at least 2 and positions at least 1; got {strings} and {positions}.")
    task, where = TextAgain(writer, corpus=corpus), torch.device(device(model))

    def asked(length: int, places: list[int]) -> tuple[Batch, list[Batch]]:
        drawn = own_generator(f"texts whose tokens are replaced, of {length}", seed)
        batch = task.sample(strings, length, drawn)
        others = task.sample(strings, length, drawn).tokens[:, 1 : length + 1].flatten()
        return batch, [_replaced(batch, 1 + place, others, corpus, drawn) for place in places]

    def answer(wanted: Batch, read: Batch) -> Logits:
        at = separator_at(wanted)
        tokens = torch.cat([read.tokens[:, :at], wanted.tokens[:, at:]], dim=1)
        return run(model, tokens)[:, at : at + wanted.answer_tokens.shape[1]]

    def in_blocks(batch: Batch) -> list[slice]:
        step = max(1, rows_at_once(model, batch.tokens.shape[1]) // 4)  # distributions in double precision, twice
        return [slice(first, first + step) for first in range(0, len(batch), step)]

    return by_place(lengths, positions, asked, answer, in_blocks, where)


@checked_call
@torch.no_grad()
def text_state(
    model: Model,
    writer: Writer,
    corpus: Corpus,
    lengths: Sequence[int],
    strings: int = 16,
    seed: int = 0,
    on_step: Callable[[str], None] = lambda _: None,
) -> TextState:
    """Measure all that is asked of the state behind a text: bits, remembrance, size, shape, and transplants.

    Transplants are made at the length at which most bits are saved.

    Args:
        model: any language model; of one that carries no state within reach (a transformer under a bridge) bits and
            remembrance alone are measured, and the result says so.
        writer: its tokenizer.
        corpus: the text that is cut into pieces.
        lengths: tokens of a text.
        strings: texts of each length, at least four.
        seed: of the texts.
        on_step: told what is being measured.

    Raises: UserError for fewer than four strings, or a text that is too short.
    """
    if strings < FEWEST:
        raise UserError(f"strings must be at least {FEWEST} to measure the spread of states; got {strings}.")
    lengths = sorted(lengths)
    on_step("bits of texts that come again")
    bits = text_bits(model, writer, corpus, lengths, strings, seed)
    on_step("how far back a token counts")
    far = text_remembrance(model, writer, corpus, lengths, strings, seed)
    bend = _bend(bits, seed)
    if not isinstance(model, HookedModel):
        why = f"size, shape and transplants of the state: a {type(model).__name__} keeps what it carries to itself"
        return TextState(bits, bend, far, None, None, None, (why,))
    on_step("size and shape of the state")
    again = TextAgain(writer, corpus=corpus)
    shape = geometry(model, again, lengths, strings, own_generator("states behind texts", seed))
    most = lengths[int(np.argmax(bits.used.mean(axis=1)))]
    on_step(f"states of texts of {most} tokens transplanted")
    swaps = text_transplants(model, writer, corpus, most, strings, seed)
    return TextState(bits, bend, far, state_size(model, lengths), shape, swaps)


def _bend(bits: TextBits, seed: int) -> Knee | None:
    """The length from which on the bits stop growing."""
    if len(bits.lengths) < 3:
        return None
    weights, ends = resampled(bits.used.shape[1], seed), mean_intervals(bits.used)
    curve = Bits(
        lengths=bits.lengths,
        total=tuple(map(float, bits.used.mean(axis=1))),
        interval=tuple(ends[i] for i in range(len(bits.lengths))),
        by_position=np.full((len(bits.lengths), max(bits.lengths)), np.nan),
        draws=bits.used @ weights.T,
    )
    return knee(curve, seed)


def _replaced(batch: Batch, at: int, others: torch.Tensor, corpus: Corpus, drawn: torch.Generator) -> Batch:
    """The strings with one token of each replaced by another that the other texts have."""
    tokens = batch.tokens.clone()
    for row in tokens:
        differing = others[others != row[at]]
        if not len(differing):
            raise UserError(f"text must have at least two different tokens; got {corpus.name}. Name another text.")
        row[at] = differing[int(torch.randint(len(differing), (), generator=drawn))]
    return Batch(tokens, batch.targets, batch.loss_mask, batch.answer, batch.source)
