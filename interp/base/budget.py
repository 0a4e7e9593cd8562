"""How much is computed at once, so that memory suffices: on the CPU fixed numbers, on a GPU by what it has free.

Measurements run strings, heads and probes in blocks. The numbers of `CPU` keep a block within a gigabyte or so of
memory and mostly within reach of the caches; a GPU takes as many times more as it has free memory. Block sizes change
what is computed at once and nothing else. Blocks that are cut to a CPU's caches stand in their kernels (`models.scan`).

    budget("cpu").tokens                                    16384
    monkeypatch.setattr(interp.base.budget, "CPU", Budget(tokens=64))      in a test of blocks
"""

import os
from dataclasses import dataclass, fields

import torch

from interp.base.errors import UserError

REFERENCE = 2**32
"""Bytes of free memory with which the numbers of `CPU` are safe; a GPU with k times as many takes k times as much."""


@dataclass(frozen=True)
class Budget:
    """How much is computed at once."""

    tokens: int = 16_384
    """Tokens of a forward pass whose activations are looked at."""
    plain_tokens: int = 2**15
    """Tokens of a forward pass without attention that is not looked at."""
    pairs: int = 2**22
    """Query-key pairs of a forward pass (8 heads in fp32: 128 MiB a layer)."""
    logits: int = 2**27
    """Logits of a forward pass."""
    floats: int = 2**24
    """Numbers of one intermediate tensor: hidden attention, the streams of a sweep of ablations."""
    scores: int = 2**22
    """Scores of probes, strings times letters times classes."""
    features: int = 16_384
    """Features of many strings that are multiplied with each other."""
    numbers: int = 2**26
    """Numbers of states that are kept whole, not projected."""
    cells: int = 2**22
    """Entries of attention patterns while a page is written."""


CPU = Budget()


def budget(device: torch.device | str = "cpu") -> Budget:
    """Say how much may be computed at once on a device.

    `numbers` is the same on every device: it decides what is measured, not only how fast.
    """
    device = torch.device(device)
    if device.type != "cuda":
        return CPU
    times = max(1, memory(device) // REFERENCE)
    grown = {field.name: times * getattr(CPU, field.name) for field in fields(Budget) if field.name != "numbers"}
    return Budget(**grown, numbers=CPU.numbers)


def memory(device: torch.device | str = "cpu") -> int:
    """Bytes that a GPU has free, or that this machine has in all; 2^62 where the system does not tell."""
    device = torch.device(device)
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):
        return 2**62


def check_fits(size: int, what: str) -> None:
    """Raises: UserError for something that takes more bytes than this machine has."""
    if size > (there := memory()):
        raise UserError(
            f"{what} must fit into memory, {there // 2**30:,} GiB here; got {size // 2**30:,} GiB. Ask for less."
        )
