"""What a language model makes of a text that it has read: bits by length, against its own prior, and whose text it is.

A text of one's own letters has log2 D bits a letter; a natural one has what the model itself needs to predict it: its
conditional entropy, as the model sees it. `text_bits` reads each text after nothing, after itself, and after another
text of the same source. What reading itself saves is used; what another saves is the null. `text_transplants` puts the
state behind one text, whole or layer by layer, into the run on another, and asks whose text is predicted then.
"""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.budget import budget
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.estimates import mean_intervals
from interp.base.seeds import own_generator
from interp.measure.state.carried import Carried
from interp.models.hooks.model import HookedModel
from interp.models.surface import Model, device, run, vocab_size
from interp.results.language import TextBits, TextTransplants
from interp.tasks.text import Corpus, Writer

BETWEEN = "\n\n"
"""What stands between two texts. The measure needs no such mark: it may be empty."""
ROUNDS = 100
"""How often another text is drawn until it differs."""


@checked_call
@torch.no_grad()
def text_bits(
    model: Model,
    writer: Writer,
    corpus: Corpus,
    lengths: Sequence[int],
    strings: int = 16,
    seed: int = 0,
    between: str = BETWEEN,
) -> TextBits:
    """Measure how many bits a model saves on a text that it has read before, by length.

    The saving is a difference of the model's own code lengths: not a bound on what it holds, since its prior is not the
    truth, but what reading the text is worth to it.

    Args:
        model: any language model.
        writer: its tokenizer.
        corpus: the text that is cut into pieces.
        lengths: tokens of a text.
        strings: texts of each length.
        seed: of the texts.
        between: what stands between two texts.

    Raises: UserError for fewer than two strings, a text that is too short, or a length beyond the model's context.
    """
    if strings < 2 or min(lengths, default=0) < 1:
        raise UserError(
            f"strings must be at least 2, and every length at least 1 token; got {strings} and {list(lengths)}."
        )
    mark, rows = writer.encode(between)[0] if between else [], []
    for length in lengths:
        text, other = texts(writer, corpus, length, strings, seed)
        writer.of_tokens([*other[0].tolist(), *mark], text[0].tolist(), [-1] * length, length)  # it fits the context
        begin = torch.full((strings, 1), writer.begin)
        gap = torch.tensor(mark, dtype=torch.long).expand(strings, -1)
        alone = _costs(model, begin, text)
        again, after = (_costs(model, torch.cat([begin, read, gap], dim=1), text) for read in (text, other))
        rows.append([alone, alone - again, alone - after])
    prior, used, null = (np.stack(column) for column in zip(*rows, strict=True))
    ends, null_ends = mean_intervals(used), mean_intervals(null)
    return TextBits(
        lengths=tuple(lengths),
        prior=prior,
        used=used,
        other=null,
        interval=tuple(ends[i] for i in range(len(lengths))),
        other_interval=tuple(null_ends[i] for i in range(len(lengths))),
    )


