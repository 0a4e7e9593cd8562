"""Kinds of memories, each drawn at random in its parameters: what a study of states is held to.

>>> model, truth = planted_memory("numbers", seed=3)
"""

from collections.abc import Callable

from interp.base.errors import unknown
from interp.models.hooks.model import HookedModel
from interp.models.planted.kinds.dice import Dice
from interp.models.planted.memories.description import Memory
from interp.models.planted.memories.model import CodedMemory
from interp.models.planted.memories.truth import MemoryTruth
from interp.models.planted.memory import MemoryConfig, PlantedMemory

BEYOND = 4
"""The longest strings, over the `scale` of a memory."""


def _seed(dice: Dice) -> int:
    return dice.whole(0, 10**6)


def _full(kind: str, memory: Memory) -> MemoryTruth:
    return MemoryTruth(kind, memory, memory.k, float(memory.k), "full")


def _first(dice: Dice) -> MemoryTruth:
    """Keeps the first K letters, one-hot: a register."""
    return _full("first", Memory(k=dice.whole(4, 8), alphabet=dice.pick(4, 6, 8)))


def _last(dice: Dice) -> MemoryTruth:
    """Keeps the last K letters, one-hot: a shift register."""
    return _full("last", Memory(keeps="last", k=dice.whole(4, 8), alphabet=dice.pick(4, 6, 8)))


def _turned(dice: Dice) -> MemoryTruth:
    """Keeps the first or the last K letters, turned by a random orthogonal matrix."""
    keeps = dice.pick("first", "last")
    memory = Memory("turned", keeps, k=dice.whole(4, 8), alphabet=dice.pick(4, 6, 8), seed=_seed(dice))
    return _full("turned", memory)


def _numbers(dice: Dice) -> MemoryTruth:
    """Keeps the first K letters, two or three of them as the digits of one number."""
    digits = dice.pick(2, 3)
    memory = Memory(
        "numbers",
        k=digits * dice.whole(2, 3),
        alphabet=dice.pick(4, 6, 8),
        digits=digits,
        most_significant_first=dice.coin(),
    )
    return _full("numbers", memory)


def _sums(dice: Dice) -> MemoryTruth:
    """Keeps K sums of neighbouring letters: none says anything of a letter but together with the letter before it."""
    return _full("sums", Memory("sums", k=dice.whole(4, 8), alphabet=dice.pick(4, 6, 8)))


def _keys(dice: Dice) -> MemoryTruth:
    """A linear attention's state, the sum of key times value over K letters, with as many numbers in a key: each letter
    can be read apart from the others."""
    k = dice.whole(4, 8)
    return _full("keys", Memory("keys", k=k, width=k, alphabet=dice.pick(4, 6, 8), seed=_seed(dice)))


def _codes(dice: Dice) -> MemoryTruth:
    """Letters added up as random codes, each read through the interference of all others."""
    scale = dice.whole(5, 8)
    width = scale * dice.pick(3, 4, 5)
    memory = Memory("codes", k=BEYOND * scale, width=width, alphabet=dice.pick(4, 6, 8), seed=_seed(dice))
    return MemoryTruth("codes", memory, scale, None, "unread")


def _matched(dice: Dice) -> MemoryTruth:
    """A linear attention's state with fewer numbers in a key than there are letters, read key by key."""
    scale, width = dice.whole(11, 13), dice.whole(8, 10)
    memory = Memory("keys", k=BEYOND * scale, width=width, matched=True, alphabet=3, seed=_seed(dice))
    return MemoryTruth("matched", memory, scale, None, "unread")


def _half_read(dice: Dice) -> MemoryTruth:
    """Keeps the first 2 K letters, of which the first K are read."""
    k = dice.whole(4, 6)
    memory = Memory(dice.pick("one-hot", "turned"), k=2 * k, reads=k, alphabet=dice.pick(4, 6, 8), seed=_seed(dice))
    return MemoryTruth("half-read", memory, k, float(k), "unread")


def _half_read_sums(dice: Dice) -> MemoryTruth:
    """Keeps 2 K or 3 K sums of neighbouring letters, of which K are read."""
    k = dice.whole(4, 6)
    memory = Memory("sums", k=dice.pick(2, 3) * k, reads=k, alphabet=dice.pick(4, 6, 8))
    return MemoryTruth("half-read-sums", memory, k, float(k), "unread")


