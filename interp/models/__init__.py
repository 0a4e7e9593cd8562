"""What is asked: models, all of them opened by the same hooks. `build` makes one from its saved config."""

from collections.abc import Callable
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, Any

from interp.base.calls import checked_call
from interp.base.codec import from_plain
from interp.base.errors import UserError, unknown

if TYPE_CHECKING:
    from interp.models.hooks.model import HookedModel

KINDS = {
    "transformer": ("interp.models.transformer", "HookedTransformer", "TransformerConfig"),
    "hybrid": ("interp.models.recurrent.hybrid", "HookedHybrid", "HybridConfig"),
    "memory": ("interp.models.planted.memory", "PlantedMemory", "MemoryConfig"),
    "coded": ("interp.models.planted.memories.model", "CodedMemory", "Memory"),
}
"""kind -> module, model class, config class, of what is not a recurrent family. Imported when asked for."""
LARGE = 8192
"""Size of an axis from which it is asked, before a model is built, whether its weights fit into memory."""


@checked_call
def build(config: dict[str, Any], seed: int = 0) -> "HookedModel":
    """Build the model of a `config_dict`, with first weights drawn anew, in evaluation mode.

    >>> build({"kind": "mamba", "n_layers": 2, "d_state": 8}, seed=0)

    Args:
        config: `{"kind": ..., **fields of the config class}`. A kind is transformer, hybrid, memory or coded (planted
            ones), or any recurrent family (`interp.models.recurrent.family.kinds`).
        seed: seed of the first weights.

    Raises: UserError for an unknown kind or field, naming the nearest, or a value that does not fit.
    """
    fields = dict(config)
    model_class, config_class = classes(fields.pop("kind", None))
    read: Callable[[Any], Any] = getattr(config_class, "from_dict", partial(from_plain, config_class))
    made = read(fields)
    _check_fits(model_class, made)
    return model_class(made, seed=seed)


def _check_fits(model_class: Any, config: Any) -> None:
    """Raises: UserError for a config whose weights would not fit into memory; asked on `meta`, which holds none."""
    import torch

    from interp.base.budget import check_fits

    sizes = {name: value for name, value in vars(config).items() if isinstance(value, int)}
    if getattr(config, "position", None) != "learned":
        sizes.pop("n_ctx", None)  # it has no weights
    if max(sizes.values(), default=0) < LARGE or torch.get_default_device().type == "meta":
        return
    try:
        with torch.device("meta"):
            weights = sum(each.numel() * each.element_size() for each in model_class(config).parameters())
    except RuntimeError as error:  # more numbers than can be counted
        raise UserError(
            "the weights of the model must fit into memory; got more numbers than can be counted "
            f"({str(error).splitlines()[0]})."
        ) from error
    check_fits(weights, "the weights of the model")


def classes(kind: Any) -> tuple[Any, Any]:
    """Find the class of the models of a kind, and that of their configs.

    Raises: UserError for an unknown kind, naming the nearest.
    """
    from interp.models.recurrent.family import family, kinds

    if not isinstance(kind, str):
        raise unknown("kind of model", str(kind), (*KINDS, *kinds()))
    if kind in kinds():
        from interp.models.recurrent.model import HookedRecurrent

        found = family(kind)
        return found.model or HookedRecurrent, found.config
    if kind not in KINDS:
        raise unknown("kind of model", str(kind), (*KINDS, *kinds()))
    module_name, model_name, config_name = KINDS[kind]
    module = import_module(module_name)
    return getattr(module, model_name), getattr(module, config_name)
