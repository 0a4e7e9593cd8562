"""What the state holds: bits about the string that probes read from it, just before the separator.

The letters of a string are independent and uniform, so that log2 D less the cross-entropy of a probe, for one letter on
strings that it has not seen, is a lower bound on what the state says of that letter, and the sum over letters a lower
bound on the mutual information between string and state. A probe cannot read what it has too few strings to learn.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.seeds import as_generator
from interp.measure.state.bits import bits_of, check_alphabet, check_lengths
from interp.measure.state.joint_probes import joint_bits
from interp.measure.state.probe_features import inner_products, standardised, state_features
from interp.measure.state.probe_fit import Probes
from interp.measure.state.probe_settings import ProbeSettings
from interp.models.hooks.model import HookedModel
from interp.results.state import HeldBits
from interp.tasks.base import Batch, Task, need

Rows = Float[np.ndarray, "test pos"]


@checked_call
@torch.no_grad()
def held_bits(
    model: HookedModel,
    task: Task,
    lengths: Sequence[int],
    generator: torch.Generator | int,
    settings: ProbeSettings | None = None,
    untrained: HookedModel | None = None,
    seed: int = 0,
) -> HeldBits:
    """log2 D less the held-out cross-entropy of probes, one for each letter, that read the whole state.

    Args:
        model: carries a state from call to call.
        task: draws independent, uniform letters; D is its alphabet.
        lengths: letters per string.
        generator: draws the strings, and the order of the shuffled labels; or a seed.
        settings: how many strings.
        untrained: the reservoir baseline: a model of the same shape, which reads the same strings.
        seed: of the bootstrap over test strings, and of the random projection of large states.

    Returns: `by_layer` names blocks.0, blocks.1, ...; empty for a model of one layer. Of states with more numbers than
        fit in memory (`interp.base.budget`) a random projection is read, which can only lose information.

    Raises: UserError for a length below 1, too few strings (it says how many are needed), a model that carries nothing,
        or a task without a separator.
    """
    settings = settings or ProbeSettings()
    need(task, "lays_out_letters", "uniform_letters", "has_prompt_end")
    check_lengths(lengths)
    check_alphabet(task)
    generator = as_generator(generator)
    settings.check(task.n_letters)
    found: dict[str, list[Rows]] = {}
    for length in lengths:
        batch = task.sample(sum(settings.strings), length, generator)
        order = torch.randperm(len(batch), generator=generator).to(model.device)
        letters = _letters(task, batch).to(model.device)
        features = state_features(model, batch, seed)
        numbers = _side_by_side(features, settings.train) if settings.joint else None
        for name, probes in _probes(features, settings.train, settings.by_layer):
            found.setdefault(name, []).append(probes.bits(letters, task.n_letters, settings.temper))
            if name == "held":
                found.setdefault("shuffled", []).append(probes.bits(letters[order], task.n_letters, settings.temper))
        if numbers is not None:
            alone, how = found["held"][-1], (task.n_letters, settings.train, settings.temper)
            found.setdefault("joint", []).append(joint_bits(numbers, letters, *how, alone))
        if untrained is not None:
            for _, probes in _probes(state_features(untrained, batch, seed), settings.train, False):
                found.setdefault("untrained", []).append(probes.bits(letters, task.n_letters, settings.temper))
    bits = {name: bits_of(tuple(lengths), rows, seed) for name, rows in found.items()}
    return HeldBits(
        held=bits.pop("held"),
        shuffled=bits.pop("shuffled"),
        untrained=bits.pop("untrained", None),
        joint=bits.pop("joint", None),
        by_layer=bits,
        strings=settings.strings,
    )


def _letters(task: Task, batch: Batch) -> Int[Tensor, "string pos"]:
    """Letters 0, 1, ... of each string."""
    ids = task.vocabulary.ids(torch.arange(task.n_letters, device=batch.tokens.device))
    return (batch.answer_tokens[..., None] == ids).byte().argmax(dim=2)


def _side_by_side(features: Mapping[str, Float[Tensor, "string _"]], train: int) -> Float[Tensor, "string feature"]:
    """The numbers of all layers, each with mean 0 and variance 1 over the training strings."""
    return torch.cat([standardised(layer, train) for layer in features.values()], dim=1)


def _probes(features: dict[str, Float[Tensor, "string _"]], train: int, by_layer: bool) -> Iterator[tuple[str, Probes]]:
    """Yield the probes of single layers, where they are asked for and there are several; then of all, `held`. Empties
    `features`."""
    by_layer, whole = by_layer and len(features) > 1, None
    for layer in list(features):
        products = inner_products(features.pop(layer), train)
        if by_layer:
            yield layer, Probes(products)
        whole = products if whole is None else whole + products
    assert whole is not None
    yield "held", Probes(whole)