def _not_fetched(dice: Dice) -> MemoryTruth:
    """Keeps every letter, and reads all of strings of up to K letters; of longer ones the first or the last K."""
    k, last = dice.whole(4, 7), dice.coin()
    code = dice.pick("one-hot", "turned")
    memory = Memory(
        code, k=BEYOND * k, reads=k, reads_last=last, reads_all_to=k, alphabet=dice.pick(4, 6), seed=_seed(dice)
    )
    return MemoryTruth("not-fetched", memory, k, float(k), "unread")


def _falls(dice: Dice) -> MemoryTruth:
    """Keeps every letter, and reads all of strings of up to K letters; of longer ones less than K."""
    k = dice.whole(5, 8)
    reads = dice.whole(1, k - 2)
    memory = Memory(k=BEYOND * k, reads=reads, reads_last=dice.coin(), reads_all_to=k, alphabet=dice.pick(4, 6))
    return MemoryTruth("falls", memory, k, None, "falls")


def _wiped(dice: Dice) -> MemoryTruth:
    """Each letter wipes out each of the letters before it with a probability: c (1 - exp(-L / tau)) bits, and the old
    letters are the lost ones."""
    alphabet = dice.pick(6, 8)
    keep = 1 - dice.pick(1, 2) / alphabet
    scale = round(1 / (1 - keep)) + 1
    memory = MemoryConfig("decay", BEYOND * scale, alphabet, keep, _seed(dice))
    return MemoryTruth("wiped", memory, scale, None, "forgetting")


def _fading(dice: Dice) -> MemoryTruth:
    """Letters added up as random codes, while all that was there fades and is rounded: old letters sink below the step
    of the numbers."""
    fade, scale = dice.real(0.7, 0.85), dice.whole(4, 6)
    memory = Memory(
        "codes",
        k=BEYOND * scale,
        width=dice.whole(40, 64),
        fade=fade,
        grid=dice.real(0.08, 0.15),
        alphabet=dice.pick(4, 6),
        seed=_seed(dice),
    )
    return MemoryTruth("fading", memory, scale, None, "forgetting")


def _hashed(dice: Dice) -> MemoryTruth:
    """Lets a letter in only if a hash of it is still free: c (1 - exp(-L / tau)) bits, and the recent letters are the
    lost ones."""
    hashes = dice.pick(4, 6, 8)
    memory = Memory("hashed", k=BEYOND * hashes, hashes=hashes, alphabet=hashes, seed=_seed(dice))
    return MemoryTruth("hashed", memory, hashes, None, "gradual")


def _open(dice: Dice) -> MemoryTruth:
    """Has room for more letters than the longest strings have."""
    scale = dice.whole(3, 5)
    memory = Memory(
        dice.pick("one-hot", "turned", "sums"), k=BEYOND * scale + 2, alphabet=dice.pick(4, 6), seed=_seed(dice)
    )
    return MemoryTruth("open", memory, scale, None, "open")


def _mute(dice: Dice) -> MemoryTruth:
    """Keeps the first K letters, and reads none."""
    memory = Memory(k=dice.whole(4, 8), reads=0, alphabet=dice.pick(4, 6, 8))
    return MemoryTruth("mute", memory, memory.k, None, "none")


_DRAWN: dict[str, Callable[[Dice], MemoryTruth]] = {
    "first": _first,
    "last": _last,
    "turned": _turned,
    "numbers": _numbers,
    "sums": _sums,
    "keys": _keys,
    "codes": _codes,
    "matched": _matched,
    "half-read": _half_read,
    "half-read-sums": _half_read_sums,
    "not-fetched": _not_fetched,
    "falls": _falls,
    "wiped": _wiped,
    "fading": _fading,
    "hashed": _hashed,
    "open": _open,
    "mute": _mute,
}
MEMORIES = tuple(_DRAWN)
"""Names of all kinds."""


def planted_memory(kind: str = "first", seed: int = 0) -> tuple[HookedModel, MemoryTruth]:
    """Build a memory of a kind, its parameters drawn from a seed, and say what is true of it.

    >>> model, truth = interp.models.planted.planted_memory("codes", seed=1)

    Args:
        kind: one of `MEMORIES`.
        seed: the same one gives the same memory on every machine.

    Raises: UserError for a kind that does not exist.
    """
    if kind not in _DRAWN:
        raise unknown("kind of planted memory", kind, MEMORIES)
    truth = _DRAWN[kind](Dice(f"memory {kind}", seed))
    memory = truth.memory
    return (PlantedMemory(memory) if isinstance(memory, MemoryConfig) else CodedMemory(memory)), truth


def describe_memory(kind: str) -> str:
    """What a kind is, in a sentence."""
    return " ".join((_DRAWN[kind].__doc__ or "").split())
