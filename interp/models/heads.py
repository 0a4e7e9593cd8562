"""Heads by name: L1H3 is head 3 of layer 1, both counted from 0."""

from collections.abc import Sequence

from interp.base.errors import UserError, unknown
from interp.models.surface import Head, Model, heads


def head_name(head: Head) -> str:
    return f"L{head[0]}H{head[1]}"


def parse_heads(names: Sequence[str], model: Model) -> tuple[Head, ...]:
    """The heads of these names, each once.

    Raises: UserError for a head that the model does not have, or a model without heads.
    """
    if isinstance(names, str):
        raise UserError(f"heads are named in a list, as in ['L1H3']; {names!r} came.")
    known = {head_name(head): head for head in heads(model)}
    for name in names:
        if name not in known:
            raise unknown("head", name, known)
    return tuple(known[name] for name in dict.fromkeys(names))
