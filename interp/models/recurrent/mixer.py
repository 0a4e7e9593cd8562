"""What all recurrent layers share: what they carry along, hook points for single steps, and the block around a mixer.

A mixer is called as `mixer(x, past, first)` with the normalised stream and writes to the stream. Reading all states at
once happens at stacked hook points (`hook_state` [batch pos ...]). An edit that propagates through the recurrence is
made at the state of one position, `h.5` [batch ...]: a point that exists as soon as it is named.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint, in_use, traced
from interp.models.stack.block import draw_weights
from interp.models.stack.masks import Mask

if TYPE_CHECKING:
    from interp.models.hidden_attention.layer import ReadLayer


@dataclass
class RecurrentState:
    """What a recurrent layer carries from one call to the next: of constant size, however many positions were read."""

    parts: dict[str, Tensor]
    """Name -> tensor [batch ...], empty before the first call: `h`; of Mamba also `window`, the inputs that the
    convolution still needs; of an LSTM also `c`."""
    length: int = 0
    """Positions read."""

    def tensors(self) -> dict[str, Tensor]:
        """What is carried, by name; nothing at first."""
        return self.parts

    def get(self, name: str) -> Tensor | None:
        """A part; None before the first call."""
        return self.parts.get(name)

    def advance(self, positions: int, **parts: Tensor) -> None:
        """Replace what is carried, after this many more positions."""
        self.parts, self.length = parts, self.length + positions


class Mixer(nn.Module):
    """A recurrent layer, and all that a family's layer says of itself.

    Subclasses implement `forward(x, past, first)`, `init_weights` and `state_shapes`; the rest has defaults that hold
    for a layer whose state is `h`, which has no decay of its own and no hidden attention. What is declared here is all
    that the rest of the package asks: nothing else needs to know the family.
    """

    # ------------------------------------------------------------------ what it says of its hook points

    per_step: ClassVar[tuple[str, ...]] = ("h",)
    """Quantities that have a hook point at every single position (`blocks.0.mixer.h.5`)."""
    large: ClassVar[tuple[str, ...]] = ()
    """Hook points that are cached only when named: they hold a whole state for every position."""
    state_hook: ClassVar[str] = "hook_state"
    """Hook point that shows the state behind every position, [batch pos ...]."""
    other_names: ClassVar[dict[str, str]] = {}
    """Other tools' names for its hook points -> ours, where both hold the same on the same axes; after `blocks.0.`."""
    other_steps: ClassVar[dict[str, str]] = {}
    """Other tools' names for a quantity at one position -> ours: {"hook_h": "h"} lets `blocks.0.hook_h.5` serve."""
    refused: ClassVar[dict[str, str]] = {}
    """Other tools' names for what differs here -> what to use instead; after `blocks.0.`."""

    # ------------------------------------------------------------------ what it says of its training and its scans

    no_weight_decay: ClassVar[tuple[str, ...]] = ()
    """Parameters that are trained without weight decay."""
    scans: ClassVar[tuple[str, ...]] = ()
    """What it runs of `interp.models.scan`."""

    # ------------------------------------------------------------------ what it says of its state

    decaying: ClassVar[str] = "h"
    """Part of the state that decays (a name in `state_shapes`)."""
    decay_hook: ClassVar[str | None] = None
    """Hook point from whose values `log_decay` tells how fast the state decays; None: it has no decay of its own."""

    # ------------------------------------------------------------------ what it says of its hidden attention

    hidden_hooks: ClassVar[tuple[str, ...]] = ()
    """Hook points, by their names within the mixer, that `hidden_layer` needs; none: it has no hidden attention. One
    that has any also has `hook_y`, the output of its heads: [batch pos channel] of one, [batch pos head d_head] of
    several."""
    gated_hook: ClassVar[str] = "hook_y"
    """Hook point of what the map out of the layer reads: the output of the heads times the gate, if it has one."""
    why_no_hidden_attention: ClassVar[str] = "nobody has written it as a weighted sum of its inputs yet"

    config: Any
    """Config that it is built from."""

    def __init__(self) -> None:
        super().__init__()
        for quantity in self.per_step:
            self.add_module(quantity, nn.ModuleDict())

    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the weights as the architecture's authors do, in float32 whatever the default dtype of the process."""
        raise NotImplementedError

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        """Parts of the state that it carries for each string: name -> shape."""
        raise NotImplementedError

    def state_matrices(self, value: Tensor) -> Tensor | None:
        """The matrix of each head, [batch pos head row column], from what stands at `state_hook`; None without one."""
        return value if value.ndim == 5 else None

    def log_decay(self, value: Float[Tensor, "batch pos *rest"]) -> Float[Tensor, "*state"]:
        """Log of the share of the state that is kept, summed over strings and positions, in float64.

        Args:
            value: what stands at `decay_hook`.

        Returns: one number for each number of the part of the state that is called `decaying`.
        """
        raise NotImplementedError

    @property
    def hidden_heads(self) -> int:
        """Heads of its hidden attention; 0 where it has none."""
        return 1 if self.hidden_hooks else 0

    def hidden_layer(self, values: Mapping[str, Tensor]) -> "ReadLayer":
        """Make what its hidden attention is computed from.

        Args:
            values: what stands at its `hidden_hooks`, by their names within the mixer.
        """
        raise NotImplementedError

    def edited(self, quantity: str, start: int, n: int) -> dict[int, HookPoint]:
        """Hook points of a quantity at single positions that are in use, by position.

        Of a trace only the next point that it waits for is known: then all that were made are passed.

        Args:
            quantity: one of `per_step`.
            start: positions that were read before.
            n: new positions; they are counted from 0.
        """
        points: Any = getattr(self, quantity)
        here = {int(at) - start: point for at, point in points.items() if 0 <= int(at) - start < n}
        every = any(traced(point) for each in self.per_step for point in getattr(self, each).values())
        return {at: here[at] for at in sorted(here) if every or in_use(here[at])}


