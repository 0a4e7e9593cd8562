"""What is left of a copy without some heads, of tokens that a model foresees without copying and of the others.

A natural text is predictable: a part of its tokens is right on first reading, before there is anything to copy. They
stay right without the heads that copy, so that what is left of a copy depends on how predictable the text is.
"""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Literal, get_args

import numpy as np
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError, unknown
from interp.base.seeds import as_generator
from interp.measure.language.runs import SharedRun
from interp.measure.values import Mean, Resample, Value, Zero
from interp.models.heads import HeadTable
from interp.models.surface import Model, device
from interp.results.language import CopyLosses
from interp.tasks.base import Batch

Kind = Literal["mean", "zero", "resample"]
"""What ablated heads write: their mean over strings and positions of the clean run; nothing; or what they write in
another string at the same position."""


@checked_call
@torch.no_grad()
def copy_losses(
    model: Model,
    batch: Batch,
    sets: Mapping[str, Sequence[str]],
    kinds: Sequence[str] = ("mean",),
    copied: str = "strings",
    generator: torch.Generator | int = 0,
    on_step: Callable[[str], None] = lambda _: None,
) -> CopyLosses:
    """Ablate sets of heads while a model copies, and tell foreseen tokens from the others.

    >>> model, _ = interp.planted_copier(n=2)
    >>> found = copy_losses(model, interp.CopyTask().sample(8, 12, generator=0), {"lookup": ["L1H3"]}, ("zero",))
    >>> found.rows, bool(found.unforeseen[1].mean() < 0.2)
    (('as it is', 'without lookup, zero'), True)

    Args:
        model: any with heads.
        batch: strings whose answers have sources; none of those that a ranking is from.
        sets: name -> names of heads that are ablated together.
        kinds: what they write instead (`Kind`).
        copied: what the result calls the strings.
        generator: which string another takes its outputs from; or a seed.
        on_step: told which run of how many is made.

    Raises: UserError for a model without heads, a head that it does not have, an unknown kind, or a batch without a
        source behind its first token.
    """
    table, batch = HeadTable.of(model).require(), batch.to(device(model))
    if strange := [kind for kind in kinds if kind not in get_args(Kind)]:
        raise unknown("kind of ablation", strange[0], get_args(Kind))
    asked = batch.answer & (batch.source >= 1)
    if not bool(asked.any(dim=1).all()):
        raise UserError(
            "batch must have answers with a source in every string; got one without. Use a task that copies."
        )
    before = (batch.source - 1).clamp(min=0)
    shared = SharedRun.of(model, batch.tokens)
    chosen = {name: table.parse(list(heads)) for name, heads in sets.items()}
    values = {kind: _value(kind, len(batch), as_generator(generator)) for kind in kinds}
    reference = shared.outputs(sorted({head for heads in chosen.values() for head in heads}))
    plan = [((), Zero()), *product(chosen.values(), [values[kind] for kind in kinds])]
    runs = []
    for place, (heads, value) in enumerate(plan, 1):
        on_step(f"{copied}: run {place} of {len(plan)}")
        told = shared.without(heads, value, reference).argmax(dim=-1)
        runs.append((told == batch.targets, told.gather(1, before) == batch.targets))
    foreseen = runs[0][1] & asked
    names = [f"without {name}, {kind}" for name in chosen for kind in kinds]
    return CopyLosses(
        copied=copied,
        rows=("as it is", *names),
        ablated=tuple(tuple(head.name for head in heads) for heads, _ in plan),
        right=_shares([right for right, _ in runs], asked),
        foreseen=_shares([right for right, _ in runs], foreseen),
        unforeseen=_shares([right for right, _ in runs], asked & ~foreseen),
        first_reading=_shares([first for _, first in runs], asked),
    )


def _value(kind: str, strings: int, generator: torch.Generator) -> Value:
    if kind == "resample":
        return Resample.draw(strings, generator)
    return Zero() if kind == "zero" else Mean()


def _shares(
    right: Sequence[Bool[Tensor, "batch pos"]], where: Bool[Tensor, "batch pos"]
) -> Float[np.ndarray, "row string"]:
    """The share of right ones among those that count, of each string; nan where none does."""
    n = where.sum(dim=1).double()
    rows = torch.stack([(found & where).sum(dim=1) for found in right]).double()
    return (rows / torch.where(n > 0, n, torch.nan)).cpu().numpy()
