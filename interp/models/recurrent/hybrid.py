"""`HookedHybrid`: any sequence of attention and recurrent layers, as in "one attention layer in a Mamba"."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any

from torch import nn

from interp.base.codec import checked, without_defaults
from interp.base.errors import UserError, shown, unknown
from interp.models.recurrent.config import RecurrentConfig
from interp.models.recurrent.family import family, kinds
from interp.models.recurrent.model import RecurrentModel
from interp.models.stack.block import Block
from interp.models.stack.checks import require_choice, require_counts, require_size
from interp.models.stack.config import TransformerConfig
from interp.models.stack.experts import ROUTERS, Experts
from interp.models.stack.layers import ACTIVATIONS, make_mlp, make_norm

ATTENTION = "attention"
"""Kind of a layer that is not recurrent."""
SHARED = ("n_layers", "d_model", "d_vocab", "normalization")
"""Fields that the configs of all layers take from the hybrid's."""
LATER = (
    *("d_mlp", "activation", "gated_mlp", "n_experts", "n_chosen", "d_shared", "renormalized", "logit_cap", "beside"),
    *("router", "shared_gate", "d_latent"),
)
"""Fields that are left out of a config's dict where they have their default, so that older recipes keep their name."""


def with_options(cls: type["HybridConfig"]) -> type["HybridConfig"]:
    """Let the options of a kind of layer be given by its name: `HybridConfig(mamba={"d_state": 4})`."""
    plain: Callable[..., None] = cls.__init__

    @wraps(plain)
    def init(self: Any, *args: Any, options: Mapping[str, Any] | None = None, **fields: Any) -> None:
        own = {name: fields.pop(name) for name in list(fields) if name in layer_kinds()}
        for name in fields:
            if name not in cls.__dataclass_fields__:
                raise unknown(f"field of {cls.__name__}", name, [*cls.__dataclass_fields__, *layer_kinds()])
        plain(self, *args, options={**(options or {}), **own}, **fields)

    cls.__init__ = init
    return cls


@with_options
@checked
@dataclass(frozen=True)
class HybridConfig:
    """Config of a `HookedHybrid`.

    >>> HybridConfig(layers=("mamba", "attention"), mamba={"d_conv": 6}, attention={"n_heads": 4})

    The layers of each kind have the fields of that kind's config, by its name: `attention` those of `TransformerConfig`
    (positions are "nope" unless said otherwise, since what stands between them knows the order), any recurrent family
    those of its own.

    Raises: UserError for a layer of no known kind, or an option that this kind does not have.
    """

    layers: tuple[str, ...] = ("mamba", "attention")
    """Kinds of the layers, first to last: attention, or any recurrent family."""
    d_model: int = 64
    d_vocab: int = 30
    normalization: str | None = "RMS"
    """Norm before each part of a layer (of attention layers with `norm_after`, after it), and before the unembedding:
    one of `layers.NORMS`."""
    norm_eps: float = 1e-5
    tied: bool = True
    embedding_std: float = 0.02
    d_mlp: int | tuple[int, ...] = 0
    """Hidden width of the MLP behind attention or recurrence, in every layer or in each; 0: none. For attention layers
    their own option of this name overrides it, as for the two that follow."""
    activation: str = "gelu"
    """One of `layers.ACTIVATIONS`."""
    gated_mlp: bool = False
    """Whether the MLP's activations are multiplied by a second map of its input (`layers.GatedMLP`)."""
    n_experts: int | tuple[int, ...] = 0
    """Experts in the place of the MLP (`experts.Experts`), in every layer or in each; 0: a plain MLP. `d_mlp` is the
    width of each."""
    n_chosen: int = 2
    """Experts that each position is given to."""
    d_shared: int = 0
    """Hidden width of one more expert that all positions are given to; 0: none."""
    renormalized: bool = False
    """Whether the weights of the chosen experts sum to 1."""
    router: str = "softmax"
    """How experts are chosen and weighed: one of `experts.ROUTERS`."""
    shared_gate: bool = True
    """Whether that one more expert has a gate."""
    d_latent: int = 0
    """Width of what the experts read and write, between maps from and to the stream; 0: they read the stream."""
    logit_cap: float | None = None
    """Bound c of logits, which become c tanh(z / c); None: no bound."""
    beside: tuple[int, ...] = ()
    """Recurrent layers that read the stream as the attention layer before them read it, not with what that wrote:
    x + attention(norm(x)) + recurrence(norm(x)), then, if there is one, the MLP of the recurrent layer (heads of both
    kinds side by side, as in Hymba and Falcon-H1; the attention layer has no MLP)."""
    options: dict[str, Any] = field(default_factory=dict)
    """Kind of layer -> fields of its config."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "layers", tuple(self.layers))
        if not self.layers:
            raise UserError('layers must name at least one layer, as ("mamba", "attention") does; got none.')
        RecurrentConfig(**{name: getattr(self, name) for name in RecurrentConfig.__dataclass_fields__})
        require_choice("activation", self.activation, tuple(ACTIVATIONS))
        for name in ("d_mlp", "n_experts"):
            sizes = self._by_layer(name)
            if len(sizes) != self.n_layers:
                raise UserError(
                    f"{name} must be one number, or one for each of {self.n_layers} layers; got {len(sizes)}."
                )
            for size in sizes:
                require_size(name, size, least=0)
        require_counts(self, "d_shared", "d_latent", least=0)
        require_choice("router", self.router, ROUTERS)
        if self.logit_cap is not None and not 0 < self.logit_cap < float("inf"):
            raise UserError(f"logit_cap must be a positive number, or None for no bound; got {self.logit_cap}.")
        for layer, experts in enumerate(self._by_layer("n_experts")):
            if experts and not 1 <= self.n_chosen <= experts:
                raise UserError(f"n_chosen must be from 1 to the {experts} experts of a layer; got {self.n_chosen}.")
            if experts and not self.mlp_in(layer):
                raise UserError("d_mlp must be given with n_experts, as the hidden width of each; got none.")
        for kind in dict.fromkeys((*self.layers, *self.options)):
            self.part(kind)
        for layer in self.beside:
            self._check_beside(layer)

    def _check_beside(self, layer: int) -> None:
        known = 1 <= layer < self.n_layers and self.layers[layer] != ATTENTION == self.layers[layer - 1]
        if not known or self.mlp_in(layer - 1):
            raise UserError(
                "beside must hold numbers of recurrent layers, each behind an attention layer without an MLP; got "
                f"{layer}."
            )

    @property
    def n_layers(self) -> int:
        """Number of layers."""
        return len(self.layers)

    def mlp_in(self, layer: int) -> int:
        """Hidden width of a layer's MLP; 0: none."""
        if self.layers[layer] == ATTENTION and "d_mlp" in self.options.get(ATTENTION, {}):
            return self.part(ATTENTION).d_mlp
        return self._by_layer("d_mlp")[layer]

    def mlp_owner(self, layer: int) -> Any:
        """The config whose `activation` and `gated_mlp` a layer's MLP has: attention layers may have their own."""
        return self.part(ATTENTION) if self.layers[layer] == ATTENTION else self

    def experts_in(self, layer: int) -> int:
        """Experts of a layer; 0: it has a plain MLP, or none."""
        return self._by_layer("n_experts")[layer]

    def _by_layer(self, name: str) -> tuple[int, ...]:
        value = getattr(self, name)
        return value if isinstance(value, tuple) else (value,) * self.n_layers

    def __getattr__(self, name: str) -> dict[str, Any]:
        """The options of a kind of layer by its name: `config.mamba`."""
        if name.startswith("__") or name == "options" or name not in layer_kinds():
            raise AttributeError(f"{type(self).__name__} has no attribute {name!r}.")
        return self.options.get(name, {})

    def part(self, kind: str) -> Any:
        """The config of the layers of one kind.

        Raises: UserError for an unknown kind, or an option that it does not have.
        """
        if kind not in layer_kinds():
            raise unknown("kind of layer", kind, layer_kinds())
        config_class: Any = TransformerConfig if kind == ATTENTION else family(kind).config
        options: dict[str, Any] = {"norm_eps": self.norm_eps}
        if kind == ATTENTION:
            options |= {"position": "nope", "activation": self.activation, "gated_mlp": self.gated_mlp}
        given = self.options.get(kind, {})
        if not isinstance(given, Mapping):
            raise UserError(f"{kind} must be a dict of fields of {config_class.__name__}; got {shown(given)}.")
        known = [each.name for each in dataclasses.fields(config_class) if each.name not in SHARED]
        for name in given:
            if name not in known:
                raise unknown(f"option of {kind} layers", str(name), known)
        return config_class(**{name: getattr(self, name) for name in SHARED}, **options | dict(given))

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> "HybridConfig":
        """The inverse of `to_dict`. Raises: as the class."""
        return cls(**fields)

    def to_dict(self) -> dict[str, Any]:
        """The config as it is written down: the options of each kind of layer under its name."""
        fields = without_defaults(self, dataclasses.asdict(self), LATER)
        return fields | fields.pop("options")


