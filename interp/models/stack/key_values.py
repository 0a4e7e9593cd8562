"""What an attention layer carries from one call to the next: its keys and values so far."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import HeadVectors


@dataclass
class KeyValues:
    """One layer's keys and values so far, [batch pos head d_head]; empty at first."""

    keys: Tensor | None = None
    values: Tensor | None = None
    window: Tensor | None = None
    """Before a short convolution: the last queries, keys and values that it still needs, [batch before 3 head d_head].
    """
    steps: Tensor | None = None
    """Where positions are made of the text: what the step to each position does, [batch pos head number]."""

    @property
    def length(self) -> int:
        """Positions so far."""
        return 0 if self.keys is None else self.keys.shape[1]

    def tensors(self) -> dict[str, Tensor]:
        """What is kept, by name; nothing at first."""
        return {name: part for name, part in vars(self).items() if part is not None}

    def append(self, keys: HeadVectors, values: Float[Tensor, "batch pos head d_value"]) -> tuple[Tensor, Tensor]:
        """Add new positions; returns all keys and values [batch key head d_head], the new ones last, in their dtype."""
        if self.keys is not None and self.values is not None:
            keys, values = _behind(self.keys, keys), _behind(self.values, values)
        self.keys, self.values = keys, values
        return keys, values

    def append_steps(self, steps: Tensor) -> Tensor:
        """Add those of new positions; returns all, the new ones last."""
        self.steps = steps if self.steps is None else _behind(self.steps, steps)
        return self.steps


def _behind(earlier: Tensor, new: Tensor) -> Tensor:
    return torch.cat([earlier.to(new.dtype), new], dim=1)