class RecurrentBlock(nn.Module):
    """One recurrent layer: x + mixer(norm(x)), then, if it has an MLP or experts, + mlp(ln2(.)).

    `hook_mixer_in` is what the mixer reads, `hook_mixer_out` its output. On demand: `hook_mixer_input`, the stream
    before the norm as the mixer alone reads it, so that a path into it can be patched. With an MLP the points are those
    of an attention layer's: `hook_resid_mid`, `hook_mlp_in` on demand, the MLP's own (`layers.MLP`, `layers.GatedMLP`,
    `experts.Experts`), `hook_mlp_out`. In a model that has MLPs in other layers alone, `hook_mlp_out` is a point, too,
    where zeros are written: TransformerLens's decompositions of the stream ask for it.

    Where it stands beside an attention layer (`beside`), its mixer reads the stream as that layer read it, and it adds
    to what that layer left: x + attention(ln1(x)) + mixer(norm(x)).

    Args:
        mixer: the layer.
        norm: before it; an identity for none.
        residual: whether the block adds to the stream (else it replaces it, as a plain stack of LSTM layers does).
    """

    hook_out_is_single_residual_stream = True  # TransformerLens's logit lens asks
    past_class = RecurrentState
    parallel = False
    """Whether the MLP reads what the mixer reads; it reads what stands after it."""
    beside = False
    """Whether the mixer reads what the attention layer before it reads."""

    def __init__(self, mixer: Mixer, norm: nn.Module, residual: bool = True) -> None:
        super().__init__()
        self.mixer, self.norm, self.residual = mixer, norm, residual
        self.hook_resid_pre, self.hook_resid_post = HookPoint(), HookPoint()
        self.hook_mixer_input, self.hook_mixer_in, self.hook_mixer_out = HookPoint(), HookPoint(), HookPoint()
        self.hook_mlp_out: HookPoint | None = None
        self.mlp: Any = None

    def add_mlp(self, mlp: nn.Module, norm: nn.Module) -> None:
        """Put an MLP behind the mixer, and a norm before it."""
        self.mlp, self.ln2 = mlp, norm
        self.hook_resid_mid, self.hook_mlp_in, self.hook_mlp_out = HookPoint(), HookPoint(), HookPoint()

    def forward(
        self, x: Residual, mask: Mask, past: RecurrentState | None = None, entered: Residual | None = None
    ) -> Float[Tensor, "batch query d_model"]:
        """Run the layer; returns the stream after it at the positions that `mask` asks for.

        Args:
            x: the stream.
            mask: which positions are wanted.
            past: what is carried from before these positions; replaced by what is after them.
            entered: the stream as the layer before it read it, for one that stands beside it.
        """
        x = self.hook_resid_pre(x)
        read = x if entered is None else entered
        read = self.hook_mixer_input(read.clone()) if in_use(self.hook_mixer_input) else read  # the stream stays
        normed = self.norm(read)
        if normed is read and in_use(self.hook_mixer_in):  # no norm: an edit in place must not reach the stream itself
            normed = normed.clone()
        out = self.hook_mixer_out(self.mixer(self.hook_mixer_in(normed), past, mask.first))
        out = x[:, mask.first :] + out if self.residual else out
        if self.mlp is not None and self.hook_mlp_out is not None:
            out = self.hook_resid_mid(out)
            read = self.hook_mlp_in(out.clone()) if in_use(self.hook_mlp_in) else out
            out = out + self.hook_mlp_out(self.mlp(self.ln2(read)))
        elif self.hook_mlp_out is not None and in_use(self.hook_mlp_out):
            out = out + self.hook_mlp_out(0 * out)  # so that it has a gradient: zero
        return self.hook_resid_post(out)

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Draw the weights anew."""
        self.mixer.init_weights(generator)
        if self.mlp is not None:
            draw_weights(self.mlp, generator)

    def past_shapes(self, length: int) -> dict[str, tuple[int, ...]]:  # noqa: ARG002
        """What it carries for each string, however many positions were read: name -> shape."""
        return self.mixer.state_shapes()

    def written_bias(self, mlp: bool = True) -> Float[Tensor, " d_model"] | float:
        """The constant that the block adds to the stream, with or without its MLP's."""
        of_mixer = getattr(self.mixer, "b_out", None)
        written = 0.0 if of_mixer is None else of_mixer
        return written + self.mlp.written_bias() if mlp and self.mlp is not None else written
