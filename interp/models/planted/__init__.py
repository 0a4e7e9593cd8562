"""Planted models: weights set by hand, so that the mechanism is known and a detector can be held to it.

`planted_copier` is the two-layer transformer of Jelassi et al. 2024, Theorem 2.3, which copies by n-gram lookup: gather
heads bring the last n tokens to each position, and in a later layer a lookup head finds where they stood before and
attends to what came next. Around them stand heads that do nothing, heads at random, and decoys. `register`, `shift` and
`decay` are recurrent models that hold the first or the last letters of a string, and nothing else. `planted_from_spec`
reads the name by which a user asks for one.
"""

from interp.models.planted.copier import planted_copier
from interp.models.planted.decoys import DECOYS
from interp.models.planted.memory import MemoryConfig, PlantedCapacity, PlantedMemory, decay, register, shift
from interp.models.planted.planting import PlantedHead, Planting, Role
from interp.models.planted.specs import KINDS, planted_from_spec

__all__ = [
    "DECOYS",
    "KINDS",
    "MemoryConfig",
    "PlantedCapacity",
    "PlantedHead",
    "PlantedMemory",
    "Planting",
    "Role",
    "decay",
    "planted_copier",
    "planted_from_spec",
    "register",
    "shift",
]
