"""Planted models: weights set by hand, so that the mechanism is known and a detector can be held to it.

A `Circuit` describes a transformer: which heads bring which letters, what each lookup head matches and prefers, what
its value writes, and what reads it. `plant` compiles it to an ordinary model, whose stream is turned by a random
orthogonal matrix, and to the truth about it; `draw` makes one at random, of any of `KINDS`. `planted_copier` is the
plain one, the two-layer transformer of Jelassi et al. 2024, Theorem 2.3, which copies by n-gram lookup, and
`planted_reverser` one that writes backwards. `register`,
`shift` and `decay` are recurrent models that hold the first or the last letters of a string, and nothing else;
`planted_mamba` is an ordinary Mamba that holds the first. `planted_hybrid` is one of which it is known what copies:
attention, recurrence, or both together.
`interp.models.planted.memories` has recurrent memories of all kinds, drawn at random as circuits are
(`planted_memory`). `planted_from_spec` reads the name by which a user asks for one.
"""

from interp.models.planted.compiler import plant
from interp.models.planted.copier import planted_copier
from interp.models.planted.decoys import DECOYS
from interp.models.planted.description import Circuit, HeadSpec, Write
from interp.models.planted.hybrid import HybridPlanting, planted_hybrid
from interp.models.planted.kinds import KINDS, draw
from interp.models.planted.mamba import planted_mamba
from interp.models.planted.memories import MEMORIES, Memory, MemoryTruth, planted_memory
from interp.models.planted.memory import MemoryConfig, PlantedCapacity, PlantedMemory, decay, register, shift
from interp.models.planted.planting import PlantedHead, Planting, Role
from interp.models.planted.reverser import ReversePlanting, planted_reverser
from interp.models.planted.specs import planted_from_spec

__all__ = [
    "DECOYS",
    "KINDS",
    "MEMORIES",
    "Circuit",
    "HeadSpec",
    "HybridPlanting",
    "Memory",
    "MemoryConfig",
    "MemoryTruth",
    "PlantedCapacity",
    "PlantedHead",
    "PlantedMemory",
    "Planting",
    "ReversePlanting",
    "Role",
    "Write",
    "decay",
    "draw",
    "plant",
    "planted_copier",
    "planted_from_spec",
    "planted_hybrid",
    "planted_mamba",
    "planted_memory",
    "planted_reverser",
    "register",
    "shift",
]
