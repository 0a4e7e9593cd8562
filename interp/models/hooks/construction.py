"""What a model's constructor may be called with: its config and a seed, and a word for everything else."""

import dataclasses
from typing import Any

from interp.base.errors import UserError, unknown


def check_call(model: type, wanted: type, args: tuple[Any, ...], fields: dict[str, Any]) -> None:
    """Refuse what a model's constructor is called with, unless it is a config (and a seed).

    >>> HookedMamba(d_state=4)
    UserError: config must be a MambaConfig; got its fields. Write HookedMamba(MambaConfig(d_state=4)).

    Args:
        model: the class that is called.
        wanted: the class of its config.
        args, fields: what it is called with.

    Raises: UserError.
    """
    name = wanted.__name__
    strange = [field for field in fields if field not in ("config", "seed")]
    known = [field.name for field in dataclasses.fields(wanted)]
    for field in strange:
        if field not in known:
            raise unknown(f"field of {name}", field, known)
    if strange:
        call = f"{model.__name__}({name}({', '.join(f'{field}={fields[field]!r}' for field in strange)}))"
        raise UserError(f"config must be a {name}; got its fields. Write {call}.")
    config = args[0] if args else fields.get("config")
    if not isinstance(config, wanted):
        raise UserError(f"config must be a {name}; got a {type(config).__name__}. Write {model.__name__}({name}(...)).")