class HookedHybrid(RecurrentModel):
    """A language model of attention and recurrent layers, opened by the hook points of each.

    >>> model = HookedHybrid(HybridConfig(layers=("mamba", "attention"), attention={"n_heads": 4}), seed=0)

    Args:
        config: a `HybridConfig`.
        seed: seed of the first weights.
    """

    kind = "hybrid"
    config_class = HybridConfig
    config: HybridConfig

    def __init__(self, config: HybridConfig, seed: int = 0) -> None:
        parts = {kind: config.part(kind) for kind in dict.fromkeys(config.layers)}
        blocks = [_block(config, parts[kind], layer) for layer, kind in enumerate(config.layers)]
        super().__init__(config, blocks, parts.get(ATTENTION), seed, config.logit_cap)

    def config_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, **self.config.to_dict()}


def _block(config: HybridConfig, part: Any, layer: int) -> nn.Module:
    kind = config.layers[layer]
    mlp = _mlp(config, layer)
    if kind == ATTENTION:
        block = Block(part, layer, mlp)
        block.shows = layer + 1 in config.beside
        return block
    block = family(kind).block(part, alone=False)
    block.beside = layer in config.beside
    if mlp is not None:
        block.add_mlp(mlp, make_norm(config.normalization, config.d_model, config.norm_eps))
    return block


def _mlp(config: HybridConfig, layer: int) -> nn.Module | None:
    """The MLP or the experts of a layer."""
    own, width, experts = config.mlp_owner(layer), config.mlp_in(layer), config.experts_in(layer)
    if not experts:
        return make_mlp(config.d_model, width, own.activation, own.gated_mlp)
    sizes = config.d_model, experts, config.n_chosen, width
    rest = {"gated": own.gated_mlp, "router": config.router, "shared_gate": config.shared_gate}
    return Experts(*sizes, own.activation, config.renormalized, config.d_shared, latent=config.d_latent, **rest)


def layer_kinds() -> tuple[str, ...]:
    """Kinds of layers that a hybrid can have."""
    return (ATTENTION, *kinds())
