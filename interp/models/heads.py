"""Every head of a model as one value: what it is called, what kind it is, where it can be read and edited.

A head is one of an attention layer, or of a recurrent layer's hidden attention: Mamba has one a layer, Mamba-2 its own,
an LSTM none. L1H3 is head 3 of layer 1, both counted from 0. A model's `HeadTable` is made once; everything that needs
heads, or a fact about one, asks it.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal
from weakref import WeakKeyDictionary

import torch
from transformer_lens.model_protocol import TransformerLensModel

from interp.base.calls import checked_call
from interp.base.errors import UserError, shown, unknown
from interp.models.hidden_attention.layer import hidden_heads
from interp.models.recurrent.mixer import RecurrentBlock
from interp.models.stack.model import StackModel

HeadKind = Literal["attention", "hidden attention"]
Heads = Any
"""Heads as the public functions take them: a list of names, or of `Head`s. `HeadTable.parse` refuses anything else in a
sentence, which a type checker at run time would forestall."""


@dataclass(frozen=True, order=True)
class Head:
    """A head of a model. `str(head)` is its name."""

    layer: int
    """Layer that it belongs to, from 0."""
    index: int
    """Place within the layer, from 0."""
    kind: HeadKind
    """Whether it attends, or belongs to a recurrent layer whose attention is hidden."""
    output_hook: str
    """Hook point where the outputs of the layer's heads are read and replaced; `surface.by_head` gives them an axis."""
    editable: bool
    """Whether edits of its pattern reach the model's output, and `hook_attn_scores` holds scores before the softmax."""

    @property
    def name(self) -> str:
        """Name of the head: L1H3."""
        return f"L{self.layer}H{self.index}"

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class HeadTable:
    """All heads of a model, layer by layer: the order in which every measurement has them.

    >>> from interp.models.planted import planted_copier
    >>> table = HeadTable.of(planted_copier(1, 4)[0])
    >>> table.names
    ('L0H0', 'L0H1', 'L0H2', 'L1H0', 'L1H1', 'L1H2')
    >>> table["L1H2"].output_hook, table.index("L1H2")
    ('blocks.1.attn.hook_z', 5)
    """

    heads: tuple[Head, ...]

    @classmethod
    @checked_call
    def of(cls, model: TransformerLensModel) -> "HeadTable":
        """Return the table of a model, made at the first call and kept as long as the model lives.

        On a model that is not one of ours the first call costs a forward pass of one layer on two tokens.
        """
        shape = _shape(model)
        known = _kept(model)
        if known is None or known[0] != shape:
            known = shape, cls(_find_heads(model))
            with suppress(TypeError):  # a model without a hash, or that no weak reference reaches, is asked each time
                _TABLES[model] = known
        return known[1]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the heads, in order."""
        return tuple(head.name for head in self.heads)

    @cached_property
    def by_layer(self) -> dict[int, tuple[Head, ...]]:
        """Layer -> its heads, first to last; layers without heads are left out."""
        layers = dict.fromkeys(head.layer for head in self.heads)
        return {layer: tuple(head for head in self.heads if head.layer == layer) for layer in layers}

    @cached_property
    def kinds(self) -> tuple[HeadKind, ...]:
        """Kind of every head, in order."""
        return tuple(head.kind for head in self.heads)

    @cached_property
    def editable(self) -> tuple[Head, ...]:
        """Heads whose pattern can be edited."""
        return tuple(head for head in self.heads if head.editable)

    def of_kind(self, kind: HeadKind) -> tuple[Head, ...]:
        """Heads of one kind, in order."""
        return tuple(head for head in self.heads if head.kind == kind)

    def index(self, head: Any) -> int:
        """Place of a head (a name or a `Head`) in the order of all.

        Raises: UserError as `parse` does.
        """
        return self._place[self.parse([head])[0]]

    @checked_call
    def parse(self, heads: Heads) -> tuple[Head, ...]:
        """Return the heads of these names, each once.

        Args:
            heads: a list of names such as "L1H3", or of `Head`s of this model.

        Raises: UserError for a head that the model does not have, for anything that is neither a name nor a `Head`
            (a number, a pair, one string that is not in a list), and for a model without heads.
        """
        if isinstance(heads, str | Head):
            raise UserError(
                f"heads must be a list of names such as ['L1H3']; got {shown(str(heads))} on its own. Put it in a list."
            )
        try:
            items = list(heads)
        except TypeError:
            raise UserError(f"heads must be a list of names such as ['L1H3']; got {shown(heads)}. Name them.") from None
        return tuple(dict.fromkeys(self._one(item) for item in items))

    def require(self) -> "HeadTable":
        """Return the table. Raises: UserError for a model without heads."""
        if not self.heads:
            raise UserError(
                "model must have heads, as attention, Mamba and Mamba-2 layers do; got a model with no heads (an LSTM "
                "layer has none). Measure its state instead."
            )
        return self

    def __getitem__(self, name: str) -> Head:
        return self._one(name)

    def __iter__(self) -> Iterator[Head]:
        return iter(self.heads)

    def __len__(self) -> int:
        return len(self.heads)

    def __contains__(self, head: object) -> bool:
        return head in self._place

    @cached_property
    def _place(self) -> dict[Head, int]:
        return {head: place for place, head in enumerate(self.heads)}

    @cached_property
    def _named(self) -> dict[str, Head]:
        return {head.name: head for head in self.heads}

    def _one(self, item: Any) -> Head:
        self.require()
        if isinstance(item, Head):
            if item not in self:
                raise UserError(
                    f"heads must be those of this model; got {item}, from another model. Pass its name, or take it "
                    "from HeadTable.of(model)."
                )
            return item
        if not isinstance(item, str):
            raise UserError(
                f"heads must be named, as in 'L1H3' (layer 1, head 3); got {shown(item)}. HeadTable.of(model).names "
                "lists them all."
            )
        if item not in self._named:
            raise unknown("head", item, self._named)
        return self._named[item]


_TABLES: "WeakKeyDictionary[Any, tuple[tuple[int, ...], HeadTable]]" = WeakKeyDictionary()
"""Model -> its shape when the table was made, and the table."""


def _kept(model: TransformerLensModel) -> tuple[tuple[int, ...], HeadTable] | None:
    try:
        return _TABLES.get(model)
    except TypeError:
        return None


def _shape(model: TransformerLensModel) -> tuple[int, ...]:
    """What a table depends on besides the model's identity: blocks may have been taken out since."""
    return (len(model.blocks),) if isinstance(model, StackModel) else (model.cfg.n_layers, model.cfg.n_heads)


