"""What is left, within a chunk of positions, of what was written at one of them when it is read at another.

Three ways to it: `Alike` where all rows of a state decay alike, `Gentle` where each row decays by itself and little
over a whole chunk, `Rows` where it may decay by anything. The axes are [batch chunk head pos ...].
"""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from einops import rearrange
from torch import Tensor
from torch._C._functorch import get_unwrapped, is_batchedtensor, is_functorch_wrapped_tensor
from torch._subclasses.fake_tensor import is_fake

GENTLE = 30.0
"""A chunk over which no row decays by more than this many nats is gentle: what is left can be a quotient of what is
left since the start, to six digits in single precision, and does not overflow."""


class Decays(ABC):
    """Shares that are left of what was written, each at most 1.

    Args:
        log_decay: log a_t, [batch chunk head pos d_key_or_1].
    """

    until_end: Tensor
    """Shares left from each position to the end."""

    def __init__(self, log_decay: Tensor) -> None:
        self.log_since = log_decay.cumsum(-2)
        self.since_start = self.log_since.exp()
        """Shares left from the start of the chunk to each position."""
        self.before = F.pad(self.since_start[..., :-1, :], (0, 0, 1, 0), value=1.0)
        """Shares left from the start to before each position."""
        self.whole = self.since_start[..., -1:, :]
        """Shares left over the whole chunk."""

    @abstractmethod
    def pairs(self, left: Tensor, right: Tensor, earlier: bool = False) -> Tensor:
        """left_i . (what is left at i of right_j), for j up to i; `earlier`: at i - 1, for j before i."""


def cut(x: Tensor, chunk: int) -> Tensor:
    """Chunks of [batch pos head ...]; positions that are added write nothing, and do not decay."""
    padded = F.pad(x, (0, 0, 0, 0, 0, -x.shape[1] % chunk))
    return rearrange(padded, "b (c l) h d -> b c h l d", l=chunk)


def is_gentle(log_decay: Tensor, chunk: int) -> bool:
    """Whether no row decays by more than `GENTLE` nats over any chunk of any string; not where none can be read."""
    return _has_numbers(log_decay) and bool(cut(log_decay.detach(), chunk).sum(-2).amin() >= -GENTLE)


def _has_numbers(x: Tensor) -> bool:
    """Whether a number of it can be asked for: not of shapes alone (`meta`, nnsight's scan), nor under vmap."""
    if torch.compiler.is_dynamo_compiling():  # which ends its graph where it is asked for one
        return True
    while is_functorch_wrapped_tensor(x):
        if is_batchedtensor(x):
            return False
        x = get_unwrapped(x)
    return not x.is_meta and not is_fake(x)


def decays_of(log_decay: Tensor, gentle: bool) -> Decays:
    """The way that suits these [batch chunk head pos d_key_or_1]."""
    if log_decay.shape[4] == 1:
        return Alike(log_decay)
    return Gentle(log_decay) if gentle else Rows(log_decay)


class Alike(Decays):
    """One decay for all rows.

    Logs are summed over what lies between, and never taken as a difference of longer sums, in which small ones, and
    their gradients, are lost among large.
    """

    def __init__(self, log_decay: Tensor) -> None:
        super().__init__(log_decay)
        past = _past(log_decay)
        between = (log_decay * past).cumsum(-2).masked_fill(past.mT, -torch.inf)
        self.between = between.exp()  # [... query key]
        self.until_end = self.between[..., -1, :, None]

    def pairs(self, left: Tensor, right: Tensor, earlier: bool = False) -> Tensor:
        """See `Decays.pairs`."""
        between = F.pad(self.between[..., :-1, :], (0, 0, 1, 0)) if earlier else self.between
        return (left @ right.mT) * between


class Gentle(Decays):
    """One decay for each row, as the product of what is left since the start and of its inverse: two plain matmuls.

    The gradient of log_decay is then a difference of longer sums, as `Alike` and `Rows` avoid it: in single precision
    entries below about 1e-7 of the largest one in the chunk are lost. And since it is taken where all strings of a
    batch are gentle, the last digits of a string depend on what else is in its batch.
    """

    def __init__(self, log_decay: Tensor) -> None:
        super().__init__(log_decay)
        self.inverse = self.log_since.neg().exp()
        self.until_end = (self.log_since[..., -1:, :] - self.log_since).exp()

    def pairs(self, left: Tensor, right: Tensor, earlier: bool = False) -> Tensor:
        """See `Decays.pairs`."""
        kept, diagonal = (self.before, -1) if earlier else (self.since_start, 0)
        return ((left * kept) @ (right * self.inverse).mT).tril(diagonal)


class Rows(Decays):
    """One decay for each row, summed over what lies between, as in `Alike`: [query key d_key] numbers a chunk."""

    def __init__(self, log_decay: Tensor) -> None:
        super().__init__(log_decay)
        past = _past(log_decay)
        between = (log_decay[..., None, :] * past[..., None]).cumsum(-3)
        self.between = between.masked_fill(past.mT[..., None], -torch.inf).exp()  # [... query key d_key]
        self.until_end = self.between[..., -1, :, :]

    def pairs(self, left: Tensor, right: Tensor, earlier: bool = False) -> Tensor:
        """See `Decays.pairs`."""
        if earlier:  # the first position has nothing before it
            return F.pad(_within(left[..., 1:, :], right, self.between[..., :-1, :, :]), (0, 0, 1, 0))
        return _within(left, right, self.between)


def _past(log_decay: Tensor) -> Tensor:
    """Whether the key lies before the query: [query key]."""
    n = log_decay.shape[3]
    return torch.ones(n, n, dtype=torch.bool, device=log_decay.device).tril(-1)


def _within(left: Tensor, right: Tensor, between: Tensor) -> Tensor:
    return ((between * right[..., None, :, :]) @ left[..., None]).squeeze(-1)
