"""The name of a planted model: a kind, then options, as in `ngram?n=3&decoys=position:30,bos&shuffle=yes`."""

import inspect
from collections.abc import Callable
from typing import Any

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError, shortened, unknown
from interp.models.hooks.model import HookedModel
from interp.models.planted.compact import compact_copier
from interp.models.planted.compiler import plant
from interp.models.planted.copier import planted_copier
from interp.models.planted.hybrid import HybridPlanting, planted_hybrid
from interp.models.planted.kinds import draw
from interp.models.planted.mamba import planted_mamba
from interp.models.planted.memories import MemoryTruth, planted_memory
from interp.models.planted.memory import PlantedCapacity, decay, register, shift
from interp.models.planted.planting import Planting
from interp.models.planted.reverser import ReversePlanting, planted_reverser


@checked_call
def drawn_circuit(kind: str = "windows", seed: int = 0) -> tuple[HookedModel, Planting]:
    """A circuit of a kind (`interp.models.planted.kinds.KINDS`), its parameters drawn from a seed."""
    return plant(draw(kind, seed))


Truth = Planting | ReversePlanting | PlantedCapacity | MemoryTruth | HybridPlanting
"""What is true of a planted model."""
SPECS: dict[str, Callable[..., tuple[HookedModel, Truth]]] = {
    "ngram": planted_copier,
    "compact": compact_copier,
    "reverse": planted_reverser,
    "circuit": drawn_circuit,
    "memory": planted_memory,
    "register": register,
    "shift": shift,
    "decay": decay,
    "mamba": planted_mamba,
    "hybrid": planted_hybrid,
}
"""kind -> builder. The builder's arguments are the options, read by their annotations."""


def _truth(text: str) -> bool:
    return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}[text.lower()]


def _integer(text: str) -> int:
    number = int(text)
    if abs(number) >= 1 << 63:
        raise ValueError
    return number


READERS: dict[Any, tuple[str, Callable[[str], Any]]] = {
    int: ("a 64-bit integer", _integer),
    float: ("a number", float),
    bool: ("yes or no", _truth),
    str: ("a word", str),
    tuple[str, ...]: ("words with commas between them", lambda text: tuple(text.split(",")) if text else ()),
    torch.dtype: ("float32 or float64", lambda text: {"float32": torch.float32, "float64": torch.float64}[text]),
}
"""Type of an option -> what is wanted, and how it is read."""

MOST: dict[str, tuple[float, str]] = {
    "tau": (1e4, "A match has all the attention long before that."),
    "k": (1_000, "A state holds 26 numbers for each letter, at every position."),
    "n_ctx": (1 << 20, "No text here is longer."),
}
"""Option -> its largest value, and why; for every kind that has it."""


@checked_call
def planted_from_spec(spec: str) -> tuple[HookedModel, Truth]:
    """Build the planted model of this name, and say what was planted: `ngram`, `ngram?n=3&alphabet=4`.

    >>> model, planting = interp.models.planted.planted_from_spec("ngram?n=3")
    >>> planting.alphabet
    26

    Raises: UserError for a kind, an option or a value that does not exist.
    """
    kind, _, query = spec.partition("?")
    if kind not in SPECS:
        raise unknown("kind of planted model", kind, SPECS)
    parameters = inspect.signature(SPECS[kind]).parameters
    options: dict[str, Any] = {}
    for option in query.split("&") if query else ():
        name, _, text = option.partition("=")
        if name not in parameters:
            raise unknown(f"option of planted:{kind}", name, parameters, limit=len(parameters))
        if name in options:
            raise UserError(f"{name} of planted:{kind} must be given once; got it twice.")
        wanted, read = READERS[parameters[name].annotation]
        try:
            options[name] = read(text)
        except (ValueError, KeyError) as error:
            raise UserError(f"{name} of planted:{kind} must be {wanted}; got {shortened(text)!r}.") from error
    _refuse_giants(kind, options)
    return SPECS[kind](**options)


def _refuse_giants(kind: str, options: dict[str, Any]) -> None:
    """Raises: UserError for what would fill the memory, or make a model of infinities."""
    for name, (most, why) in MOST.items():
        if not options.get(name, 0) <= most:  # so that NaN is refused, too
            raise UserError(f"{name} of planted:{kind} must be at most {most:.10g}; got {options[name]:.10g}. {why}")
