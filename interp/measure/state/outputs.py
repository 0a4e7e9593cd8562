"""What layers of a hybrid write, replaced at every position by its mean over strings and positions.

A memory taken away before the answer says what was kept of the string. A recurrent layer that gathers the last letters
for a lookup head keeps nothing for long, and is needed all the same: that shows where its output is.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.estimates import crossed_interval, difference_interval
from interp.base.seeds import as_generator
from interp.measure.state.blocks import blocks
from interp.measure.state.carried import separator_at
from interp.measure.state.memories import check_hybrid
from interp.models.hooks.model import HookedModel
from interp.results.hybrid import OutputAblation
from interp.tasks.base import Batch, Task, need

DRAWS = 4
"""Random directions that each set of layers is held against."""
Turns = Mapping[str, Float[Tensor, "d_model d_model"]]
"""Hook point -> the rotation of a change there; none leaves it as it is."""


@checked_call
@torch.no_grad()
def output_ablations(
    model: HookedModel, task: Task, length: int, strings: int, generator: torch.Generator | int
) -> tuple[OutputAblation, ...]:
    """Replace what the attention layers write, the recurrent ones, both, and each layer alone, by its mean.

    Beside each stands a change of the same size in random directions: the difference between the mean and what is
    written, turned by a rotation drawn at random.

    >>> model, _ = interp.models.planted.planted_hybrid("attention", n=2, alphabet=8)
    >>> attention, recurrence, *_ = output_ablations(model, interp.CopyTask(8), 6, 20, 0)
    >>> recurrence.letter_accuracy_after == recurrence.letter_accuracy_before
    True

    Args:
        model: has attention layers and recurrent ones.
        task: draws the strings.
        length: their letters.
        strings: how many, at least two.
        generator: draws them and the rotations; or a seed.

    Raises: UserError for a model that is not a hybrid, or fewer than two strings.
    """
    check_hybrid(model)
    if strings < 2 or length < 1:
        raise UserError(f"strings must be at least 2 and length at least 1; got {strings} and {length}.")
    need(task, "has_prompt_end")
    generator = as_generator(generator)
    batch = task.sample(strings, length, generator)
    layered = cast(Any, model)
    attention, recurrent = layered.attention_layers, layered.recurrent_layers
    sets = {"attention": attention, "recurrence": recurrent, "both": (*attention, *recurrent)}
    sets |= {f"layer {layer}": (layer,) for layer in sorted(sets["both"])}
    means = _means(model, batch, [output_hook(model, layer) for layer in sets["both"]])
    before = _letters(model, batch, {}, {})
    return tuple(_ablation(model, batch, name, layers, means, before, generator) for name, layers in sets.items())


def _ablation(
    model: HookedModel,
    batch: Batch,
    name: str,
    layers: Sequence[int],
    means: Mapping[str, Float[Tensor, " d_model"]],
    before: Float[np.ndarray, "string pos"],
    generator: torch.Generator,
) -> OutputAblation:
    names = [output_hook(model, layer) for layer in layers]
    instead = {name: means[name] for name in names}
    after = _letters(model, batch, instead, {})
    beside = np.stack([_letters(model, batch, instead, _turns(model, names, generator)) for _ in range(DRAWS)])
    left, clean, control = after.mean(axis=1), before.mean(axis=1), beside.mean(axis=2)
    return OutputAblation(
        name=name,
        layers=tuple(layers),
        length=batch.answer_tokens.shape[1],
        letter_accuracy_before=float(clean.mean()),
        letter_accuracy_after=float(left.mean()),
        interval=difference_interval(left, clean),
        control_mean=float(control.mean()),
        control_interval=crossed_interval(control),
        letter_correct=left,
        by_position=after.mean(axis=0),
    )


def output_hook(model: HookedModel, layer: int) -> str:
    """Name the hook point of what a layer's attention or recurrence writes."""
    return f"blocks.{layer}.hook_{'mixer' if layer in cast(Any, model).recurrent_layers else 'attn'}_out"


def _turns(model: HookedModel, names: Sequence[str], generator: torch.Generator) -> Turns:
    """A rotation for each hook point, drawn at random."""
    width = model.cfg.d_model
    drawn = [torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64))[0] for _ in names]
    return {name: turn.to(model.device, model.dtype) for name, turn in zip(names, drawn, strict=True)}


def _means(model: HookedModel, batch: Batch, names: Sequence[str]) -> dict[str, Float[Tensor, " d_model"]]:
    """The mean output at each hook point, over strings and positions."""
    total: dict[str, Tensor] = {}
    for rows in blocks(batch, model.device):
        cache = model.run_with_cache(batch.rows(rows).to(model.device).tokens, names_filter=list(names))[1]
        for name in names:
            total[name] = total.get(name, 0.0) + cache[name].sum(dim=(0, 1))
    return {name: value / batch.tokens.numel() for name, value in total.items()}


def _letters(
    model: HookedModel, batch: Batch, means: Mapping[str, Float[Tensor, " d_model"]], turns: Turns
) -> Float[np.ndarray, "string pos"]:
    """1 for each letter that is right, teacher-forced, and 0 for any other, with the mean outputs at these points."""
    found, at, length = [], separator_at(batch), batch.answer_tokens.shape[1]
    hooks = [(name, _instead(mean, turns.get(name))) for name, mean in means.items()]
    for rows in blocks(batch, model.device):
        here = batch.rows(rows).to(model.device)
        logits = model.run_with_hooks(here.tokens, fwd_hooks=hooks)[:, at : at + length]
        found.append((logits.argmax(dim=-1) == here.answer_tokens).double())
    return torch.cat(found).cpu().numpy()


def _instead(mean: Tensor, turn: Tensor | None) -> Callable[..., Tensor]:
    """The mean; or a change of the same size in another direction."""

    def edit(value: Tensor, hook: object) -> Tensor:  # noqa: ARG001  # hooks are called with both
        return mean.expand_as(value) if turn is None else value + (mean - value) @ turn

    return edit
