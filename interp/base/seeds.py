"""One policy for randomness: a seed is a whole number, and whatever is drawn is drawn on the CPU.

The CPU's and a GPU's generators give different numbers for one seed. What is drawn (strings, controls, first weights)
is therefore drawn on the CPU on every machine and then moved, so that two machines measure with the same strings.

Seeds are never made by addition: with `seed + i`, the studies of seeds 0 and 1 would share all untrained models but
one. `own_generator` gives each measurement numbers of its own, `spawn` gives each of several models a seed of its own;
both hash what they are given (numpy's `SeedSequence`).
"""

from typing import Any

import numpy as np
import torch

from interp.base.errors import UserError, shown

MOST = 2**63 - 1
"""The largest seed: torch's generators hold no more."""


def as_generator(seed: Any) -> torch.Generator:
    """Turn what a measurement is given, a seed or a generator, into a generator.

    Args:
        seed: a non-negative integer, which makes a new generator, or a `torch.Generator` on the CPU, which continues
            from where it is.

    Returns:
        a generator on the CPU.

    Raises: UserError for anything else, a generator on another device among it.

    >>> int(torch.randint(100, (), generator=as_generator(0)))
    44
    """
    if not isinstance(seed, torch.Generator):
        return torch.Generator().manual_seed(check_seed(seed))
    if seed.device.type != "cpu":
        raise UserError(
            "generator must be on the CPU, so that a seed means the same strings on every device; got one on "
            f"{seed.device}. Pass a seed, or torch.Generator().manual_seed(0): what is drawn is moved to the "
            "model's device."
        )
    return seed


def own_generator(measurement: str, seed: int) -> torch.Generator:
    """Make the generator of one measurement, so that a change to one does not shift what the others see.

    Args:
        measurement: its name; each name has numbers of its own.
        seed: of the study.
    """
    return _generator([check_seed(seed), *measurement.encode()])


def numbered_generator(*numbers: int) -> torch.Generator:
    """Make the generator that belongs to a few non-negative integers, such as a seed, a purpose and a step."""
    return _generator([check_seed(number) for number in numbers])


def spawn(seed: int, *key: int | str) -> int:
    """Derive a child seed, which shares nothing with the children of other seeds and with those of other keys.

    Args:
        seed: of the study.
        key: what the child is for: names and non-negative integers.

    Returns:
        a number below 2^53, which JSON and JavaScript keep exactly.

    >>> spawn(0, 1) == spawn(1, 0)
    False
    """
    path = [number for part in key for number in (part.encode() if isinstance(part, str) else [check_seed(part)])]
    sequence = np.random.SeedSequence(check_seed(seed), spawn_key=tuple(path))
    return int(sequence.generate_state(1, np.uint64)[0] >> 11)


def check_seed(seed: Any, name: str = "seed") -> int:
    """Return the seed as an int. Raises: UserError for what is not a whole number from 0 to 2^63 - 1."""
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed <= MOST:
        raise UserError(f"{name} must be an integer from 0 to {MOST}; got {shown(seed)}.")
    return int(seed)


def _generator(entropy: list[int]) -> torch.Generator:
    state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
    return torch.Generator().manual_seed(int(state[0] >> 1))
