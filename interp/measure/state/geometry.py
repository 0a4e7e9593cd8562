"""The shape of the states of many strings: rank, norm, and how fast their numbers fade, part by part."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.measure.state.bits import check_lengths
from interp.measure.state.blocks import carry_all
from interp.measure.state.decay import log_decays, time_constants
from interp.measure.state.directions import NO_VARIANCE, gram
from interp.models.hooks.model import HookedModel
from interp.results.state import Geometry
from interp.tasks.base import Task, need

QUANTILES = np.linspace(0, 1, 101)
"""Quantiles of the time constants of a part's numbers."""
SATURATED = (0.001, 0.999)
"""A decay beyond these forgets at once, or never."""


@checked_call
@torch.no_grad()
def geometry(
    model: HookedModel, task: Task, lengths: Sequence[int], strings: int, generator: torch.Generator | int
) -> Geometry:
    """Rank, norm and saturated decays of each part of the state before the separator, by length.

    A part that is the same for all strings has rank 0. The participation ratio is that of the distribution: its two
    sums are estimated without the bias of few strings (Himeno & Yamada 2014). The entropy rank is the strings' own, so
    at most their number less 1: of d directions of equal variance, n strings show about d exp(-d / 2n).

    Args:
        model: carries a state from call to call.
        task: draws the strings.
        lengths: letters per string.
        strings: for each length. All their states are held at once.
        generator: draws them; or a seed.

    Returns: `layers` names parts: blocks.0.h, blocks.0.window, of attention layers blocks.0.keys, blocks.0.values.
        Decays are geometric means over the letters, one for each number of a state.

    Raises: UserError for fewer than four strings, or a length below 1.
    """
    need(task, "has_prompt_end")
    check_lengths(lengths)
    if strings < 4:
        raise UserError(f"strings must be at least 4 to measure the spread of states; got {strings}.")
    found, constants, generator = [], [], as_generator(generator)
    for length in lengths:
        batch = task.sample(strings, length, generator).to(model.device)
        decays = log_decays(model, batch)
        parts = carry_all(model, batch).parts
        found.append({name: (*shape(part.flatten(1)), _saturated(decays.get(name))) for name, part in parts.items()})
        constants.append([_quantiles(decays.get(name)) for name in parts])
    measures = np.array([list(of_length.values()) for of_length in found]).transpose(2, 1, 0)
    return Geometry(
        lengths=tuple(lengths),
        layers=tuple(found[0]),
        participation_ratio=measures[0],
        entropy_rank=measures[1],
        norm=measures[2],
        saturated=measures[3],
        time_constants=np.array(constants).swapaxes(0, 1),
    )


def shape(features: Float[Tensor, "string feature"]) -> tuple[float, float, float]:
    """Participation ratio, entropy rank and mean norm of some strings' features."""
    products = gram(features)
    norms = features.double().norm(dim=1)
    norm = float(norms.mean())
    if float(products.trace()) <= NO_VARIANCE * float(norms.square().sum()):
        return 0.0, 0.0, norm
    variances = torch.linalg.eigvalsh(products).clamp(min=0).cpu().numpy()
    share = variances[variances > 0] / variances.sum()
    entropy = float(np.exp(-(share * np.log(share)).sum()))
    return participation_ratio(variances, products.diagonal().cpu().numpy()), entropy, norm


def participation_ratio(scatter: Float[np.ndarray, " string"], distance: Float[np.ndarray, " string"]) -> float:
    """(tr Sigma)^2 / tr Sigma^2, numerator and denominator each estimated without bias, whatever the distribution.

    Himeno & Yamada, "Estimations for some functions of covariance matrix in high dimension under non-normality and its
    applications", J. Multivariate Analysis 130 (2014). nan where too few strings leave the denominator below 0.

    Args:
        scatter: eigenvalues of the Gram matrix of the centred features of n >= 4 strings.
        distance: its diagonal.
    """
    n = len(scatter)
    total = (scatter.sum() / (n - 1)) ** 2
    squares = (scatter**2).sum() / (n - 1) ** 2
    fourth = n * (distance**2).sum() / (n - 1)
    above = 2 * squares + (n * n - 3 * n + 1) * total - fourth
    below = (n - 1) * (n - 2) * squares + total - fourth
    return float(above / below) if below > 0 else float("nan")


def _saturated(log_decay: Tensor | None) -> float:
    if log_decay is None:
        return float("nan")
    low, high = np.log(SATURATED)
    return float(((log_decay < low) | (log_decay > high)).double().mean())


def _quantiles(log_decay: Tensor | None) -> Float[np.ndarray, " quantile"]:
    if log_decay is None:
        return np.full(len(QUANTILES), np.nan)
    return np.quantile(time_constants(log_decay).cpu().numpy(), QUANTILES)
