"""The precision in which a recurrence runs: float64 where an input has it, float32 otherwise, whatever autocast says.

Half precision would lose the state: it is a sum over all positions so far.
"""

from contextlib import AbstractContextManager, nullcontext
from functools import reduce

import torch
from torch import Tensor


def promoted(*tensors: Tensor) -> list[Tensor]:
    """The tensors in the widest of their dtypes, at least float32."""
    dtype = reduce(torch.promote_types, (tensor.dtype for tensor in tensors), torch.float32)
    return [tensor.to(dtype) for tensor in tensors]


def without_autocast(device: torch.device) -> AbstractContextManager:
    """Within it, matrix products keep their inputs' dtype."""
    if torch.amp.is_autocast_available(device.type):
        return torch.autocast(device.type, enabled=False)
    return nullcontext()
