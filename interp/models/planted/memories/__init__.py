"""Memories built by hand, of all kinds, with the truth about them: what a study of states is held to.

description   `Memory`: what is kept, how it is coded, how much of it is read
codes         letters in slots to numbers and back
mixer, model  the recurrent model that a `Memory` is built into
truth         `MemoryTruth`: bits used and held by length, the bend, and what stops the bits
kinds         each kind, drawn at random in its parameters

>>> model, truth = planted_memory("codes", seed=1)
>>> truth.used(12), truth.held(12), truth.bend, truth.limit
"""

from interp.models.planted.memories.description import Memory
from interp.models.planted.memories.kinds import MEMORIES, describe_memory, planted_memory
from interp.models.planted.memories.model import CodedMemory
from interp.models.planted.memories.truth import MemoryTruth

__all__ = ["MEMORIES", "CodedMemory", "Memory", "MemoryTruth", "describe_memory", "planted_memory"]
