"""What all recurrent layers share: what they carry along, hook points for single steps, and the block around a mixer.

A mixer is called as `mixer(x, past, first)` with the normalised stream and writes to the stream. Reading all states at
once happens at stacked hook points (`hook_state` [batch pos ...]). An edit that propagates through the recurrence is
made at the state of one position, `h.5` [batch ...]: a point that exists as soon as it is named.
"""

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn
from transformer_lens.hook_points import HookPoint

from interp.base.axes import Residual
from interp.models.hooks.model import in_use, traced
from interp.models.stack.attention import Mask


@dataclass
class RecurrentState:
    """What a recurrent layer carries from one call to the next: of constant size, however many positions were read."""

    parts: dict[str, Tensor]
    """Name -> tensor [batch ...], empty before the first call: `h`; of Mamba also `window`, the inputs that the
    convolution still needs; of an LSTM also `c`."""
    length: int = 0
    """Positions read."""

    def get(self, name: str) -> Tensor | None:
        return self.parts.get(name)

    def advance(self, positions: int, **parts: Tensor) -> None:
        """Replace what is carried, after so many more positions."""
        self.parts, self.length = parts, self.length + positions


class Mixer(nn.Module):
    """A recurrent layer. Subclasses implement `forward(x, past, first)` and `init_weights`, and say what they carry."""

    per_step: ClassVar[tuple[str, ...]] = ("h",)
    """The quantities that have a hook point at every single position."""
    large: ClassVar[tuple[str, ...]] = ()
    """Hook points that are cached only when named: they hold a whole state for every position."""
    scans: ClassVar[tuple[str, ...]] = ()
    """What it runs of `interp.models.scan`."""
    other_names: ClassVar[dict[str, str]] = {}
    """Other tools' names for its hook points, where they hold the same on the same axes; after `blocks.0.`."""
    refused: ClassVar[dict[str, str]] = {}
    """Other tools' names for what differs -> what to use."""

    config: Any
    """What it is built from."""

    def __init__(self) -> None:
        super().__init__()
        for quantity in self.per_step:
            self.add_module(quantity, nn.ModuleDict())

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the weights as the architecture's authors do."""
        raise NotImplementedError

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """What it carries for each string: name -> shape."""
        raise NotImplementedError

    def edited(self, quantity: str, start: int, n: int) -> dict[int, HookPoint]:
        """The positions, counted within the `n` new ones behind `start`, whose point of this quantity is in use.

        Of a trace only the next point that it waits for is known: then all that were made are passed.
        """
        points: Any = getattr(self, quantity)
        here = {int(at) - start: point for at, point in points.items() if 0 <= int(at) - start < n}
        every = any(traced(point) for each in self.per_step for point in getattr(self, each).values())
        return {at: here[at] for at in sorted(here) if every or in_use(here[at])}


class RecurrentBlock(nn.Module):
    """One recurrent layer: x + mixer(norm(x)). `hook_mixer_in` is what the mixer reads, `hook_mixer_out` its output.

    Args:
        mixer: the layer.
        norm: before it; an identity for none.
        residual: whether the block adds to the stream (else it replaces it, as a plain stack of LSTM layers does).
    """

    hook_out_is_single_residual_stream = True  # TransformerLens's logit lens asks

    def __init__(self, mixer: Mixer, norm: nn.Module, residual: bool = True) -> None:
        super().__init__()
        self.mixer, self.norm, self.residual = mixer, norm, residual
        self.hook_resid_pre, self.hook_resid_post = HookPoint(), HookPoint()
        self.hook_mixer_in, self.hook_mixer_out = HookPoint(), HookPoint()

    def forward(
        self, x: Residual, mask: Mask, past: RecurrentState | None = None
    ) -> Float[Tensor, "batch query d_model"]:
        x = self.hook_resid_pre(x)
        out = self.hook_mixer_out(self.mixer(self.hook_mixer_in(self.norm(x)), past, mask.first))
        return self.hook_resid_post(x[:, mask.first :] + out if self.residual else out)

    def written_bias(self, mlp: bool = True) -> Float[Tensor, " d_model"] | float:  # noqa: ARG002
        """The constant that the block adds to the stream."""
        bias = getattr(self.mixer, "b_out", None)
        return 0.0 if bias is None else bias
