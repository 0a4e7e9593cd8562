"""An edit of a forward pass: a place in it, and the value that stands there instead.

The place is a `Site` (a hook point; of it one head, and some positions) or an `Edge` (the path from one head straight
into another's queries, keys or values). The value (`interp.measure.values`) is zero, a mean, another string's, or a
donor's from another run. Ablation, patching and the search for gather heads are all edits:

    ablation                 Site.of(head)                 Zero(), Mean(), MeanPerPosition(), Resample.draw(...)
    activation patching      Site(hook, positions=...)     Donor(cache[hook]), of a corrupted (or the clean) run
    path patching            Edge(sender, receiver, "k")   any of them: what the sender is to have written
    state interchange        Site("blocks.0.mixer.h.5")    Donor(cache["blocks.0.mixer.h.5"])
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.base.axes import HeadVectors, PosMask, Residual
from interp.base.errors import UserError, shown
from interp.measure.values import Donor, Value
from interp.models.heads import Head
from interp.models.hooks.model import Hook
from interp.models.stack.model import StackModel
from interp.models.surface import Model

Activation = Float[Tensor, "batch *axes"]
Laid = Float[Tensor, "batch pos *inner"]


@dataclass(frozen=True, eq=False)
class Site:
    """A place in a forward pass."""

    hook: str
    """Hook point, under the model's own name."""
    head: Head | None = None
    """Its head alone; None for all that stands there."""
    positions: Bool[Tensor, "#batch pos"] | None = None
    """Positions (of a pattern: queries) that are edited; None for all."""

    @classmethod
    def of(cls, head: Head, positions: Bool[Tensor, "#batch pos"] | None = None) -> "Site":
        """Return the place where a head's output stands."""
        return cls(head.output_hook, head, positions)

    def lay(self, activation: Activation) -> Laid:
        """Lay what stands there out as [batch pos ...]; where one head is meant, its axis comes next."""
        if self._pattern:
            return activation.transpose(1, 2)
        if self.hook.rsplit(".", 1)[-1].isdigit():  # the state at one position
            return activation[:, None]
        return activation[:, :, None] if self.head is not None and activation.ndim == 3 else activation

    def put(self, activation: Activation, new: Laid) -> Activation:
        """Put `new`, laid out, in place of what stands at the site, and leave the rest as it is."""
        old, chosen = self.lay(activation), torch.ones((), dtype=torch.bool, device=activation.device)
        if self.head is not None:
            chosen = torch.arange(old.shape[2], device=old.device) == self.head.index
            chosen = chosen.reshape(-1, *[1] * (old.ndim - 3))
        if self.positions is not None:
            here = _last(self.positions.to(old.device), old)
            chosen = chosen & here.reshape(*here.shape, *[1] * (old.ndim - 2))
        edited = torch.where(chosen, _last(new, old).to(old), old)
        return edited.transpose(1, 2) if self._pattern else edited.reshape(activation.shape)

    @property
    def _pattern(self) -> bool:
        return self.hook.endswith(("hook_pattern", "hook_attn_scores"))


@dataclass(frozen=True)
class Edge:
    """The path from one attention head straight into another's queries, keys or values, along the residual stream.

    Raises: UserError unless both attend and the sender comes before the receiver.
    """

    sender: Head
    receiver: Head
    into: str
    """q, k or v."""

    def __post_init__(self) -> None:
        if self.into not in ("q", "k", "v"):
            raise UserError(f"into must be 'q', 'k' or 'v'; got {shown(self.into)}.")
        if {self.sender.kind, self.receiver.kind} != {"attention"} or self.sender.layer >= self.receiver.layer:
            raise UserError(
                f"edge must lead from an attention head to one of a later layer; got {self.sender} "
                f"({self.sender.kind}) to {self.receiver} ({self.receiver.kind}). Edit the head itself, with Site.of."
            )

    @property
    def hook(self) -> str:
        """Hook point of the receiver's input."""
        return f"blocks.{self.receiver.layer}.attn.hook_{self.into}_input"

    def put(self, activation: HeadVectors, change: Residual) -> HeadVectors:
        """Add the change of what the sender writes to what the receiver reads, and to nothing else."""
        receiver = torch.arange(activation.shape[2], device=activation.device) == self.receiver.index
        return torch.where(receiver[:, None], activation + _last(change, activation)[:, :, None], activation)


@dataclass(frozen=True, eq=False)
class Edit:
    """A place and what stands there instead.

    >>> import torch
    >>> from interp.measure.values import Zero
    >>> from interp.models.heads import HeadTable
    >>> from interp.models.planted import planted_copier
    >>> model, tokens = planted_copier(1, 4)[0], torch.tensor([[0, 1, 2]])
    >>> edit = Edit(Site.of(HeadTable.of(model)["L0H1"]), Zero())
    >>> logits = model.run_with_hooks(tokens, fwd_hooks=[edit.hook(model)])
    """

    site: Site | Edge
    value: Value

    @property
    def reads(self) -> tuple[str, ...]:
        """Hook points of the reference run that the value is computed from; () where it needs none."""
        if isinstance(self.site, Edge):
            return (self.site.sender.output_hook,)
        return (self.site.hook,) if self.value.from_reference else ()

    def hook(self, model: Model, reference: Any = None, used: PosMask | None = None) -> Hook:
        """Make the hook that carries the edit out, on the strings of the reference run.

        Args:
            model: the one that is edited.
            reference: what stood at `reads` in the reference run: a cache, or a dict. None: what stands at a site in
                the edited run itself, which is the same as long as nothing is edited before it.
            used: positions that means are taken over; None for all.

        Raises: UserError for an edge in a model that is not one of ours (a bridge splits no inputs by head as it is),
            or without a reference.
        """
        site, known = self.site, dict((reference or {}).items())
        if isinstance(site, Edge):
            return site.hook, self._into_edge(model, site, known, used)

        def put(activation: Activation, hook: object) -> Activation:  # noqa: ARG001
            return site.put(activation, self._instead(site, known.get(site.hook, activation), used))

        return site.hook, put

    def _instead(self, site: Site, activation: Activation, used: PosMask | None) -> Laid:
        if isinstance(self.value, Donor):
            return site.lay(self.value.activation)
        laid = site.lay(activation)
        everywhere = torch.ones(laid.shape[:2], dtype=torch.bool, device=laid.device)
        return self.value.output(laid, everywhere if used is None or laid.shape[1] != used.shape[1] else used)

    def _into_edge(self, model: Model, edge: Edge, known: Mapping[str, Tensor], used: PosMask | None) -> Any:
        sender = Site.of(edge.sender)
        if not isinstance(model, StackModel) or sender.hook not in known:
            raise UserError(
                f"an edge must be cut in a model of this package, with {sender.hook} of a reference run; got a "
                f"{type(model).__name__} and {sorted(known)}. Cache it with run_with_cache."
            )
        z = known[sender.hook]
        change = (self._instead(sender, z, used) - z)[:, :, edge.sender.index]
        written = change @ model.blocks[edge.sender.layer].attn.W_O[edge.sender.index]

        def put(activation: HeadVectors, hook: object) -> HeadVectors:  # noqa: ARG001
            return edge.put(activation, written)

        return put


def _last(values: Tensor, like: Tensor) -> Tensor:
    """The last positions, as many as `like` has: the last layer may run for these alone."""
    return values[:, max(0, values.shape[1] - like.shape[1]) :]
