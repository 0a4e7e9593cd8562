"""`Circuit`: the frozen description of a planted model, from which weights, truth and behaviour are made.

A description is plain data: `Circuit.to_json()` and `Circuit.from_json()` go there and back.
"""

from dataclasses import dataclass
from typing import Any

import cattrs
import torch
from cattrs.strategies import configure_tagged_union

from interp.base.errors import UserError, shown, unknown
from interp.models.planted.looks import Back, Count, Found, Look, Match

CONTENTS = ("token", "next", "position", "index", "separator")
"""What a value can be: the letter itself, the next one of the alphabet, where the place is (as a code, as a number),
whether it is the separator. Besides `back:T`: what stands in that slot."""
SLOTS = ("answer", "scratch", "relay", "found", "start", "second")
"""Where a head can write: the answer (which the unembedding reads), what nothing reads, what an MLP carries to the
answer, the position that was found, that of the separator, whether the separator has passed. Besides `back:T`."""
MLPS = ("zero", "random", "relay", "flag")
"""What a layer's MLP can be: all weights zero; small random ones that write where nothing reads, and a little
everywhere; one that carries the slot `relay` to the answer; one that flags an answer that is one letter."""


def offset_of(slot: str) -> int:
    """T of `back:T`; 0 for any other slot."""
    kind, _, offset = slot.partition(":")
    return int(offset) if kind == "back" and offset.isdecimal() else 0


@dataclass(frozen=True)
class Write:
    """What a head carries from where it looks, and the slot that it adds it to.

    >>> Write("token", "answer").factor
    1.0
    """

    what: str = "token"
    """One of `CONTENTS`, or `back:T`."""
    to: str = "answer"
    """One of `SLOTS`, or `back:T`, where the letter T back belongs."""
    factor: float = 1.0
    """Times as much; below 0 it is subtracted: a suppressor."""
    letters: tuple[int, int] | None = None
    """Only these letters are carried: from the first up to, and without, the last; None: every token."""
    bos: bool = True
    """Whether BOS is carried, too; if not, its value is zero."""


@dataclass(frozen=True)
class HeadSpec:
    """One head: where it stands, where it looks, and what it writes.

    >>> HeadSpec(layer=0, column=1, look=Back(distance=2, gain=30.0), writes=(Write("token", "back:2"),)).look
    Back(distance=2, gain=30.0)
    """

    layer: int
    column: int
    """Its number in the layer, before heads are shuffled."""
    look: Look
    writes: tuple[Write, ...] = ()
    decoy: str | None = None
    """Name of the decoy that it is, if it is one of `decoys.py`."""


@dataclass(frozen=True)
class Circuit:
    """Description of a planted model. Places without a description hold a head whose weights are all zero.

    >>> circuit = interp.models.planted.draw("windows", seed=0)
    >>> model, planting = interp.models.planted.plant(circuit)
    """

    heads: tuple[HeadSpec, ...]
    n_layers: int
    n_heads: int
    """Heads in each layer."""
    alphabet: int = 26
    windows: tuple[int | None, ...] | None = None
    """How many positions the heads of each column see; None: all of them see everything."""
    position: str = "hard-alibi"
    """The position encoding, one of `interp.models.stack.config.POSITIONS`."""
    n_ctx: int = 4096
    """Longest sequence; counts only where positions are learned."""
    mlps: tuple[str, ...] = ()
    """For each layer one of `MLPS`; empty: no MLPs."""
    normalization: str | None = None
    ballast: float = 300.0
    """Length of a constant part of the stream, with a norm: the larger, the less the norm varies from place to place,
    and scores with it. `Planting.norm_spread` says by how much."""
    turned: bool = True
    """Whether the residual stream, and the inside of each head, are turned by random orthogonal matrices."""
    shuffle: bool = False
    """Whether columns are put in random order."""
    logit: float = 20.0
    """Logit of a letter that stands in the answer once."""
    noise: float = 0.0
    """Standard deviation of what is added to every weight, as a share of the root mean square of its matrix."""
    seed: int = 0
    """Seed of the order, the random weights, the rotations and the noise."""
    d_head: int | None = None
    """Width of a head; None: the least that does."""
    lengths: tuple[int, int] = (24, 32)
    """Letters of the strings for which the truth is stated."""

    def __post_init__(self) -> None:
        if not 2 <= self.alphabet <= 26:
            raise UserError(f"alphabet must be 2 to 26 letters; got {self.alphabet}. Choose a number between.")
        if self.windows is not None and len(self.windows) != self.n_heads:
            raise UserError(
                f"windows must have one entry for each of the {self.n_heads} heads of a layer; got "
                f"{len(self.windows)}. An entry of None sees everything."
            )
        places = [(head.layer, head.column) for head in self.heads]
        inside = all(0 <= layer < self.n_layers and 0 <= column < self.n_heads for layer, column in places)
        if not inside or len(set(places)) < len(places):
            raise UserError(
                f"heads must each have a place of their own in {self.n_layers} layers of {self.n_heads}; got "
                f"{places}. Change layers and columns."
            )
        if self.mlps and len(self.mlps) != self.n_layers:
            raise UserError(
                f"mlps must have one entry for each of {self.n_layers} layers; got {len(self.mlps)}. "
                f"Leave it empty for none."
            )
        for name in self.mlps:
            if name not in MLPS:
                raise unknown("planted MLP", name, MLPS)
        if self.shuffle and self.position == "alibi":
            raise UserError("shuffle must be False with ALiBi; got True. Its slopes go by the head's number.")
        for head in self.heads:
            self._check(head)

    def _check(self, head: HeadSpec) -> None:
        look, learned = head.look, self.position == "learned"
        needs = isinstance(look, Found | Count) or (isinstance(look, Match) and (look.tilt or look.shuns_itself))
        if (needs and not learned) or (isinstance(look, Back) and self.position not in ("learned", "rope")):
            raise UserError(f"position must be 'learned' for {look}; got {shown(self.position)}. Change one of them.")
        if isinstance(look, Count) and self.normalization is not None:
            raise UserError(
                f"normalization must be None for {look}; got {shown(self.normalization)}. It counts exactly."
            )
        for write in head.writes:
            if write.what not in CONTENTS and not offset_of(write.what):
                raise unknown("content", write.what, (*CONTENTS, "back:1"))
            if write.to not in SLOTS and not offset_of(write.to):
                raise unknown("slot", write.to, (*SLOTS, "back:1"))

    @property
    def n_back(self) -> int:
        """Slots for letters back: `back:1` to `back:n_back`."""
        read = [h.look.depth - (not h.look.after) for h in self.heads if isinstance(h.look, Match)]
        return max([*read, *(offset_of(write.to) for head in self.heads for write in head.writes)], default=0)

    def order(self, generator: torch.Generator | None = None) -> list[int]:
        """Which column stands at each number in the model. The generator, if not given, is that of the seed."""
        if not self.shuffle:
            return list(range(self.n_heads))
        generator = generator or torch.Generator().manual_seed(self.seed)
        return torch.randperm(self.n_heads, generator=generator).tolist()

    def to_json(self) -> dict[str, Any]:
        """The description as JSON values."""
        return _JSON.unstructure(self)

    @classmethod
    def from_json(cls, document: dict[str, Any]) -> "Circuit":
        """The description that `to_json` wrote."""
        return _JSON.structure(document, cls)


_JSON = cattrs.Converter(unstruct_collection_overrides={tuple: list}, omit_if_default=True)
configure_tagged_union(Look, _JSON, tag_name="look")
