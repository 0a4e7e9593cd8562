"""Planted memories: recurrent models whose capacity is known exactly, with the hook points of a recurrent layer.

    register   keeps the first K letters of a string
    shift      keeps the last K: a shift register, h_t = S h_(t-1) + e_0 x_t with S nilpotent
    decay      keeps the last K for a while: each new letter wipes out every slot with a probability, by its own value

A kept letter is answered with certainty, any other with the uniform distribution over the letters, so that what is
recovered has a closed form. The state is `h` [slot letter], one-hot rows, and `clock`, which counts the letters read
and written and says whether the separator has passed: it holds the length, and nothing of the letters.
"""

import math
from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual
from interp.base.budget import check_fits
from interp.base.calls import checked_call
from interp.base.errors import UserError, unknown
from interp.models.hooks.point import HookPoint
from interp.models.planted.clock import Clock, log_probabilities
from interp.models.planted.one_layer import OneLayerConfig, OneLayerMemory
from interp.models.recurrent.mixer import Mixer, RecurrentBlock, RecurrentState

MEMORIES = ("register", "shift", "decay")

BYTES = 16
"""Bytes for each number of a memory: in a state, and where it is drawn which letter wipes out which slot."""


@checked_call
@dataclass(frozen=True)
class MemoryConfig(OneLayerConfig):
    """Shape of a `PlantedMemory`. Raises: UserError for a value that cannot be.

    >>> MemoryConfig("shift", k=4).d_vocab
    30
    """

    memory: str = "register"
    """One of `MEMORIES`."""
    k: int = 8
    """Slots, one letter each."""
    alphabet: int = 26
    keep: float = 0.9
    """Share of letters that a slot of "decay" survives, rounded to whole letters of the alphabet."""
    seed: int = 0
    """Seed of which letters wipe out which slot of "decay"."""

    def __post_init__(self) -> None:
        if self.memory not in MEMORIES:
            raise unknown("planted memory", self.memory, MEMORIES)
        if self.k < 1 or not 2 <= self.alphabet <= 26:
            raise UserError(
                f"k must be at least 1 and alphabet from 2 to 26; got k={self.k} and alphabet={self.alphabet}."
            )
        if not 0 < self.keep <= 1:
            raise UserError(f"keep must be a probability above 0; got {self.keep}.")
        check_fits(BYTES * self.k * self.alphabet, f"a memory of {self.k:,} slots of {self.alphabet} letters")

    @property
    def wiping(self) -> int:
        """How many letters of the alphabet wipe out a slot."""
        if self.memory != "decay" or self.keep == 1:
            return 0
        return min(self.alphabet - 1, max(1, round((1 - self.keep) * self.alphabet)))


@dataclass(frozen=True)
class PlantedCapacity:
    """The ground truth of a planted memory.

    >>> model, capacity = interp.models.planted.register(k=4, alphabet=8)
    >>> capacity.k, capacity.alphabet
    (4, 8)
    """

    memory: str
    k: int
    alphabet: int
    survives: float
    """Probability with which a slot of "decay" survives one more letter; 1 in the others."""

    @property
    def scale(self) -> int:
        """Letters about which strings should be measured."""
        return self.k

    def most(self, length: int) -> float:
        """Bits that the state holds of strings of this length, at most: log2 of the number of states they reach."""
        return min(length, self.k) * math.log2(self.alphabet)

    def kept(self, length: int) -> list[float]:
        """Probability that each letter of a string, first to last, is still held after its end."""
        if self.memory in ("register", "mamba"):
            return [float(index < self.k) for index in range(length)]
        ages = [length - 1 - index for index in range(length)]
        return [self.survives**age if age < self.k else 0.0 for age in ages]


class PlantedMemory(OneLayerMemory):
    """A language model that is one planted memory.

    >>> PlantedMemory(MemoryConfig("shift", k=4)).state_shapes()
    {'blocks.0.h': (4, 26), 'blocks.0.clock': (3,)}

    Args:
        config: which one.
        seed: has no effect; what is drawn at random has the config's.
    """

    kind = "memory"
    config: MemoryConfig

    def __init__(self, config: MemoryConfig, seed: int = 0) -> None:
        block = RecurrentBlock(MemoryMixer(config), torch.nn.Identity(), residual=False)
        super().__init__(config, [block], seed=seed)


