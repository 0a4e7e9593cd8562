"""Runs on the same strings with heads ablated, which share what comes before the first of them.

An ablated head changes nothing below its layer: of one of our stacks, and of a bridge, the clean run is kept as it
enters each layer, and every other run begins there. Whether that gives what a whole run gives is tried of each layer
before the first run begins there; where it does not, and for other models, runs are whole. Logits are made from the
first position on that is asked.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import signature
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor
from transformer_lens.model_bridge import TransformerBridge

from interp.base.axes import Tokens
from interp.measure.edit import Edit, Site
from interp.measure.values import Value
from interp.models.heads import Head
from interp.models.hooks.model import Hook
from interp.models.stack.model import StackModel
from interp.models.surface import Model, known_tokens

Logits = Float[Tensor, "batch asked vocab"]
ALIKE = 1e-4
"""Share of the largest logit by which a run that begins in the middle may differ from a whole one: rounding."""


@dataclass(frozen=True, eq=False)
class SharedRun:
    """A clean run on some strings, from which others begin."""

    model: Model
    tokens: Tokens
    first: int
    """Position from which on logits are made."""
    logits: Logits
    """Logits of the model as it is."""
    entering: Mapping[int, Any]
    """Layer -> what enters it; empty where every run is whole."""
    shares: dict[int, bool] = field(default_factory=dict)
    """Layer that was tried -> whether a run that begins there gives what a whole run gives."""

    @classmethod
    @torch.no_grad()
    def of(cls, model: Model, tokens: Tokens, first: int = 0) -> "SharedRun":
        """Run a model on strings.

        Args:
            model: any.
            tokens: strings, on its device.
            first: position from which on logits are wanted.
        """
        entering: dict[int, Any] = {}
        with _noting(model, entering):
            clean = logits_from(model, tokens, first)
        return cls(model, tokens, first, clean, entering)

    @torch.no_grad()
    def without(self, heads: Sequence[Head], value: Value, reference: Mapping[str, Tensor] | None = None) -> Logits:
        """Return the logits of a run in which some heads write a value instead.

        Args:
            heads: of the model; none gives the clean run.
            value: what each writes.
            reference: hook point -> what stood there in the run that the value is computed from (`outputs`); None: this
                run itself, in which heads of lower layers are ablated already.
        """
        if not heads:
            return self.logits
        hooks = [Edit(Site.of(head), value).hook(self.model, reference) for head in heads]
        layer = min(head.layer for head in heads)
        layer = self.model.entry(layer) if isinstance(self.model, StackModel) else layer
        if self._may_begin_at(layer):
            return self._from(layer, hooks)
        return logits_from(self.model, self.tokens, self.first, hooks)

    @torch.no_grad()
    def outputs(self, heads: Sequence[Head]) -> dict[str, Tensor]:
        """Return what stands in the clean run where some heads write, by hook point."""
        found: dict[str, Tensor] = {}

        def keep(name: str) -> Any:
            return lambda written, hook: found.__setitem__(name, written.detach())  # noqa: ARG005

        logits_from(self.model, self.tokens, self.first, [(at, keep(at)) for at in {h.output_hook for h in heads}])
        return found

    def _may_begin_at(self, layer: int) -> bool:
        """Whether runs may begin at a layer: tried once, on the clean run.

        A block under a bridge that returns more than a stream may fail in any way, and whole runs do not need it; of
        a model of this package every failure is a mistake, and lack of memory is one anywhere.
        """
        if layer not in self.entering:
            return False
        if layer not in self.shares:
            try:
                again = self._from(layer, ())
            except Exception as error:
                if isinstance(error, torch.OutOfMemoryError) or isinstance(self.model, StackModel):
                    raise
                self.shares[layer] = False
            else:
                away = (again - self.logits).abs().max()
                self.shares[layer] = bool(away <= ALIKE * self.logits.abs().max())
        return self.shares[layer]

    def _from(self, layer: int, hooks: Sequence[Hook]) -> Logits:
        if isinstance(self.model, StackModel):
            stream = self.entering[layer]
            whole = self.model.run_with_hooks(stream, return_type="logits", fwd_hooks=hooks, start_at_layer=layer)
            return whole[:, self.first :]
        with _skipped(self.model, layer, self.entering[layer]):
            return logits_from(self.model, self.tokens, self.first, hooks)


@torch.no_grad()
def logits_from(model: Model, tokens: Tokens, first: int = 0, hooks: Sequence[Hook] = ()) -> Logits:
    """Run a model and return its logits from a position on; before it none are made, where the model allows it.

    Args:
        model: any.
        tokens: strings, on its device.
        first: position of the first logits that are wanted.
        hooks: edits that are in force meanwhile.

    Raises: UserError for token ids that the model does not have.
    """
    tokens = known_tokens(model, tokens)
    if isinstance(model, TransformerBridge) and keeps_logits(model):
        inner: Any = model.original_model
        with model.hooks(fwd_hooks=list(hooks)):
            return inner(tokens, logits_to_keep=tokens.shape[1] - first, use_cache=False).logits
    return model.run_with_hooks(tokens, return_type="logits", fwd_hooks=list(hooks))[:, first:]


def keeps_logits(model: Model) -> bool:
    """Whether a model makes logits of the last positions alone, if it is told how many: some under a bridge do."""
    if not isinstance(model, TransformerBridge):
        return False
    return "logits_to_keep" in signature(model.original_model.forward).parameters


@contextmanager
def _noting(model: Any, entering: dict[int, Any]) -> Iterator[None]:
    """While it is open, keep what enters each layer but the first: of a bridge what the block before it returns."""
    if isinstance(model, StackModel):

        def keep(layer: int) -> Any:
            return lambda stream, hook: entering.__setitem__(layer, stream)  # noqa: ARG005

        with model.hooks(fwd_hooks=[(f"blocks.{at}.hook_resid_pre", keep(at)) for at in range(len(model.blocks))]):
            yield
        return
    blocks = list(getattr(model, "blocks", ())) if isinstance(model, TransformerBridge) else []

    def note(layer: int) -> Any:
        return lambda block, args, out: entering.__setitem__(layer, out)  # noqa: ARG005

    handles = [block.register_forward_hook(note(at + 1)) for at, block in enumerate(blocks[:-1])]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _skipped(model: Any, layer: int, output: Any) -> Iterator[None]:
    """While it is open, every block of a bridge before a layer returns what enters that layer, and does nothing."""
    before = list(model.blocks)[:layer]
    for block in before:
        vars(block)["forward"] = lambda *_, **__: output  # as an attribute a bridge would hand it on to what it wraps
    try:
        yield
    finally:
        for block in before:
            del vars(block)["forward"]
