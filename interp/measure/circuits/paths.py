"""Patching any place from another run: along one edge, along all paths between two nodes, or where a node stands.

One call for all of it (`patch`), from a corrupted run into a clean one or back. What is patched is a place's text:

    L0H1->L1H4.k              the direct path from one node into what another reads (path patching)
    L0H1=>L1H4.k              all paths between the two: whatever the writer changes in what the reader reads
    L1H4, L0.mlp, L0.mixer    what a node writes (activation patching, an interchange intervention)
    L1H4.k                    a head's keys (q, v, its pattern as well: `L1H4.pattern`) as they stand
    blocks.0.mixer.h.5        any hook point: a recurrent state after a position, a write, a convolution
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import Logits, Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError, unknown
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.stream import cached
from interp.measure.edit import Edit, Site, written_at
from interp.measure.values import Donor
from interp.models.heads import HeadTable
from interp.models.hooks.model import Hook
from interp.models.stack.model import StackModel
from interp.tasks.batch import ContrastPair

Positions = Bool[Tensor, "#batch pos"]
Direction = Literal["into clean", "into corrupted"]
PARTS = {"q": "hook_q", "k": "hook_k", "v": "hook_v", "pattern": "hook_pattern", "z": "hook_z"}
"""Part of an attention head -> its hook point."""


@dataclass(frozen=True)
class PatchEffects:
    """What each place does to the answer, string by string."""

    places: tuple[str, ...]
    direction: Direction
    effect: Float[Tensor, "place example"]
    """Share of the way to the donor run's logit difference: 0 changes nothing, 1 carries all of it. It may lie outside
    where a place does more than the whole run; nan for a string whose corruption changes nothing at the query."""
    clean: Float[Tensor, " example"]
    """Logit difference of the clean run: the clean answer's logit less the corrupted one's."""
    corrupted: Float[Tensor, " example"]
    """Logit difference of the corrupted run."""


@checked_call
@torch.no_grad()
def patch(
    model: StackModel,
    tokens: Tokens,
    donor: Int[Tensor, "donor_batch donor_pos"],
    places: Sequence[str],
    positions: Bool[Tensor, "position_batch position_pos"] | None = None,
) -> Logits:
    """Run a model with what stands at some places in another run; returns the logits.

    >>> import interp
    >>> model, pair = interp.planted_copier(1, 8)[0], interp.CopyTask(8).contrast(4, 6, 0)
    >>> logits = patch(model, pair.clean.tokens, pair.corrupted.tokens, ["L1H2"])
    >>> float(pair.logit_difference(logits).max()) < 0  # the head alone carries the answer
    True

    Args:
        model: one of this package's.
        tokens: the strings that are run.
        donor: those of the other run, of the same shape.
        places: texts as in the module's table; all at once.
        positions: patch these alone (of an edge: of what is read; of a pattern: queries); None for all.

    Raises: UserError for strings or positions of another shape, or a place that the model does not have.
    """
    require_same(tokens, donor)
    if positions is not None and (positions.shape[1] != tokens.shape[1] or len(positions) not in (1, len(tokens))):
        raise UserError(
            f"positions must have the shape of tokens, {list(tokens.shape)}, or one row for all strings; got "
            f"{list(positions.shape)}. Mark each position True or False."
        )
    hooks = [hook for place in dict.fromkeys(places) for hook in patching_hooks(model, place, tokens, donor, positions)]
    return model.run_with_hooks(tokens, fwd_hooks=hooks)


@checked_call
@torch.no_grad()
def patch_effects(
    model: StackModel,
    pair: ContrastPair,
    places: Sequence[str],
    direction: Direction = "into clean",
    positions: Positions | None = None,
) -> PatchEffects:
    """Measure how much of the answer each place carries, patched alone.

    Args:
        model: one of this package's.
        pair: strings, and the same with a known difference.
        places: texts as `patch` takes them; each is patched by itself.
        direction: "into clean" puts the corrupted run's value into the clean run (is the place needed?), "into
            corrupted" the clean one's into the corrupted (is it enough?).
        positions: as in `patch`.

    Raises: UserError as `patch` does; and for a corruption that changes nothing.
    """
    require_some(places)
    clean, corrupted = (pair.logit_difference(model(batch.tokens)) for batch in (pair.clean, pair.corrupted))
    whole = clean - corrupted
    if not whole.is_meta and bool((whole == 0).all()):
        raise UserError(
            "pair must change the model's logits at the query; got a corruption that changes nothing there. Draw "
            "another one, or strings that the model copies."
        )
    runs = (pair.clean.tokens, pair.corrupted.tokens)
    begin, (tokens, donor) = (clean, runs) if direction == "into clean" else (corrupted, runs[::-1])
    effects = []
    for place in places:
        patched = pair.logit_difference(patch(model, tokens, donor, [place], positions))
        moved = begin - patched if direction == "into clean" else patched - begin
        effects.append((moved / whole).masked_fill(whole == 0, torch.nan))
    return PatchEffects(tuple(places), direction, torch.stack(effects), clean, corrupted)


@torch.no_grad()
def patching_hooks(
    model: StackModel, place: str, tokens: Tokens, donor: Tokens, positions: Positions | None = None
) -> list[Hook]:
    """Make the hooks that put a donor run's value at a place."""
    graph = Graph.of(model)
    if "=>" in place:
        return [_through_everything(model, graph, place, tokens, donor, positions)]
    if "->" in place:
        edge = graph.parse([place])[0]
        name = written_at(edge.writer)
        clean, other = (cached(model, strings, [name]) for strings in (tokens, donor))
        return [Edit(edge, Donor(other[name]), positions).hook(model, clean)]
    site = site_of(model, place, positions)
    return [Edit(site, Donor(cached(model, donor, [site.hook])[site.hook])).hook(model)]


