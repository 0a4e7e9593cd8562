"""Continuing prompts: token by token, each step from what the model carries (`past`)."""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.budget import check_fits
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.base.words import count

if TYPE_CHECKING:
    from interp.models.hooks.model import HookedModel

BYTES = 128
"""Memory that a token takes while it is written, at least: its id and what the model carries of it."""


@torch.no_grad()
def generate(
    model: "HookedModel",
    tokens: Tokens,
    max_new_tokens: int,
    stop_at: int | None = None,
    temperature: float = 0.0,
    generator: torch.Generator | int | None = None,
) -> Int[Tensor, "batch longer"]:
    """Continue prompts; see `HookedModel.generate`."""
    if max_new_tokens < 0:
        raise UserError(f"max_new_tokens must be an integer of at least 0; got {max_new_tokens}.")
    if not temperature >= 0:
        raise UserError(
            f"temperature must be a number of at least 0; got {temperature}. At 0 the most likely token is "
            "always taken."
        )
    if stop_at is not None and not 0 <= stop_at < model.config.d_vocab:
        raise UserError(f"stop_at must be a token id from 0 to {model.config.d_vocab - 1}, or None; got {stop_at}.")
    check_fits(len(tokens) * max_new_tokens * BYTES, f"{max_new_tokens:,} new tokens of {count(len(tokens), 'string')}")
    generator = None if generator is None else as_generator(generator)
    past, new, out = model.new_past(), tokens, [tokens]
    finished = torch.zeros_like(tokens[:, :1], dtype=torch.bool)
    for _ in range(max_new_tokens):
        logits = model(new, past=past)[:, -1]
        new = _draw(logits, temperature, generator)
        if stop_at is not None:
            new = new.masked_fill(finished, stop_at)
            finished = finished | (new == stop_at)
        out.append(new)
        if stop_at is not None and not finished.is_meta and bool(finished.all()):
            break
    return torch.cat(out, dim=1)


def _draw(
    logits: Float[Tensor, "batch vocab"], temperature: float, generator: torch.Generator | None
) -> Int[Tensor, "batch 1"]:
    """The next token of each string, drawn on the CPU: the same on every device."""
    if temperature <= torch.finfo(logits.dtype).tiny or logits.is_meta:
        return logits.argmax(dim=-1, keepdim=True)
    probability = ((logits - logits.amax(dim=-1, keepdim=True)) / temperature).softmax(dim=-1)
    return torch.multinomial(probability.cpu(), 1, generator=generator).to(logits.device)