class MemoryMixer(Mixer):
    """h_t = A_bar_t (moved h_(t-1)) + write_t, y_t = C_t h_t: everything but the movement at a hook point.

    `hook_A_bar` [batch pos slot], the share of each slot that is kept; `hook_write` [batch pos slot letter];
    `hook_state` [batch pos slot letter], where an edit changes what is read at that position alone; `h.5` [batch slot
    letter], where it is carried on; `hook_C` [batch pos slot], the slot that is asked for; `hook_y` [batch pos letter].
    """

    large = ("hook_write", "hook_state")
    survives: Tensor
    """[slot letter], 0 where a letter wipes out a slot."""

    def __init__(self, config: MemoryConfig) -> None:
        super().__init__()
        self.config = config
        self.hook_A_bar, self.hook_write, self.hook_state = HookPoint(), HookPoint(), HookPoint()
        self.hook_C, self.hook_y = HookPoint(), HookPoint()
        generator = torch.Generator().manual_seed(config.seed)
        order = torch.rand(config.k, config.alphabet, generator=generator).argsort(dim=1)
        self.register_buffer("survives", (order >= config.wiping).float())

    def init_weights(self, generator: torch.Generator) -> None:
        """A planted memory has none."""

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"h": (self.config.k, self.config.alphabet), "clock": (3,)}

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        """Read tokens, one-hot; returns logits at the positions from `first` on."""
        k, letters = self.config.k, x[..., : self.config.alphabet]
        start = 0 if past is None else past.length
        h, clock = (None, None) if past is None else (past.get("h"), past.get("clock"))
        h = x.new_zeros(len(x), k, self.config.alphabet) if h is None else h
        count = Clock.after(x, self.config.alphabet, clock)
        read, written, copying = count.read, count.written, count.copying
        storing = letters.sum(dim=-1) * (1 - copying)
        slots = torch.arange(k, device=x.device)
        if self.config.memory == "register":
            moving, place = torch.zeros_like(storing), slots == (read - 1)[..., None]
        else:
            moving, place = storing, (slots == 0).expand(*storing.shape, k)
        left = einsum(letters, self.survives.to(x.dtype), "b p d, k d -> b p k")
        A_bar = self.hook_A_bar(left.where(moving[..., None] > 0, torch.ones_like(left)))
        write = self.hook_write(einsum(letters * storing[..., None], place.to(x.dtype), "b p d, b p k -> b p k d"))
        states = self._states(h, moving, A_bar, write, self.edited("h", start, x.shape[1]))
        last = states[:, -1].clone()
        asked = written if self.config.memory == "register" else read - 1 - written
        wanted = (copying > 0) & (written < read)
        C = self.hook_C(((slots == asked[..., None]) & wanted[..., None]).to(x.dtype))
        y = self.hook_y(einsum(self.hook_state(states), C, "b p k d, b p k -> b p d"))
        if past is not None:
            past.advance(x.shape[1], h=last, clock=count.last)
        return log_probabilities(y, count.ended)[:, first:]

    def _states(
        self, h: Tensor, moving: Tensor, A_bar: Tensor, write: Tensor, edited: dict[int, HookPoint]
    ) -> Float[Tensor, "batch pos slot letter"]:
        states = []
        for at, (move, keep, new) in enumerate(zip(moving.unbind(1), A_bar.unbind(1), write.unbind(1), strict=True)):
            shifted = torch.cat([torch.zeros_like(h[:, :1]), h[:, :-1]], dim=1)
            h = keep[..., None] * torch.where(move[:, None, None] > 0, shifted, h) + new
            h = edited[at](h) if at in edited else h
            states.append(h)
        return torch.stack(states, dim=1)


def planted_memory(config: MemoryConfig) -> tuple[PlantedMemory, PlantedCapacity]:
    """The model, and what it can hold."""
    survives = 1 - config.wiping / config.alphabet
    return PlantedMemory(config), PlantedCapacity(config.memory, config.k, config.alphabet, survives)


@checked_call
def register(k: int = 8, alphabet: int = 26) -> tuple[PlantedMemory, PlantedCapacity]:
    """Build a memory that keeps the first `k` letters. On strings of L > k letters its string accuracy is D^(k - L):
    Theorem 2.7 of Jelassi et al. (2024) with equality.

    >>> model, capacity = interp.models.planted.register(k=4)
    """
    return planted_memory(MemoryConfig("register", k, alphabet))


@checked_call
def shift(k: int = 8, alphabet: int = 26) -> tuple[PlantedMemory, PlantedCapacity]:
    """Build a memory that keeps the last `k` letters.

    >>> model, capacity = interp.models.planted.shift(k=4)
    """
    return planted_memory(MemoryConfig("shift", k, alphabet))


@checked_call
def decay(k: int = 16, alphabet: int = 26, keep: float = 0.9, seed: int = 0) -> tuple[PlantedMemory, PlantedCapacity]:
    """Build a memory that keeps the last `k` letters, each wiped out with probability 1 - `keep` by every letter that
    comes after it.

    The probability is rounded to a whole number of the alphabet's letters, and at least one.

    What is wiped out depends on the letters that follow: the randomness is the string's own, and none of it is state.

    >>> model, capacity = interp.models.planted.decay(k=8, keep=0.8)
    """
    return planted_memory(MemoryConfig("decay", k, alphabet, keep, seed))