def site_of(model: StackModel, place: str, positions: Positions | None = None) -> Site:
    """The site that a text names: a node, a part of a head, or a hook point.

    Raises: UserError for a place that the model does not have, listing the nearest.
    """
    graph, table = Graph.of(model), HeadTable.of(model)
    nodes = {node.name: node for node in graph.nodes}
    if place in nodes:
        node = nodes[place]
        return Site(written_at(node), node.head, positions)
    head, _, part = place.rpartition(".")
    if head in table.names and part in PARTS and table[head].kind == "attention":
        return Site(f"blocks.{table[head].layer}.attn.{PARTS[part]}", table[head], positions)
    try:
        return Site(model.resolve(place), None, positions)
    except UserError:
        parts = [f"{head.name}.{part}" for head in table.of_kind("attention") for part in PARTS]
        raise unknown("place", place, [*nodes, *parts, *model.known_names()]) from None


def _through_everything(
    model: StackModel, graph: Graph, place: str, tokens: Tokens, donor: Tokens, positions: Positions | None
) -> Hook:
    """The reader reads what it would if the writer had written the donor's, and all between had followed."""
    writer, _, rest = place.partition("=>")
    reader, _, into = rest.partition(".") if "." in rest and rest not in graph.names_of_nodes else (rest, "", "resid")
    sender, receiver = graph.node(writer), graph.node(reader)
    if into not in receiver.reads:
        raise unknown("input", f"{reader}.{into}", [f"{reader}.{each}" for each in receiver.reads])
    if graph.place(sender) >= graph.place(receiver):
        raise UserError(f"a path must lead forward; got {place}, whose reader comes before its writer. Turn it round.")
    hook = receiver.reads_at(into)
    instead = patching_hooks(model, writer, tokens, donor)
    with model.hooks(fwd_hooks=instead):
        read = cached(model, tokens, [hook])[hook]
    return Edit(Site(hook, receiver.head, positions), Donor(read)).hook(model)


def require_some(places: Sequence[object]) -> None:
    """Refuse no place at all. Raises: UserError."""
    if not places:
        raise UserError("places must hold at least one, such as 'L1H4' or 'L0H1->L1H4.k'; got none. Name one.")


def require_same(tokens: Tokens, donor: Int[Tensor, "donor_batch donor_pos"]) -> None:
    """Refuse a donor of another shape. Raises: UserError."""
    if tokens.shape != donor.shape:
        raise UserError(
            f"donor must have the shape of tokens, {list(tokens.shape)}, so that positions correspond; got "
            f"{list(donor.shape)}. Pair strings of one length."
        )
