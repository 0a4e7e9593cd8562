"""What a head's attention above chance is where nothing was learned: the null that scores are held against."""

from collections.abc import Iterable
from itertools import chain
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError, shown
from interp.base.seeds import spawn
from interp.measure.heads.lookup import look
from interp.measure.progress import OnStep, announced
from interp.models.heads import HeadKind, HeadTable
from interp.models.surface import Model, untrained_like
from interp.tasks.probes.probe import Probe

Null = Float[np.ndarray, "untrained head"] | Float[np.ndarray, " draw"]
"""The statistic of every head of some untrained models, or, pooled, of heads of one kind."""


def null_statistics(
    model: Model, probe: Probe, draws: int, seed: int, on_step: OnStep = lambda _: None
) -> Float[Tensor, "untrained head"]:
    """Measure the attention surely above chance of every head of untrained models of the same shape.

    The untrained model is the unit: its heads have real biases of their own, so more probes would not make them vanish.

    Args:
        model: whose shape they have.
        probe: the strings.
        draws: how many untrained models.
        seed: each model's own is spawned from it.
        on_step: told how far it is, where that is long.
    """
    numbers = announced(range(draws), "untrained models", on_step)
    return _statistics((untrained_like(model, spawn(seed, "untrained", i)) for i in numbers), probe)


def given_null(null: Any, model: Model, probe: Probe) -> Null:
    """Read what a caller gives for the null.

    Args:
        null: untrained models; or the statistic of their heads, [untrained head], or pooled, as `HeadScores.null` is.
        model: the one that is scored.
        probe: the strings that models are shown.

    Raises: UserError for anything else, for models with other heads, or numbers that are not finite.
    """
    n_heads = len(HeadTable.of(model))
    if not isinstance(null, np.ndarray | Tensor):
        items = _items(null)
        first = next(items, None)
        if first is not None and hasattr(first, "run_with_hooks"):
            return _statistics(_alike(chain([first], items), n_heads), probe).double().cpu().numpy()
        null = [] if first is None else [first, *items]
    try:
        values = np.asarray(null.cpu() if isinstance(null, Tensor) else null, dtype=np.float64)
    except (TypeError, ValueError):
        raise _unfit(null, n_heads) from None
    if values.ndim == 1 and values.size % n_heads == 0:
        values = values.reshape(-1, n_heads)
    pooled = values.ndim == 1 and len(set(HeadTable.of(model).kinds)) == 1
    if (
        not values.size
        or not np.isfinite(values).all()
        or not (pooled or (values.ndim == 2 and values.shape[1] == n_heads))
    ):
        raise _unfit(values, n_heads)
    return values


def of_kind(null: Null, kinds: tuple[HeadKind, ...], kind: HeadKind) -> Float[np.ndarray, " draw"]:
    """Return the statistics of the heads of one kind."""
    return null if null.ndim == 1 else null[:, np.array(kinds) == kind].ravel()


def _statistics(models: Iterable[Model], probe: Probe) -> Float[Tensor, "untrained head"]:
    return torch.stack([look(model, probe).surely_above_chance() for model in models])


def _alike(models: Iterable[Any], n_heads: int) -> Iterable[Model]:
    for model in models:
        found = len(HeadTable.of(model)) if hasattr(model, "run_with_hooks") else None
        if found != n_heads:
            got = repr(model) if found is None else f"one of {found} heads"
            raise UserError(f"null must hold models of {n_heads} heads, as the scored one has; got {got}.")
        yield model


def _items(null: Any) -> Any:
    try:
        return iter(null)
    except TypeError:
        raise UserError(
            f"null must be untrained models, or the statistics of their heads; got {shown(null)}. Put a model "
            "in a list."
        ) from None


def _unfit(null: Any, n_heads: int) -> UserError:
    got = f"an array of {null.shape}" if isinstance(null, np.ndarray) else repr(null)
    return UserError(
        f"null must hold finite numbers, one for each of {n_heads} heads of each untrained model ([untrained head], "
        f"flattened or not); got {got}."
    )
