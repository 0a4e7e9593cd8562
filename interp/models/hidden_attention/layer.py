"""A recurrent layer as it is in one forward pass: everything that its hidden attention is made of.

`ReadLayer` is what a pattern needs of any family. `SelectiveLayer` is that of a selective recurrence, Mamba's and
Mamba-2's in the same terms: channels in stretches of equal length, each with a rate by which it decays (of Mamba a
channel, of Mamba-2 a head). A family makes its own in `Mixer.hidden_layer`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.errors import UserError
from interp.models.hidden_attention.recurrence import Recurrence
from interp.models.recurrent.mixer import Mixer
from interp.models.scan.precision import promoted

Channels = Float[Tensor, "batch pos channel"]
Rows = slice | Int[Tensor, " batch"]
"""A block of queries, or one query of each string."""


def hidden_heads(mixer: Mixer) -> int:
    """Heads of a layer's hidden attention; 0 where it has none."""
    return mixer.hidden_heads


def needed(mixer: Mixer) -> tuple[str, ...]:
    """The hook points, by their names within the mixer, that a `ReadLayer` is made from.

    Raises: UserError for a mixer that has no hidden attention.
    """
    if not mixer.hidden_hooks:
        raise UserError(
            f"layer must have hidden attention, as Mamba and Mamba-2 layers do; got a {type(mixer).__name__}, "
            f"which has none: {mixer.why_no_hidden_attention}."
        )
    return mixer.hidden_hooks


class ReadLayer(ABC):
    """A recurrent layer that was read, as hidden attention asks for it: in each channel outputs = alpha inputs + rest.

    At least in single precision.
    """

    x: Channels
    """What the layer's first map over positions reads: the convolution, or the recurrence where there is none."""
    u: Channels
    """What the recurrence reads."""
    W_out: Float[Tensor, "channel d_model"]
    """Map out of the layer."""
    n_heads: int
    """Heads: stretches of neighbouring channels, of equal length."""

    @classmethod
    def of(cls, mixer: Mixer, values: Mapping[str, Tensor]) -> "ReadLayer":
        """Make it from the values at the `needed` hook points, by their names within the mixer."""
        needed(mixer)
        return mixer.hidden_layer(values)

    @property
    def channels_alike(self) -> int:
        """Neighbouring channels whose matrices are the same, but for the direct way and what is outside the state."""
        return 1

    @abstractmethod
    def alpha(
        self, channels: slice, rows: Rows, *, through_conv: bool = False, gated: bool = False, direct: bool = True
    ) -> Float[Tensor, "batch channel query key"]:
        """Matrices of neighbouring channels; the options are those of `hidden_attention.decompose`."""

    @abstractmethod
    def remainder(self, *, through_conv: bool, gated: bool, direct: bool) -> Channels:
        """What the inputs do not bring through alpha, computed without it."""

    @abstractmethod
    def numbers_per_channel(self, pairs: int) -> int:
        """Numbers of the largest intermediate result for one channel and string, for this many pairs of positions."""


@dataclass(frozen=True)
class SelectiveLayer(ReadLayer):
    """A selective recurrence, h_t = exp(delta_t A) h_(t-1) + delta_t u_t B_t, between a convolution and a gate."""

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
    recurred: Callable[[Channels], Channels]
    """What the recurrence makes of another input, all else as it is in the run."""

    @classmethod
    def plain(
        cls,
        u: Channels,
        delta: Float[Tensor, "batch pos rate"],
        A: Float[Tensor, "rate state_or_1"],
        B: Float[Tensor, "batch pos group state"],
        C: Float[Tensor, "batch pos group state"],
        W_out: Float[Tensor, "channel d_model"],
        n_heads: int = 1,
    ) -> "SelectiveLayer":
        """Make one that has neither a convolution nor a gate nor a direct way from input to output.

        >>> SelectiveLayer.plain(u, delta, A, B, C, W_out)  # h_t = exp(delta_t A) h_(t-1) + delta_t u_t B_t
        """
        ones, channels = torch.ones_like(u), u.shape[2]
        conv = u.new_zeros(len(A)), u.new_ones(channels, 1), u.new_zeros(channels)
        numbers = promoted(u, u, ones, ones, delta, B, C, A, *conv, W_out)
        return cls(*numbers, n_heads=n_heads, recurred=torch.zeros_like)  # of no input, which is all it is asked for

    @property
    def channels_alike(self) -> int:
        return self.channels_per_rate

    @property
    def channels_per_rate(self) -> int:
        """Neighbouring channels that decay alike."""
        return self.u.shape[2] // len(self.A)

    def alpha(
        self, channels: slice, rows: Rows, *, through_conv: bool = False, gated: bool = False, direct: bool = True
    ) -> Float[Tensor, "batch channel query key"]:
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

    def remainder(self, *, through_conv: bool, gated: bool, direct: bool) -> Channels:
        constant = self.held * self.b_conv if through_conv else torch.zeros_like(self.u)
        remainder = self.recurred(constant)
        if not direct:
            remainder = remainder + self.D.repeat_interleave(self.channels_per_rate) * (self.u - constant)
        return remainder * self.gate if gated else remainder

    def numbers_per_channel(self, pairs: int) -> int:
        return self.B.shape[3] * pairs // self.channels_per_rate

    def _recurrence(self, rates: slice) -> Recurrence:
        """The recurrence of some of the rates; rates of one group share B and C."""
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
