"""`Family`: what a recurrent architecture says of itself, and the registry in which it is found by its kind.

A family is a package that registers itself when it is imported: a folder beside this file, named as its kind, or a
package of its own anywhere, which an entry point of the group `interp.recurrent` names. Nothing else knows it; it can
be built, trained, saved, hooked, streamed, put into hybrids and measured. It is imported when it is first asked for.
How to write one: `docs/how-to/add-a-recurrent-family.md`.
"""

import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING, Any

from interp.base.errors import InterpError, UserError, shown, unknown
from interp.models.recurrent.config import RecurrentConfig
from interp.models.recurrent.mixer import Mixer, RecurrentBlock
from interp.models.stack.layers import make_norm

if TYPE_CHECKING:
    from interp.models.recurrent.model import RecurrentModel

ENTRY_POINTS = "interp.recurrent"
"""Group of the entry points that name families outside this package: the kind = the package to import."""
TAKEN = (
    "attention",
    "transformer",
    "hybrid",
    "memory",
    "coded",
    "options",
    "layers",
    *("d_mlp", "activation", "gated_mlp", "n_experts", "n_chosen", "d_shared", "renormalized", "logit_cap", "beside"),
    *("router", "shared_gate", "d_latent"),
    *RecurrentConfig.__dataclass_fields__,
)
"""Names that no family can have: they are other kinds of models and layers, or fields of a hybrid's config."""

_registered: dict[str, "Family"] = {}


@dataclass(frozen=True)
class Family:
    """A recurrent architecture.

    >>> register(Family("leaky", LeakyConfig, LeakyMixer))
    >>> build({"kind": "leaky", "d_model": 32})
    """

    kind: str
    """Name by which it is built and saved: a word that could be a variable in Python."""
    config: type[RecurrentConfig]
    """Class of its config."""
    mixer: Callable[[Any], Mixer]
    """Its layer, made from a config: a subclass of `Mixer`, which answers for its hook points, state, decay, hidden
    attention and first weights."""
    model: "type[RecurrentModel] | None" = None
    """Class of its models, if it has one of its own; None: `HookedRecurrent`."""
    replaces_stream: bool = False
    """Whether a layer of a model of this family alone replaces the stream rather than adding to it (in a hybrid every
    layer adds); a field `residual` of its config overrides it."""

    def block(self, config: Any, alone: bool = True) -> RecurrentBlock:
        """Make one layer with the norm before it.

        Args:
            config: the family's.
            alone: whether the model has layers of this family only.
        """
        residual = getattr(config, "residual", None)
        if residual is None:
            residual = not (alone and self.replaces_stream)
        norm = make_norm(config.normalization, config.d_model, config.norm_eps)
        return RecurrentBlock(self.mixer(config), norm, residual)


def register(family: Family) -> Family:
    """Make a family known in this process; a second one of the same kind takes the place of the first.

    Raises: UserError for a kind that is not an identifier, or that means something else already.
    """
    if not family.kind.isidentifier() or family.kind in TAKEN:
        raise UserError(
            f"kind must be a valid Python identifier other than {', '.join(TAKEN)}; got {shown(family.kind)}."
        )
    if not issubclass(family.config, RecurrentConfig):
        raise UserError(f"config of {family.kind} must be a subclass of RecurrentConfig; got {family.config.__name__}.")
    _registered[family.kind] = family
    return family


def kinds() -> tuple[str, ...]:
    """List the kinds of all families, whether or not they were imported yet.

    >>> {"gla", "lstm", "mamba"} <= set(kinds())
    True
    """
    return tuple(sorted({*_registered, *_folders(), *_entry_points()}))


def family(kind: str) -> Family:
    """Find a family, importing it if need be.

    Raises: UserError for an unknown kind, naming the nearest; InterpError for a family that cannot be imported.
    """
    if kind not in _registered and kind in _folders():
        import_module(f"{__package__}.{kind}")
    elif kind not in _registered and kind in _entry_points():
        _import(_entry_points()[kind])
    if kind not in _registered:
        raise unknown("recurrent family", kind, kinds())
    return _registered[kind]


def family_of(config: RecurrentConfig) -> Family:
    """Find the family that a config belongs to.

    Raises: UserError for a config of none.
    """
    found = [family for family in _registered.values() if family.config is type(config)]
    if not found:
        raise UserError(f"config must be that of a registered family; got a {type(config).__name__}.")
    return found[0]


@cache
def _folders() -> frozenset[str]:
    """Kinds that have a folder here."""
    return frozenset(found.name for found in iter_modules([str(Path(__file__).parent)]) if found.ispkg)


def _entry_points() -> dict[str, EntryPoint]:
    """Kind -> the entry point of an installed package that has it."""
    return _entry_points_on(tuple(sys.path))


@cache
def _entry_points_on(path: tuple[str, ...]) -> dict[str, EntryPoint]:  # noqa: ARG001  # what is installed hangs on it
    return {found.name: found for found in entry_points(group=ENTRY_POINTS)}


def _import(point: EntryPoint) -> None:
    try:
        import_module(point.module)
    except ImportError as error:
        raise InterpError(
            f"the recurrent family {point.name} ({point.value}) must be importable; got an error ({error})."
        ) from error
    if point.name not in _registered:
        raise InterpError(
            f"importing {point.value} must register the recurrent family {point.name}; got none of that name."
        )
