"""How letters in slots are carried as numbers, and read from them: linear maps, drawn from the seed of a `Memory`."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.planted.memories.description import Memory

Encoding = Float[Tensor, "slot letter number"]
WELL_TOLD = 50.0
"""Keys are drawn anew until the largest of their singular values is at most this many times the smallest."""


def encoding(memory: Memory) -> Encoding:
    """What a letter in a slot adds to the state, in float64."""
    slots, letters = memory.k, memory.alphabet
    rng = np.random.default_rng(memory.seed)
    if memory.code == "turned":
        turn, _ = np.linalg.qr(rng.normal(size=(slots * letters, slots * letters)))
        return torch.tensor(turn).view(slots, letters, -1)
    if memory.code == "numbers":
        return _digits(memory)
    if memory.code == "keys":
        return torch.einsum("sk,lm->slkm", torch.tensor(_keys(memory, rng)), torch.eye(letters).double()).flatten(2)
    if memory.code == "codes":
        return torch.tensor(rng.normal(size=(slots, letters, memory.width)) / memory.width**0.5)
    return torch.eye(slots * letters, dtype=torch.float64).view(slots, letters, -1)


def decoding(memory: Memory) -> Encoding:
    """What is asked for a letter in a slot: its product with the state is 1 for the letter that is there, 0 for others.

    Through interference, only about so. Of "numbers", which are read digit by digit, the number that has the digit.
    """
    codes = encoding(memory)
    if memory.code == "keys" and not memory.matched:
        apart = torch.linalg.pinv(codes.flatten(0, 1)).T
        return apart.view_as(codes)
    return (codes > 0).double() if memory.code == "numbers" else codes


def interference(memory: Memory) -> Float[Tensor, "read slot"]:
    """Variance of what all other letters add to the score of a slot's letter, after so many letters (0 to k).

    A pair of slots disturbs each other by the square of their product, in the mean over both letters; what was read
    before is weaker by the fade.
    """
    if not memory.estimates:
        return torch.zeros(0, 0)
    codes, asked = encoding(memory), decoding(memory)
    products = torch.einsum("sln,tmn->sltm", asked, codes).square().mean(dim=(1, 3))
    others = products.fill_diagonal_(0.0)
    read, slot = torch.arange(memory.k + 1)[:, None], torch.arange(memory.k)
    weights = (memory.fade ** (2 * (read - 1 - slot)).clamp(min=0)) * (slot < read)
    return weights.double() @ others.mT


def places(memory: Memory) -> tuple[Float[Tensor, " slot"], Float[Tensor, " slot"]]:
    """For "numbers": what a slot's number is multiplied by so that its digit is the units, and half of what the least
    digit then is."""
    base, rank = memory.alphabet + 1.0, _ranks(memory)
    return base**rank, base ** (rank - memory.digits) / 2


def hashes(memory: Memory) -> Float[Tensor, "slot letter hash"]:
    """The hash of each letter at each place for "hashed", one-hot; equally many letters have each hash."""
    first = torch.tensor(np.random.default_rng(memory.seed).integers(memory.hashes, size=memory.k))
    of = (first[:, None] + torch.arange(memory.alphabet)) % memory.hashes
    return torch.nn.functional.one_hot(of, memory.hashes).double()


def _ranks(memory: Memory) -> Float[Tensor, " slot"]:
    """Rank of each slot's digit: 1 is the most significant."""
    within = torch.arange(memory.k) % memory.digits
    return (1 + within if memory.most_significant_first else memory.digits - within).double()


def _digits(memory: Memory) -> Encoding:
    of = torch.arange(memory.k) // memory.digits
    values = torch.arange(1, memory.alphabet + 1)[None] / places(memory)[0][:, None]
    return torch.nn.functional.one_hot(of, -(-memory.k // memory.digits))[:, None] * values[..., None]


def _keys(memory: Memory, rng: np.random.Generator) -> Float[np.ndarray, "slot key"]:
    while True:
        keys = rng.normal(size=(memory.k, memory.width))
        keys /= np.linalg.norm(keys, axis=1, keepdims=True)
        if memory.matched or np.linalg.cond(keys) <= WELL_TOLD:
            return keys
