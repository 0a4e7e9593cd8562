"""Principal directions of states over strings, by way of the Gram matrix: its size is that of the strings, not theirs.

Directions are those of the numbers as they are: large-valued parts of the state dominate.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.budget import budget
from interp.base.errors import UserError
from interp.measure.state.carried import Carried

NO_VARIANCE = 1e-12
"""Share of the largest variance below which a direction is rounding of float32."""


def check_calibration(strings: int, directions: Sequence[int]) -> None:
    """Raises: UserError where so many strings cannot show so many directions."""
    if strings <= (most := max(directions, default=0)):
        raise UserError(
            f"calibration must be at least {most + 1} strings to find {most} directions; got {strings}. Use "
            "more strings, or fewer directions."
        )


def gram(features: Float[Tensor, "string feature"]) -> Float[Tensor, "string string"]:
    """Inner products of the strings' features less their mean, in float64."""
    total = features.new_zeros(len(features), len(features), dtype=torch.float64)
    for piece in features.split(budget(features.device).features, dim=1):
        centred = piece.double() - piece.double().mean(dim=0)
        total += centred @ centred.T
    return total


def principal_axes(features: Float[Tensor, "string feature"], n: int) -> Float[Tensor, "direction feature"]:
    """The `n` leading principal directions, of norm 1; fewer where the features vary along fewer."""
    return _mixed(features, _coefficients(features)[:, :n])


def random_axes(
    features: Float[Tensor, "string feature"], n: int, sets: int, generator: torch.Generator
) -> list[Float[Tensor, "direction feature"]]:
    """Sets of `n` directions of norm 1, at right angles, drawn at random among all along which the features vary.

    >>> axes, *others = random_axes(torch.randn(40, 9), 3, 8, torch.Generator().manual_seed(0))
    >>> axes.shape, len(others)
    (torch.Size([3, 9]), 7)
    """
    coefficients, found = _coefficients(features), []
    for _ in range(sets):
        drawn = torch.randn(coefficients.shape[1], n, generator=generator, dtype=torch.float64)
        turned, _ = torch.linalg.qr(drawn.to(coefficients.device))
        found.append(_mixed(features, coefficients @ turned))
    return found


def _coefficients(features: Float[Tensor, "string feature"]) -> Float[Tensor, "string direction"]:
    """What each centred string counts in each principal direction, the leading ones first."""
    variances, coefficients = torch.linalg.eigh(gram(features))
    variances, coefficients = variances.flip(0), coefficients.flip(1)
    kept = variances > max(float(variances[0]) * NO_VARIANCE, 0)
    return coefficients[:, kept] / variances[kept].sqrt()


def _mixed(
    features: Float[Tensor, "string feature"], coefficients: Float[Tensor, "string direction"]
) -> Float[Tensor, "direction feature"]:
    pieces = []
    for piece in features.split(budget(features.device).features, dim=1):
        centred = piece.double() - piece.double().mean(dim=0)
        pieces.append((coefficients.T @ centred).to(features.dtype))
    return torch.cat(pieces, dim=1)


def along(
    change: Float[Tensor, "string feature"], axes: Float[Tensor, "direction feature"]
) -> Float[Tensor, "string feature"]:
    """The part of each row that lies along the axes."""
    return (change @ axes.T) @ axes


def unflat(state: Carried, flat: Float[Tensor, "batch feature"]) -> Carried:
    """The state whose numbers, side by side, are these: the inverse of `Carried.flat`."""
    parts = state.parts
    pieces = flat.split([part[0].numel() for part in parts.values()], dim=1)
    return state.edited(
        {name: piece.view_as(part).to(part.dtype) for (name, part), piece in zip(parts.items(), pieces, strict=True)}
    )
