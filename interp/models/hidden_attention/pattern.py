"""Hidden attention: the matrix through which a recurrent layer's input at each position reaches its later outputs.

Ali, Zimerman and Wolf 2024 (arXiv 2403.01590) read a Mamba layer as attention: with its step sizes, B and C held as
they are in the run, each channel's output is a weighted sum of its inputs. The convolution and the gate can be taken
into the weights as well, as in LaTIM (Pitorro and Treviso 2025, arXiv 2502.15612). Per channel this is exact
(`decompose`). A pattern, one matrix for all channels of a head, is a summary (`hidden_pattern`).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import reduce
from typing import Any

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import Pattern, Tokens
from interp.base.budget import budget
from interp.base.errors import UserError, unknown
from interp.models.hidden_attention.layer import ReadLayer, Rows, needed
from interp.models.hooks.model import Hook
from interp.models.hooks.point import HookPoint
from interp.models.recurrent.mixer import Mixer
from interp.models.recurrent.model import RecurrentModel

SUMMARIES = ("norm", "sum")
QUERIES = 32
"""Queries of a block; each pair of positions within it takes an exponential for each number of the state."""

Channels = Float[Tensor, "batch pos channel"]
Matrices = Float[Tensor, "batch channel query key"]


@dataclass(frozen=True)
class Decomposition:
    """A layer's output as a weighted sum of its input: outputs = alpha inputs + remainder in each channel."""

    alpha: Matrices
    inputs: Channels
    outputs: Channels
    remainder: Channels
    """What the inputs do not bring through alpha: the convolution's bias, and D's way where it was left out."""


def hidden_attention(model: nn.Module, tokens: Tokens, layer: int, **options: Any) -> Matrices:
    """The matrices alpha of a recurrent layer's channels; takes the options of `decompose`."""
    return decompose(model, tokens, layer, **options).alpha


@torch.no_grad()
def decompose(
    model: nn.Module,
    tokens: Tokens,
    layer: int,
    *,
    channels: slice | None = None,
    through_conv: bool = False,
    gated: bool = False,
    direct: bool = True,
) -> Decomposition:
    """A recurrent layer's output, on strings read from their beginning, as a weighted sum of its input.

    In each channel outputs[q] = sum over k <= q of alpha[q, k] inputs[k] + remainder[q], exactly; alpha is the Jacobian
    with step sizes, B, C and the factors below held. It is computed in blocks of queries and channels. The result holds
    batch x channels x length squared numbers, so choose `channels` where strings are long; besides it and the layer's
    activations, memory is that of a few tensors of `budget().floats` numbers.

    Args:
        model: one that has recurrent layers.
        layer: one of them that has hidden attention, such as a Mamba or Mamba-2 layer.
        channels: which, one after the other (Mamba-2: head after head); None for all.
        through_conv: from the convolution's input (`hook_x`, of Mamba-2 the first channels of `hook_conv_in`) rather
            than from `hook_u`; SiLU(c) is taken as c times the held factor sigmoid(c).
        gated: to `hook_gated` rather than to `hook_y`: times the held SiLU(z), of Mamba-2 also the norm with its scale
            held.
        direct: whether alpha holds D, the input's direct way to the output, on its diagonal.

    Raises: UserError for a layer without hidden attention, or for channels that it does not have.
    """
    mixer, values = _values(model, tokens, layer, gated)
    read = ReadLayer.of(mixer, values)
    chosen = range(read.u.shape[2])[slice(None) if channels is None else channels]
    if not chosen or chosen.step != 1:
        raise UserError(
            f"channels must be a slice with step 1 of the layer's {read.u.shape[2]} channels; got {channels}."
        )
    options = {"through_conv": through_conv, "gated": gated, "direct": direct}
    blocks = list(_channel_blocks(read, chosen))
    rows = (torch.cat([read.alpha(c, q, **options) for c in blocks], dim=1) for q in _query_blocks(read))
    inputs, outputs = read.x if through_conv else read.u, values[mixer.gated_hook if gated else "hook_y"].flatten(2)
    remainder = read.remainder(**options)
    here = slice(chosen.start, chosen.stop)
    return Decomposition(torch.cat(list(rows), dim=2), *(x[..., here] for x in (inputs, outputs, remainder)))


