"""The state of a head as a matrix: its spectrum, and the rank of what it carries from the past into the future.

Three ranks answer three questions. The *stable rank* of S_t: along how many directions does this one state, of this one
string, hold anything? The *effective state size*: how many numbers of the past reach this string's later outputs, given
what it writes, erases and reads? It is at most the state's d_key, and smaller where nothing is asked. The *covariance
ranks* of `geometry`: along how many directions do the states of many strings differ?
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError, unknown
from interp.models.hidden_attention.layer import ReadLayer, needed
from interp.models.recurrent.mixer import Mixer
from interp.models.recurrent.model import RecurrentModel
from interp.results.matrices import EffectiveStateSize, StateSpectrum

TOLERANCE = 1e-4
"""Share of the largest singular value from which one counts."""


@checked_call
@torch.no_grad()
def state_spectrum(model: nn.Module, tokens: Tokens, layer: int) -> StateSpectrum:
    """Singular values and stable rank of each head's state after every position.

    >>> spectrum = state_spectrum(model, batch.tokens, layer=0)
    >>> spectrum.stable_rank[0, -1]  # of the first string, after its last position: [head]

    Args:
        model: one that has recurrent layers.
        tokens: strings, read from their beginning.
        layer: one whose state is a matrix for each head: Mamba-2, linear attention and its kin.

    Raises: UserError for another layer.
    """
    mixer = _mixer(model, layer)
    name = f"blocks.{layer}.mixer.{mixer.state_hook}"
    _, cache = model.run_with_cache(tokens, names_filter=name, stop_at_layer=layer + 1)  # type: ignore[operator]
    states = mixer.state_matrices(cache[name])
    if states is None:
        raise UserError(
            f"layer must be one whose state is a matrix for each head, as of Mamba-2 or DeltaNet; got {layer}, "
            f"a {type(mixer).__name__}."
        )
    values = torch.linalg.svdvals(states.double())
    squares = values.square()
    rank = squares.sum(dim=-1) / squares[..., 0].clamp(min=torch.finfo(squares.dtype).tiny)
    return StateSpectrum(layer, values.cpu().numpy(), rank.cpu().numpy())


@checked_call
@torch.no_grad()
def effective_state_size(
    model: nn.Module, tokens: Tokens, layer: int, splits: Sequence[int], tolerance: float = TOLERANCE
) -> EffectiveStateSize:
    """How many numbers of the past a layer's state hands on, at some positions of each string.

    The outputs from a position on are a matrix times the inputs before it: the block of the layer's hidden attention
    with later queries and earlier keys. Its rank is the least size that a state could have there and give the same
    outputs (Parnichkun et al. 2025, arXiv 2504.19561). It is that of this string: what is never read again, or was
    erased, does not count, however much of it the state holds.

    >>> effective_state_size(model, batch.tokens, layer=0, splits=[10, 20]).rank.mean(axis=0)

    Args:
        model: one that has recurrent layers.
        tokens: strings, read from their beginning.
        layer: one that has hidden attention.
        splits: positions from 1 to the last.
        tolerance: share of the largest singular value from which one counts.

    Raises: UserError for a layer without hidden attention, or a position with no past or no future.
    """
    mixer, length = _mixer(model, layer), tokens.shape[-1]
    for split in splits:
        if not 1 <= split < length:
            raise UserError(f"splits must be positions from 1 to {length - 1}; got {split}.")
    names = {name: f"blocks.{layer}.mixer.{name}" for name in needed(mixer)}
    _, cache = model.run_with_cache(tokens, names_filter=list(names.values()), stop_at_layer=layer + 1)  # type: ignore[operator]
    read = ReadLayer.of(mixer, {name: cache[full] for name, full in names.items()})
    alike = read.channels_alike
    found = [
        _ranks(read.alpha(slice(first, first + 1), slice(0, length), direct=False)[:, 0], splits, tolerance)
        for first in range(0, read.u.shape[2], alike)
    ]
    rank, entropy = (torch.stack(each, dim=-1).cpu().numpy() for each in zip(*found, strict=True))
    return EffectiveStateSize(layer, tuple(splits), tolerance, rank, entropy)


def _ranks(
    alpha: Float[Tensor, "string query key"], splits: Sequence[int], tolerance: float
) -> tuple[Float[Tensor, "string split"], Float[Tensor, "string split"]]:
    """Singular values that count, and exp of their entropy."""
    counts, entropies = [], []
    for split in splits:
        values = torch.linalg.svdvals(alpha[:, split:, :split].double())
        largest = values[:, :1]
        counts.append(((values > tolerance * largest) & (values > 0)).double().sum(dim=-1))
        share = values / values.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(values.dtype).tiny)
        entropies.append(torch.special.entr(share).sum(dim=-1).exp() * (largest[:, 0] > 0))
    return torch.stack(counts, dim=1), torch.stack(entropies, dim=1)


def _mixer(model: nn.Module, layer: int) -> Mixer:
    mixers = model.mixers if isinstance(model, RecurrentModel) else {}
    if layer not in mixers:
        raise unknown("recurrent layer", str(layer), map(str, mixers))
    return mixers[layer]