def _find_heads(model: TransformerLensModel) -> tuple[Head, ...]:
    if not isinstance(model, StackModel):
        layers, editable = range(model.cfg.n_layers), _has_true_scores(model)
        return tuple(_attending(layer, i, editable) for layer in layers for i in range(model.cfg.n_heads))
    found: list[Head] = []
    for layer, block in enumerate(model.blocks):
        if isinstance(block, RecurrentBlock):
            hook = f"blocks.{layer}.mixer.hook_y"
            found += [Head(layer, i, "hidden attention", hook, False) for i in range(hidden_heads(block.mixer))]
        elif model.attention is not None:
            found += [_attending(layer, i, True) for i in range(model.attention.heads_in(layer).n)]
    return tuple(found)


def _attending(layer: int, index: int, editable: bool) -> Head:
    return Head(layer, index, "attention", f"blocks.{layer}.attn.hook_z", editable)


@torch.no_grad()
def _has_true_scores(model: TransformerLensModel) -> bool:
    """Whether `hook_attn_scores` holds scores before the softmax, and edits there and at `hook_pattern` have an effect.

    A bridge rebuilds the attention of GPT-2, GPT-NeoX, Llama, Mistral, Qwen, Gemma, Phi or Bloom, and has them; of OPT,
    GPT-J or GPT-Neo it shows the probabilities under both names, afterwards, and drops every edit.
    """
    name = "blocks.0.attn.hook_attn_scores"
    if name not in getattr(model, "hook_dict", {name: None}):
        return False
    tokens = torch.zeros(1, 2, dtype=torch.long, device=torch.device(model.cfg.device or "cpu"))
    scores = model.run_with_cache(tokens, names_filter=[name], stop_at_layer=1)[1][name]
    return bool(scores[0, 0, 0, 1] < 0)  # the first token may not see the second; a probability would be 0 there