@torch.no_grad()
def hidden_pattern(model: nn.Module, tokens: Tokens, layer: int, summary: str = "norm") -> Pattern:
    """One matrix for each head of a layer's hidden attention: Mamba has one head, Mamba-2 its own.

    "norm", of which every measurement is read: the share of each position in what the head writes to the stream by way
    of the state. Position k brings the vector W_out (alpha[q, k] x[k]), with the convolution and the gate in alpha; its
    length is divided by the sum of the lengths over k. So a channel counts by what it carries and by where that goes,
    and rescaling channels changes nothing. It misleads where vectors of several positions cancel: all count as looked
    at, though little arrives.

    "sum" (Ali et al.): alpha of the recurrence alone, from `hook_u` to `hook_y`, summed over the channels and divided
    by the sum of the absolute sums over k: signed. It misleads where channels of opposite sign cancel, so that a
    position on which all depends shows nothing; it counts channels by a scale that no later layer need respect; and it
    points up to the convolution's width too late. Where a trained Mamba of two layers copies, "norm" gives most to the
    letter copied from, among all letters, in 69 % of answers, and the absolute value of "sum" in 46 %.

    In both, D is left out: like the stream beside an attention head, it looks nowhere. The absolute values of a row sum
    to 1 (a row of nothing stays 0).

    Args:
        model: has a recurrent layer there.
        tokens: the strings.
        layer: its number.
        summary: "norm" or "sum".

    Raises: as `decompose` does, and for an unknown summary.
    """
    return whole_pattern(ReadLayer.of(*_values(model, tokens, layer)), summary)


@torch.no_grad()
def whole_pattern(read: ReadLayer, summary: str = "norm") -> Pattern:
    """`hidden_pattern` of a layer that has been read already."""
    return torch.cat([pattern_rows(read, rows, summary) for rows in _query_blocks(read)], dim=2)


@torch.no_grad()
def pattern_rows(read: ReadLayer, rows: Rows, summary: str = "norm") -> Pattern:
    """Some rows of it: a block of queries, or one query of each string."""
    if summary not in SUMMARIES:
        raise unknown("summary of hidden attention", summary, SUMMARIES)
    wide = read.u.shape[2] // read.n_heads
    of_head = [_channel_blocks(read, range(i * wide, (i + 1) * wide)) for i in range(read.n_heads)]
    if summary == "sum":
        heads = [_total(read.alpha(block, rows, direct=False).sum(dim=1) for block in blocks) for blocks in of_head]
    else:
        heads = [_total(_brought(read, block, rows) for block in blocks).norm(dim=-1) for blocks in of_head]
    values = torch.stack(heads, dim=1)
    whole = values.abs().sum(dim=-1, keepdim=True)
    return values / whole.clamp(min=torch.finfo(values.dtype).tiny)


def reading_hooks(model: RecurrentModel, layer: int, show: Callable[[ReadLayer], None]) -> list[Hook]:
    """Hooks for a run of the model that read a layer, and call `show` when they have come to all of it."""
    mixer, values = model.mixers[layer], {}
    names = {f"blocks.{layer}.mixer.{name}": name for name in needed(mixer)}

    def keep(value: Tensor, hook: HookPoint) -> None:
        values[names[hook.name or ""]] = value
        if len(values) == len(names):
            show(ReadLayer.of(mixer, values))
            values.clear()

    return [(name, keep) for name in names]


def _brought(read: ReadLayer, channels: slice, rows: Rows) -> Float[Tensor, "batch query key d_model"]:
    """What each position brings to the stream through the state, through some channels."""
    alpha = read.alpha(channels, rows, through_conv=True, gated=True, direct=False)
    return einsum(
        alpha * read.x[..., channels].transpose(1, 2)[:, :, None], read.W_out[channels], "b c q k, c m -> b q k m"
    )


def _total(parts: Iterator[Tensor]) -> Tensor:
    return reduce(torch.add, parts)


def _values(model: nn.Module, tokens: Tokens, layer: int, gated: bool | None = None) -> tuple[Mixer, dict[str, Tensor]]:
    """A layer's mixer, and what its hook points hold on these strings, by their names within the mixer.

    With `gated` also its output, before the map out of the layer, with or without the gate.
    """
    mixers = model.mixers if isinstance(model, RecurrentModel) else {}
    if not isinstance(model, RecurrentModel) or layer not in mixers:
        raise unknown("recurrent layer", str(layer), map(str, mixers))
    mixer = mixers[layer]
    output = [] if gated is None else [mixer.gated_hook if gated else "hook_y"]
    names = {name: f"blocks.{layer}.mixer.{name}" for name in dict.fromkeys([*needed(mixer), *output])}
    _, cache = model.run_with_cache(tokens, names_filter=list(names.values()), stop_at_layer=layer + 1)
    return mixer, {name: cache[full] for name, full in names.items()}


def _query_blocks(read: ReadLayer) -> Iterator[slice]:
    batch, n_pos, _ = read.u.shape
    step = min(QUERIES, max(1, budget(read.u.device).floats // (batch * n_pos * read.W_out.shape[1])))
    return (slice(first, min(first + step, n_pos)) for first in range(0, n_pos, step))


def _channel_blocks(read: ReadLayer, channels: range) -> Iterator[slice]:
    """Blocks of as many channels as fit into memory: the writes of all positions, the pairs within a block, and the
    rows."""
    batch, n_pos, _ = read.u.shape
    numbers = read.numbers_per_channel(max(n_pos, QUERIES**2))
    step = max(1, budget(read.u.device).floats // (batch * max(numbers, QUERIES * n_pos)))
    return (slice(first, min(first + step, channels.stop)) for first in range(channels.start, channels.stop, step))
