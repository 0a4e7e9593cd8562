"""Planted hybrids: what attention adds to a recurrence is known, because the weights are set by hand.

lookup      a Mamba layer gathers the last n letters in its window, and attention looks them up: neither copies alone
recurrence  two Mamba layers keep the first k letters (`planted_mamba`), and attention writes nothing
attention   two attention layers copy (`planted_copier`), and a Mamba layer writes nothing
"""

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.models.planted.copier import planted_copier
from interp.models.planted.mamba import planted_mamba
from interp.models.recurrent.hybrid import SHARED, HookedHybrid, HybridConfig

LENGTH = 20
"""Letters of the strings that a hybrid with attention is asked."""
GAIN = 64.0
"""What enters a SiLU: SiLU(64 x) / 64 is x of 0 and 1 to the last bit."""
SILENT = -80.0
"""b_dt of channels that write nothing to their state."""
TAU = 20.0
"""Score of the oldest letter that matches; each newer one counts twice as much, so that it decides."""
LOGIT = 30.0
Part = Literal["lookup", "recurrence", "attention"]


@dataclass(frozen=True)
class HybridPlanting:
    """What was planted in a hybrid.

    >>> _, planting = interp.models.planted.planted_hybrid("lookup", n=2, alphabet=8)
    >>> planting.lookup, planting.gathering
    (('L1H0',), (0,))
    """

    part: Part
    """Which of the two copies: both together (lookup), the recurrence alone, or attention alone."""
    alphabet: int
    n: int
    """Letters that are matched; of "recurrence", the first letters that are kept."""
    length: int
    """Letters of strings that it copies."""
    lookup: tuple[str, ...]
    """Heads that look up."""
    gathering: tuple[int, ...]
    """Recurrent layers that gather for them."""


@checked_call
def planted_hybrid(part: str = "lookup", n: int = 3, alphabet: int = 26) -> tuple[HookedHybrid, HybridPlanting]:
    """Build a hybrid in which it is known what copies.

    >>> model, planting = planted_hybrid("recurrence", n=4)
    >>> model.recurrent_layers, model.attention_layers
    ((0, 1), (2,))

    Args:
        part: lookup, recurrence or attention.
        n: letters that are looked up, or kept.
        alphabet: number of letters, 2 to 26.

    Raises: UserError for another part, no letters, or an alphabet of another size.
    """
    if part not in PARTS:
        raise UserError(f"part must be one of {', '.join(PARTS)}; got {part}.")
    if n < 1 or not 2 <= alphabet <= 26:
        raise UserError(f"n must be at least 1 and alphabet from 2 to 26; got n={n} and alphabet={alphabet}.")
    return PARTS[part](n, alphabet)


@torch.no_grad()
def _lookup(n: int, alphabet: int) -> tuple[HookedHybrid, HybridPlanting]:
    """Slots of one axis a token: the token, the one 1 back, ..., n back, and the answer."""
    tokens = alphabet + 4
    slot = [slice(at * tokens, (at + 1) * tokens) for at in range(n + 2)]
    bos, separator, end = alphabet, alphabet + 1, alphabet + 2
    config = HybridConfig(
        layers=("mamba", "attention"),
        d_model=tokens * (n + 2),
        d_vocab=tokens,
        normalization=None,
        tied=False,
        options={
            "mamba": {"d_state": 1, "d_conv": n + 1, "d_inner": tokens * n, "dt_rank": 1},
            "attention": {"n_heads": 1, "d_head": tokens * n},
        },
    )
    model, one = HookedHybrid(config), torch.eye(tokens)
    _silence(model)
    model.W_E[:, slot[0]] = one
    mixer: Any = model.blocks[0].mixer
    mixer.b_dt.fill_(SILENT)
    mixer.D.fill_(1.0)
    mixer.W_gate[slot[0]] = GAIN
    attention: Any = model.blocks[1].attn
    alike = one.clone()  # of keys: the beginning counts as the separator, behind which the copy begins
    alike[bos] = one[separator]
    for back in range(1, n + 1):
        channels = slice((back - 1) * tokens, back * tokens)
        mixer.W_in[slot[0], channels] = GAIN * one
        mixer.W_conv[channels, n - back] = 1.0
        mixer.W_out[channels, slot[back]] = one / GAIN**2
        attention.W_Q[0, slot[back - 1], channels] = 2.0 ** (n - back) * TAU * (tokens * n) ** 0.5 * one
        attention.W_K[0, slot[back], channels] = alike
    value = one.clone()  # what follows the whole string is the separator: there the copy ends
    value[separator] = one[end]
    attention.W_V[0, slot[0], :tokens] = value
    attention.W_O[0, :tokens, slot[-1]] = one
    model.unembed.W_U[slot[-1]] = LOGIT * one
    return model.eval(), HybridPlanting("lookup", alphabet, n, LENGTH, ("L1H0",), (0,))


@torch.no_grad()
def _recurrence(n: int, alphabet: int) -> tuple[HookedHybrid, HybridPlanting]:
    planted, _ = planted_mamba(n, alphabet)
    model = _beside(planted, ("mamba", "mamba", "attention"), mamba=planted, attention={"n_heads": 1})
    return model, HybridPlanting("recurrence", alphabet, n, n, (), ())


@torch.no_grad()
def _attention(n: int, alphabet: int) -> tuple[HookedHybrid, HybridPlanting]:
    planted, truth = planted_copier(n, alphabet)
    model = _beside(planted, ("attention", "attention", "mamba"), attention=planted, mamba={"d_state": 4})
    lookup = tuple(head.name for head in truth.with_role("lookup"))
    return model, HybridPlanting("attention", alphabet, n, LENGTH, lookup, ())


def _beside(planted: Any, layers: tuple[str, ...], **parts: Any) -> HookedHybrid:
    """Put a planted model into a hybrid, before a layer of another kind that writes nothing."""
    config = planted.config_dict()
    own = {name: value for name, value in config.items() if name not in (*SHARED, "kind", "norm_eps", "tied")}
    own.pop("embedding_std", None)
    fields: dict[str, Any] = {kind: own if part is planted else part for kind, part in parts.items()}
    fields |= {name: config[name] for name in SHARED if name != "n_layers"}
    model = HookedHybrid(HybridConfig(layers=layers, tied=False, **fields)).to(planted.dtype)
    for name, parameter in model.blocks[-1].named_parameters():
        if name.rsplit(".", 1)[-1] in ("W_out", "W_O", "b_O"):
            parameter.zero_()
    wanted = planted.state_dict()
    if "unembed.b_U" not in wanted:
        model.unembed.b_U.zero_()
    last = f"blocks.{len(layers) - 1}."
    missing, surplus = model.load_state_dict(wanted, strict=False)
    assert not surplus and all(name.startswith((last, "unembed.b_U")) for name in missing), (missing, surplus)
    return model.eval()


def _silence(model: nn.Module) -> None:
    for parameter in model.parameters():
        parameter.zero_()


PARTS = {"lookup": _lookup, "recurrence": _recurrence, "attention": _attention}
"""Which of the two copies -> builder."""
