"""Which numbers of a state are transplanted or ablated: whole, a layer, a window, a band of time constants, at random.

A choice is a mask for each part of the state, alike for all strings; where parts grow with the string (keys, values),
for all of its positions.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from interp.measure.state.carried import Carried

Masks = Mapping[str, Bool[Tensor, "..."]]


@dataclass(frozen=True)
class Choice:
    """Numbers of a state."""

    name: str
    kind: str
    """whole, layer, window, band or control."""
    masks: Masks
    """Part -> which of its numbers, [...] without the strings' axis; parts that are not named are left alone."""

    @property
    def size(self) -> int:
        return sum(int(mask.sum()) for mask in self.masks.values())

    def mixed(self, donor: Carried, host: Carried) -> Carried:
        """The host's state with the chosen numbers of the donor's."""
        theirs, own = donor.parts, host.parts
        return host.edited({name: theirs[name].where(mask, own[name]) for name, mask in self.masks.items()})


def whole(state: Carried) -> Choice:
    """Everything that is carried, an attention layer's keys and values with it."""
    return Choice("whole", "whole", {name: _ones(part) for name, part in state.parts.items()})


def layers(state: Carried) -> list[Choice]:
    """One layer's each."""
    found = []
    for layer in range(len(state.past)):
        parts = {name: _ones(part) for name, part in state.parts.items() if name.startswith(f"blocks.{layer}.")}
        found += [Choice(f"layer {layer}", "layer", parts)] if parts else []
    return found


def windows(state: Carried) -> list[Choice]:
    """What the convolutions of all layers still need, and everything but that."""
    window = {name: _ones(part) for name, part in state.parts.items() if name.endswith(".window")}
    rest = {name: _ones(part) for name, part in state.parts.items() if name not in window}
    return [Choice("windows", "window", window), Choice("all but windows", "window", rest)] if window else []


def bands(log_decays: Mapping[str, Float[Tensor, "*state"]], n: int = 3) -> list[Choice]:
    """Numbers of the recurrent states of all layers by time constant, in `n` bands of equal size, fast to slow."""
    if not log_decays:
        return []
    every = torch.cat([decay.flatten() for decay in log_decays.values()])
    rank = every.argsort(stable=True).argsort() * n // len(every)
    words = ("fast", "slow") if n == 2 else ("fast", "middle", "slow") if n == 3 else tuple(map(str, range(n)))
    found = []
    for band, word in enumerate(words):
        chosen = iter((rank == band).split([decay.numel() for decay in log_decays.values()]))
        masks = {name: next(chosen).view(decay.shape) for name, decay in log_decays.items()}
        found.append(Choice(f"{word} band", "band", masks))
    return found


def at_random(like: Choice, state: Carried, generator: torch.Generator) -> Choice:
    """Draw as many numbers at random: for a band from the parts that bands divide, else from all of the state."""
    among = like.masks if like.kind == "band" else state.parts
    parts = {name: part[0] for name, part in state.parts.items() if name in among}
    every = sum(part.numel() for part in parts.values())
    chosen = torch.zeros(every, dtype=torch.bool)
    chosen[torch.randperm(every, generator=generator)[: like.size].cpu()] = True
    pieces = chosen.split([part.numel() for part in parts.values()])
    masks = {
        name: piece.view(part.shape).to(part.device) for (name, part), piece in zip(parts.items(), pieces, strict=True)
    }
    return Choice(f"as many as {like.name}, at random", "control", masks)


def _ones(part: Tensor) -> Bool[Tensor, "..."]:
    return torch.ones_like(part[0], dtype=torch.bool)
