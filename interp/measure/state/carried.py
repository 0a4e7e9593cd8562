"""The state that stands between a string and its copy: taken just before the separator, read, edited, and run on from.

Everything goes through `past`, what a model carries from one call to the next: any `HookedModel` has one, of constant
size in recurrent layers, growing in attention layers.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Logits, Tokens
from interp.base.errors import UserError
from interp.models.hooks.model import HookedModel
from interp.models.recurrent.mixer import RecurrentState
from interp.models.stack.key_values import KeyValues
from interp.tasks.base import Batch

Parts = dict[str, Tensor]
"""`blocks.0.h`, `blocks.0.window`, `blocks.1.keys`, ... -> [batch ...]."""


@dataclass(frozen=True)
class Carried:
    """What a model carries behind the letters of some strings, before it reads the separator."""

    past: list[Any]

    @property
    def parts(self) -> Parts:
        """Its tensors by name; not copies."""
        return {
            f"blocks.{layer}.{name}": tensor
            for layer, of_layer in enumerate(self.past)
            for name, tensor in _tensors(of_layer).items()
        }

    def edited(self, parts: Mapping[str, Tensor]) -> "Carried":
        """A copy with some parts replaced. The tensors are shared; runs replace them and change none in place."""
        return Carried([_with(of_layer, layer, parts) for layer, of_layer in enumerate(self.past)])

    def copy(self) -> "Carried":
        """A copy to run on from, since a run changes its past."""
        return self.edited({})

    def rows(self, index: slice | Tensor) -> "Carried":
        """The states of some of the strings, or of the strings in another order."""
        return self.edited({name: tensor[index] for name, tensor in self.parts.items()})

    def flat(self, choose: Callable[[str], bool] = lambda _: True) -> Float[Tensor, "batch feature"]:
        """The numbers of the chosen parts, side by side."""
        return torch.cat([tensor.flatten(1) for name, tensor in self.parts.items() if choose(name)], dim=1)


def separator_at(batch: Batch) -> int:
    """The position of the separator, which asks for the first letter of the answer.

    Raises: UserError for strings of different lengths, or ones without a separator between string and copy.
    """
    first = batch.prompt_end
    at = int(first[0])
    if bool((first != at).any()):
        raise UserError(
            "strings must all have one length for their states to be taken at the separator; got several. "
            "Draw strings of one length."
        )
    if bool((batch.source >= at).any()):
        raise UserError(
            "task must have a separator between a string and its copy, where the state is taken; got one "
            "without. Use CopyTask()."
        )
    return at


@torch.no_grad()
def carry(model: HookedModel, batch: Batch) -> Carried:
    """Read the strings up to the separator, which is not read, and keep what the model carries.

    Raises: UserError as `separator_at`, and for a model that carries nothing.
    """
    if not isinstance(model, HookedModel):
        raise UserError(
            f"model must carry a state from call to call (`new_past`); got a {type(model).__name__}, which "
            "does not. Use a model of this package."
        )
    past = model.new_past()
    model(batch.tokens[:, : separator_at(batch)], return_type=None, past=past)
    return Carried(past)


@torch.no_grad()
def answer_logits(model: HookedModel, batch: Batch, state: Carried) -> Logits:
    """Logits at the separator and at each letter of the answer but the last, teacher-forced, from a state.

    `[batch letter vocab]`: row i asks for letter i of the answer. With the batch's own state, what the model says.
    """
    at, length = separator_at(batch), batch.answer_tokens.shape[1]
    return model(batch.tokens[:, at : at + length], past=state.copy().past)


@torch.no_grad()
def free_answer(model: HookedModel, batch: Batch, state: Carried) -> Tokens:
    """The answer that the model writes by itself from a state, `[batch letter]`, each letter the most likely one."""
    at, length = separator_at(batch), batch.answer_tokens.shape[1]
    past, new, written = state.copy().past, batch.tokens[:, at : at + 1], []
    for _ in range(length):
        new = model(new, past=past)[:, -1].argmax(dim=-1, keepdim=True)
        written.append(new)
    return torch.cat(written, dim=1)


def _tensors(of_layer: Any) -> Parts:
    if isinstance(of_layer, KeyValues):
        return of_layer.tensors()
    if isinstance(of_layer, RecurrentState):
        return of_layer.parts
    raise UserError(f"a layer's state must be a RecurrentState or KeyValues; got a {type(of_layer).__name__}.")


def _with(of_layer: Any, layer: int, parts: Mapping[str, Tensor]) -> Any:
    new = {name: parts.get(f"blocks.{layer}.{name}", tensor) for name, tensor in _tensors(of_layer).items()}
    return replace(of_layer, **new) if isinstance(of_layer, KeyValues) else RecurrentState(new, of_layer.length)
