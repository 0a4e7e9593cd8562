"""The state as probes read it: layer by layer, each number at its own scale; projected where there are too many."""

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import pad

from interp.base.budget import budget
from interp.measure.state.blocks import blocks
from interp.measure.state.carried import Parts, carry
from interp.models.hooks.model import HookedModel
from interp.tasks.base import Batch

CONSTANT = 1e-4
"""Fraction of the root mean square spread of a layer's numbers; a number that varies less is taken for rounding."""


def state_features(model: HookedModel, batch: Batch, seed: int) -> dict[str, Float[Tensor, "string feature"]]:
    """The state just before the separator, block by block: layer (blocks.0, ...) -> its numbers, float32 or float64.

    A layer with more than its share of `budget().numbers` is projected at random.

    Args:
        seed: of the projection.
    """
    features: dict[str, Tensor] = {}
    sketches: dict[str, Sketch] = {}
    for rows in blocks(batch):
        layers = _layers(carry(model, batch.rows(rows).to(model.device)).parts)
        for layer, numbers in layers.items():
            if layer not in sketches:
                sketches[layer] = Sketch(numbers, budget().numbers // (len(batch) * len(layers)), seed)
                features[layer] = numbers.new_empty(len(batch), sketches[layer].size)
            features[layer][rows] = sketches[layer](numbers)
    return features


def inner_products(features: Float[Tensor, "string feature"], train: int) -> Float[Tensor, "string train"]:
    """Inner products of the standardised features of all strings with those of the first `train`."""
    standard = standardised(features, train)
    return standard @ standard[:train].mT


def standardised(features: Float[Tensor, "string feature"], train: int) -> Float[Tensor, "string feature"]:
    """Each feature with mean 0 and variance 1 over the first `train` strings; 0 where it hardly varies there."""
    seen = features[:train]
    spread = seen.std(dim=0)
    spread = torch.where(spread > CONSTANT * spread.square().mean().sqrt(), spread, torch.inf)
    return (features - seen.mean(dim=0)) / spread


class Sketch:
    """Adds numbers up in random groups with random signs: the count sketch of Charikar, Chen & Farach-Colton (2002).

    Inner products survive in expectation. Leaves as they are as many numbers as fit.

    Args:
        first: some strings' numbers; the spread over these is what they are scaled by.
        size: groups.
        seed: of groups and signs.
    """

    def __init__(self, first: Float[Tensor, "string number"], size: int, seed: int) -> None:
        numbers = first.shape[1]
        self.size, self.whole = min(size, numbers), numbers <= size
        generator = torch.Generator().manual_seed(seed)
        self.order = torch.randperm(numbers, generator=generator).to(first.device)
        signs = 2 * torch.randint(2, (numbers,), generator=generator) - 1
        spread = first.std(dim=0, correction=0)
        least = spread.square().mean().sqrt() / 10  # few strings: some numbers have not varied yet
        self.scale = signs.to(first) / torch.where(least > 0, spread.clamp(min=least), 1.0)

    def __call__(self, numbers: Float[Tensor, "string number"]) -> Float[Tensor, "string feature"]:
        if self.whole:
            return numbers
        mixed = (numbers * self.scale)[:, self.order]
        return pad(mixed, (0, -mixed.shape[1] % self.size)).unflatten(1, (-1, self.size)).sum(dim=1)


def _layers(parts: Parts) -> dict[str, Float[Tensor, "string number"]]:
    """Side by side, the parts of each layer."""
    layers: dict[str, list[Tensor]] = {}
    for name, part in parts.items():
        numbers = part.flatten(1)
        numbers = numbers if numbers.dtype == torch.float64 else numbers.float()
        layers.setdefault(name.rpartition(".")[0], []).append(numbers)
    return {layer: torch.cat(found, dim=1) for layer, found in layers.items()}
