"""`HookedHybrid`: any sequence of attention and recurrent blocks, as in "one attention layer in a Mamba"."""

from dataclasses import dataclass, field
from typing import Any

from torch import nn

from interp.base.errors import UserError, unknown
from interp.models.recurrent.lstm.model import LSTMConfig, lstm_block
from interp.models.recurrent.mamba.model import MambaConfig, check_shape, mamba_block
from interp.models.recurrent.mamba2.model import Mamba2Config, mamba2_block
from interp.models.recurrent.model import RecurrentModel
from interp.models.stack.block import Block
from interp.models.stack.config import TransformerConfig

PARTS: dict[str, tuple[Any, Any]] = {
    "attention": (TransformerConfig, Block),
    "mamba": (MambaConfig, mamba_block),
    "mamba2": (Mamba2Config, mamba2_block),
    "lstm": (LSTMConfig, lstm_block),
}
"""What a layer can be -> its config, and what makes a block of it."""


@dataclass(frozen=True)
class HybridConfig:
    """Shape of a `HookedHybrid`: `HybridConfig(layers=("mamba", "attention", "mamba"))`.

    Raises: UserError for a layer of no known kind, or an option that this kind does not have.
    """

    layers: tuple[str, ...] = ("mamba", "attention")
    """First to last, each one of `PARTS`."""
    d_model: int = 64
    d_vocab: int = 30
    attention: dict[str, Any] = field(default_factory=dict)
    """Fields of `TransformerConfig` for the attention layers; positions are "nope" unless said otherwise, since what
    stands between them knows the order."""
    mamba: dict[str, Any] = field(default_factory=dict)
    """Fields of `MambaConfig` for the Mamba layers."""
    mamba2: dict[str, Any] = field(default_factory=dict)
    lstm: dict[str, Any] = field(default_factory=dict)
    normalization: str | None = "RMS"
    norm_eps: float = 1e-5
    tied: bool = True
    embedding_std: float = 0.02

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise UserError('layers names at least one layer, e.g. ("mamba", "attention").')
        check_shape(self, "d_model", "d_vocab")
        for kind in dict.fromkeys(self.layers):
            self.part(kind)

    @property
    def n_layers(self) -> int:
        return len(self.layers)

    def part(self, kind: str) -> Any:
        """The config of the layers of one kind."""
        if kind not in PARTS:
            raise unknown("kind of layer", kind, PARTS)
        config_class, _ = PARTS[kind]
        shared = {name: getattr(self, name) for name in ("n_layers", "d_model", "d_vocab", "normalization")}
        options = {"position": "nope"} if kind == "attention" else {"norm_eps": self.norm_eps}
        options |= getattr(self, kind)
        for name in options:
            if name in shared or name not in config_class.__dataclass_fields__:
                raise unknown(f"option of a {kind} layer", name, set(config_class.__dataclass_fields__) - set(shared))
        return config_class(**shared, **options)


class HookedHybrid(RecurrentModel):
    """A language model of attention and recurrent layers, opened by the hook points of each.

    Args:
        config: its shape.
        seed: of the initial weights.
    """

    kind = "hybrid"
    config: HybridConfig

    def __init__(self, config: HybridConfig, seed: int = 0) -> None:
        blocks: list[nn.Module] = [PARTS[kind][1](config.part(kind)) for kind in config.layers]
        attention = config.part("attention") if "attention" in config.layers else None
        super().__init__(config, blocks, attention, seed)
