"""What is asked: models, all of them opened by the same hooks. `build` makes one from its saved config."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from interp.base.codec import from_plain
from interp.base.errors import unknown

if TYPE_CHECKING:
    from interp.models.hooks.model import HookedModel

KINDS = {
    "transformer": ("interp.models.transformer", "HookedTransformer", "TransformerConfig"),
    "mamba": ("interp.models.recurrent.mamba.model", "HookedMamba", "MambaConfig"),
    "mamba2": ("interp.models.recurrent.mamba2.model", "HookedMamba2", "Mamba2Config"),
    "lstm": ("interp.models.recurrent.lstm.model", "HookedLSTM", "LSTMConfig"),
    "hybrid": ("interp.models.recurrent.hybrid", "HookedHybrid", "HybridConfig"),
    "memory": ("interp.models.planted.memory", "PlantedMemory", "MemoryConfig"),
}
"""kind -> module, model class, config class. Imported when asked for: TransformerLens takes seconds."""


def build(config: dict[str, Any], seed: int = 0) -> "HookedModel":
    """The model of a `config_dict`, freshly initialised.

    Args:
        config: `{"kind": ..., **fields of the config class}`.
        seed: of the initial weights.

    Raises: UserError for an unknown kind or field, or a value that does not fit.
    """
    fields = dict(config)
    kind = fields.pop("kind", None)
    if not isinstance(kind, str) or kind not in KINDS:
        raise unknown("kind of model", str(kind), KINDS)
    module_name, model_name, config_name = KINDS[kind]
    module = import_module(module_name)
    return getattr(module, model_name)(from_plain(getattr(module, config_name), fields), seed=seed)
