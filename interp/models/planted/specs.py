"""The name of a planted model: a kind, then options, as in `ngram?n=3&decoys=position:30,bos&shuffle=yes`."""

import inspect
from collections.abc import Callable
from typing import Any

import torch

from interp.base.errors import UserError, unknown
from interp.models.hooks.model import HookedModel
from interp.models.planted.copier import planted_copier
from interp.models.planted.memory import PlantedCapacity, decay, register, shift
from interp.models.planted.planting import Planting

KINDS: dict[str, Callable[..., tuple[HookedModel, Planting | PlantedCapacity]]] = {
    "ngram": planted_copier,
    "register": register,
    "shift": shift,
    "decay": decay,
}
"""kind -> builder. The builder's arguments are the options, read by their annotations."""


def _truth(text: str) -> bool:
    return {"yes": True, "true": True, "1": True, "no": False, "false": False, "0": False}[text.lower()]


READERS: dict[Any, tuple[str, Callable[[str], Any]]] = {
    int: ("a whole number", int),
    float: ("a number", float),
    bool: ("yes or no", _truth),
    str: ("a word", str),
    tuple[str, ...]: ("words with commas between them", lambda text: tuple(text.split(",")) if text else ()),
    torch.dtype: ("float32 or float64", lambda text: {"float32": torch.float32, "float64": torch.float64}[text]),
}
"""Type of an option -> what is wanted, and how it is read."""


def planted_from_spec(spec: str) -> tuple[HookedModel, Planting | PlantedCapacity]:
    """Build the planted model of this name, and say what was planted: `ngram`, `ngram?n=3&alphabet=4`.

    Raises: UserError for a kind, an option or a value that does not exist.
    """
    kind, _, query = spec.partition("?")
    if kind not in KINDS:
        raise unknown("kind of planted model", kind, KINDS)
    parameters = inspect.signature(KINDS[kind]).parameters
    options: dict[str, Any] = {}
    for option in query.split("&") if query else ():
        name, _, text = option.partition("=")
        if name not in parameters:
            raise unknown(f"option of planted:{kind}", name, parameters, limit=len(parameters))
        if name in options:
            raise UserError(f"{name} was given twice for planted:{kind}.")
        wanted, read = READERS[parameters[name].annotation]
        try:
            options[name] = read(text)
        except (ValueError, KeyError) as error:
            raise UserError(f"{name} of planted:{kind} is {wanted}; {text!r} came.") from error
    return KINDS[kind](**options)