@checked_call
@torch.no_grad()
def text_transplants(
    model: Model,
    writer: Writer,
    corpus: Corpus,
    length: int,
    strings: int = 16,
    seed: int = 0,
    between: str = BETWEEN,
) -> TextTransplants:
    """Put the state behind one text into the run on another, whole or of one layer, and say what is then predicted.

    With the whole state the run is the donor's own, to the bit: all that the rest of a run sees is carried. Of a layer
    the question is how much of the donor's text comes with it, and how much of the host's is lost.

    Args:
        model: one of this package's, which carries a state from call to call: a Mamba after `hf:`, or a hybrid.
        writer: its tokenizer.
        corpus: the text that is cut into pieces.
        length: tokens of a text.
        strings: pairs of donor and host.
        seed: of the texts.
        between: what stands between two texts; at least one token, which is read from the state.

    Raises: UserError for fewer than two strings, nothing between, a model that carries no state, or a text that is too
        short.
    """
    if not isinstance(model, HookedModel):
        raise UserError(
            f"model must carry a state from call to call that can be moved; got a {type(model).__name__}, which does "
            "not. Use a model of this package, such as a Mamba after hf:."
        )
    mark = writer.encode(between)[0]
    if strings < 2 or not mark:
        raise UserError(
            f"strings must be at least 2, and between at least one token; got {strings} and {len(mark)} tokens."
        )
    where = device(model)
    donor_text, host_text = (text.to(where) for text in texts(writer, corpus, length, strings, seed))
    begin, gap = (torch.tensor(tokens, device=where).expand(strings, -1) for tokens in ([writer.begin], mark))

    def state(text: Tensor) -> Carried:
        past = model.new_past()
        model(torch.cat([begin, text], dim=1), return_type=None, past=past)
        return Carried(past)

    def costs(of: Carried) -> list[Float[np.ndarray, " string"]]:
        """Measures of the donor's text and of the host's, read on from a state."""
        found = []
        for text in (donor_text, host_text):
            logits = model(torch.cat([gap, text], dim=1)[:, :-1], past=of.copy().past)
            found.append(_bits(logits[:, gap.shape[1] - 1 :], text).sum(axis=1))
        return found

    donor, host = state(donor_text), state(host_text)
    by_layer = [name for name in dict.fromkeys(part.rsplit(".", 1)[0] for part in host.parts)]
    grafts = {
        "nothing": host,
        "whole state": donor,
        **{
            name: host.edited({part: value for part, value in donor.parts.items() if part.startswith(f"{name}.")})
            for name in by_layer
        },
    }
    of_donor, of_host = zip(*(costs(mixed) for mixed in grafts.values()), strict=True)
    return TextTransplants(
        parts=tuple(grafts),
        donor=np.stack([of_donor[0] - cost for cost in of_donor]),
        host=np.stack([of_host[0] - cost for cost in of_host]),
        length=length,
    )


def texts(
    writer: Writer, corpus: Corpus, length: int, strings: int, seed: int
) -> tuple[Int[Tensor, "string token"], Int[Tensor, "string token"]]:
    """Texts, and as many others, each of which differs from the one in its row."""
    draw, pairs = own_generator(f"texts of {length}", seed), []
    for _ in range(strings):
        one = corpus.cut(writer, length, draw)
        cuts = (corpus.cut(writer, length, draw) for _ in range(ROUNDS))
        if (other := next((cut for cut in cuts if cut != one), None)) is None:
            raise UserError(
                f"text must hold two different pieces of {length} tokens; got {corpus.name}. Name a longer text."
            )
        pairs.append((one, other))
    texts, others = (torch.tensor([writer.encode(text)[0] for text in column]) for column in zip(*pairs, strict=True))
    return texts, others


def _costs(model: Model, before: Tensor, text: Tensor) -> Float[np.ndarray, " string"]:
    """Bits that a text costs the model after what stands before it."""
    where, whole, first = device(model), torch.cat([before, text], dim=1), before.shape[1]
    step, found = rows_at_once(model, whole.shape[1]), []
    for rows in whole.to(where).split(step):
        found.append(_bits(run(model, rows[:, :-1])[:, first - 1 :], rows[:, first:]).sum(axis=1))
    return np.concatenate(found)


def rows_at_once(model: Model, width: int) -> int:
    """How many strings of a width run at once, so that their logits and patterns stay small."""
    at_once = budget(device(model))
    few = at_once.tokens // width, at_once.pairs // width**2, at_once.logits // (width * vocab_size(model))
    return max(1, min(few))


def _bits(logits: Float[Tensor, "string token vocab"], text: Tensor) -> Float[np.ndarray, "string token"]:
    told = logits.double().log_softmax(dim=-1).gather(2, text.to(logits.device)[..., None])[..., 0]
    return (-told / np.log(2)).cpu().numpy()
