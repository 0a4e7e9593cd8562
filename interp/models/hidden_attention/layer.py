"""A state-space layer as it is in one forward pass: everything that its hidden attention is made of.

Mamba and Mamba-2 in the same terms: channels in stretches of equal length, each with a rate by which it decays (of
Mamba a channel, of Mamba-2 a head).
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.errors import UserError
from interp.models.hidden_attention.recurrence import Recurrence
from interp.models.recurrent.mamba.mixer import MambaMixer
from interp.models.recurrent.mamba2.mixer import Mamba2Mixer
from interp.models.recurrent.mixer import Mixer
from interp.models.scan.precision import promoted

Channels = Float[Tensor, "batch pos channel"]
Rows = slice | Int[Tensor, " batch"]
"""A block of queries, or one query of each string."""

_COMMON = ("hook_conv", "hook_u", "hook_delta", "hook_B", "hook_C", "hook_gate")
_NEEDED = {MambaMixer: ("hook_x", *_COMMON), Mamba2Mixer: ("hook_conv_in", *_COMMON, "norm.hook_scale")}


def hidden_heads(mixer: Mixer) -> int:
    """Heads of a layer's hidden attention: Mamba has one, Mamba-2 its own, any other layer none."""
    return mixer.config.n_heads if isinstance(mixer, Mamba2Mixer) else int(isinstance(mixer, MambaMixer))


def needed(mixer: Mixer) -> tuple[str, ...]:
    """The hook points, by their names within the mixer, that `ReadLayer` is made from.

    Raises: UserError for a mixer that is neither Mamba nor Mamba-2.
    """
    if type(mixer) not in _NEEDED:
        raise UserError(
            "hidden attention is of Mamba and Mamba-2 layers: an LSTM's gates depend on its own output before, so that "
            "no matrix leads from its inputs to its outputs; ask for another layer."
        )
    return _NEEDED[type(mixer)]


@dataclass(frozen=True)
class ReadLayer:
    """At least in single precision."""

    x: Channels
    """What the convolution reads."""
    u: Channels
    """What the recurrence reads."""
    held: Channels
    """u over what the convolution gives: the sigmoid of that."""
    gate: Channels
    """The layer's own input to W_out over y: SiLU(z), and the norm with its scale."""
    delta: Float[Tensor, "batch pos rate"]
    B: Float[Tensor, "batch pos group state"]
    C: Float[Tensor, "batch pos group state"]
    A: Float[Tensor, "rate state_or_1"]
    D: Float[Tensor, " rate"]
    W_conv: Float[Tensor, "channel width"]
    b_conv: Float[Tensor, " channel"]
    W_out: Float[Tensor, "channel d_model"]
    n_heads: int

    @classmethod
    def of(cls, mixer: Mixer, values: Mapping[str, Tensor]) -> "ReadLayer":
        """From the values at the `needed` hook points, by their names within the mixer."""
        assert isinstance(mixer, MambaMixer | Mamba2Mixer)
        channels, gate, A = len(mixer.W_out), F.silu(values["hook_gate"]), mixer.A
        B, C = values["hook_B"], values["hook_C"]
        if isinstance(mixer, Mamba2Mixer):
            scale, A = values["norm.hook_scale"], A[:, None]
            gate = gate * mixer.norm.w / scale.repeat_interleave(channels // scale.shape[2], dim=2)
        else:
            B, C = B[:, :, None], C[:, :, None]
        x, conv = (values[name][..., :channels] for name in (needed(mixer)[0], "hook_conv"))
        b_conv = mixer.D.new_zeros(channels) if mixer.b_conv is None else mixer.b_conv[:channels]
        weights = (mixer.D, mixer.W_conv[:channels], b_conv, mixer.W_out)
        inner = (x, values["hook_u"].flatten(2), conv.sigmoid(), gate, values["hook_delta"], B, C, A)
        return cls(*promoted(*inner, *weights), n_heads=hidden_heads(mixer))

    @property
    def channels_per_rate(self) -> int:
        return self.u.shape[2] // len(self.A)

    def alpha(
        self, channels: slice, rows: Rows, *, through_conv: bool = False, gated: bool = False, direct: bool = True
    ) -> Float[Tensor, "batch channel query key"]:
        """The matrices of neighbouring channels; the options are those of `hidden_attention.decompose`."""
        each = self.channels_per_rate
        rates = slice(channels.start // each, (channels.stop - 1) // each + 1)
        recurrence = self._recurrence(rates)
        alpha = recurrence.rows(rows) if isinstance(rows, slice) else recurrence.row(rows)
        if direct:
            alpha = alpha + self.D[rates, None, None] * self._same_position(rows)[:, None]
        within = slice(channels.start - rates.start * each, channels.stop - rates.start * each)
        alpha = alpha.repeat_interleave(each, dim=1)[:, within]
        if through_conv:
            alpha = before_conv(alpha * self.held[..., channels].transpose(1, 2)[:, :, None], self.W_conv[channels])
        return alpha * _at(self.gate[..., channels], rows).transpose(1, 2)[..., None] if gated else alpha

    def _recurrence(self, rates: slice) -> Recurrence:
        """That of some rates; those of a group share B and C."""
        group = torch.arange(len(self.A), device=self.A.device)[rates] * self.B.shape[2] // len(self.A)
        B, C = (part if part.shape[2] == 1 else part[:, :, group] for part in (self.B, self.C))
        return Recurrence(self.delta[..., rates], self.A[rates], B, C)

    def _same_position(self, rows: Rows) -> Float[Tensor, "#batch query key"]:
        positions = torch.arange(self.u.shape[1], device=self.u.device)
        query = positions[None, rows] if isinstance(rows, slice) else rows[:, None]
        return (query[..., None] == positions).to(self.u.dtype)


def before_conv(
    alpha: Float[Tensor, "batch channel query key"], weight: Float[Tensor, "channel width"]
) -> Float[Tensor, "batch channel query key"]:
    """Weights of a causal convolution's inputs from those of its outputs: an input is in `width` of them."""
    n_keys, width = alpha.shape[3], weight.shape[1]
    padded = F.pad(alpha, (0, width - 1))
    later = (weight[:, width - 1 - j, None, None] * padded[..., j : j + n_keys] for j in range(1, width))
    return sum(later, weight[:, -1, None, None] * alpha)


def _at(values: Channels, rows: Rows) -> Float[Tensor, "batch query channel"]:
    return values[:, rows] if isinstance(rows, slice) else values.take_along_dim(rows[:, None, None], dim=1)
