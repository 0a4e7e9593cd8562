"""An edit of a forward pass: a place in it, and the value that stands there instead.

The place is a `Site` (a hook point; of it one head, and some positions) or an `Edge` of `interp.measure.circuits.nodes`
(the path from what one node writes straight into what another reads). The value (`interp.measure.values`) is zero, a
mean, another string's, or a donor's from another run. Ablation, patching and the search for gather heads are all edits:

    ablation                 Site.of(head)                 Zero(), Mean(), MeanPerPosition(), Resample.draw(...)
    activation patching      Site(hook, positions=...)     Donor(cache[hook]), of a corrupted (or the clean) run
    path patching            Edge(writer, reader, "k")     any of them: what the writer is to have written
    state interchange        Site("blocks.0.mixer.h.5")    Donor(cache["blocks.0.mixer.h.5"])
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.base.axes import PosMask
from interp.base.errors import UserError
from interp.measure.circuits.nodes import Edge, Node
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
    positions: Bool[Tensor, "#batch pos"] | None = None
    """Positions at which an edge is edited, of what the reader reads; None for all. (A site has its own.)"""

    @property
    def reads(self) -> tuple[str, ...]:
        """Hook points of the reference run that the value is computed from; () where it needs none."""
        if isinstance(self.site, Edge):
            return (written_at(self.site.writer),)
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
            return site.reader.reads_at(site.into), self._into_edge(model, site, known, used)

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
        node, hook = edge.writer, written_at(edge.writer)
        if not isinstance(model, StackModel) or hook not in known:
            raise UserError(
                f"an edge must be cut in a model of this package, with {hook} of a reference run; got a "
                f"{type(model).__name__} and {sorted(known)}. Cache it with run_with_cache."
            )
        change = self._instead(Site(hook), known[hook], used) - known[hook]
        block: Any = model.blocks[max(node.layer, 0)]
        written = change if node.head is None else change[:, :, node.head.index] @ block.attn.W_O[node.head.index]
        if self.positions is not None:
            written = torch.where(_last(self.positions.to(written.device), written)[..., None], written, 0.0)
        head = edge.reader.head

        def put(activation: Activation, hook: object) -> Activation:  # noqa: ARG001
            if head is None:
                return activation + _last(written, activation)
            receives = torch.arange(activation.shape[2], device=activation.device) == head.index
            return torch.where(receives[:, None], activation + _last(written, activation)[:, :, None], activation)

        return put


def written_at(node: Node) -> str:
    """Hook point from which an edit takes what a node writes: of a head its output before W_O.

    Raises: UserError for the unembedding, which writes nothing.
    """
    if node.head is not None:
        return node.head.output_hook
    if node.writes_at is None:
        raise UserError(f"node must write to the stream; got {node}, which only reads. Name another one.")
    return node.writes_at


def _last(values: Tensor, like: Tensor) -> Tensor:
    """The last positions, as many as `like` has: the last layer may run for these alone."""
    return values[:, max(0, values.shape[1] - like.shape[1]) :]
