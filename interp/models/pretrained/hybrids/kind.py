"""`Kind`: what is known of one kind of model of transformers, and how the fields of its config are held to that."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

from interp.base.errors import UserError, shown
from interp.models.pretrained.hybrids.tensors import Tensors
from interp.models.recurrent.hybrid import HybridConfig


def words(text: str) -> frozenset[str]:
    """Names of fields, apart by blanks."""
    return frozenset(text.split())


IDLE = words(
    "architectures attention_dropout auto_map bos_token_id chunk_size_feed_forward dtype eos_token_id "
    "hidden_dropout id2label is_encoder_decoder label2id max_position_embeddings model_type "
    "output_attentions output_hidden_states output_router_logits pad_token_id problem_type return_dict "
    "transformers_version use_cache _name_or_path num_logits_to_keep router_aux_loss_coef"
)
"""Fields that change nothing of what any model here computes: those of its training, its output and its bookkeeping."""
ACTIVATIONS = {
    **dict.fromkeys(("silu", "swish"), "silu"),
    **dict.fromkeys(("gelu_new", "gelu_pytorch_tanh"), "gelu_new"),
    **{name: name for name in ("gelu", "relu", "relu2")},
}
"""Activation in their words -> ours."""


@dataclass(frozen=True)
class Kind:
    """How one kind of model is read."""

    shape: Callable[[Any], HybridConfig]
    """Makes our config of theirs. Raises: UserError for options that ours do not have."""
    weights: Callable[[Any, Tensors], Mapping[str, Tensor]]
    """Takes their tensors, and makes ours of them, by their names."""
    reads: frozenset[str]
    """Fields of the config that the two functions read, or that change nothing."""
    passed_over: tuple[str, ...] = field(default=())
    """Tensors of the checkpoint, by how their names begin, that are of no layer here: of vision, of further tokens."""
    unread: frozenset[str] = field(default=frozenset())
    """Fields that change nothing, of which checkpoints have values that transformers refuses or warns of."""


def check_fields(config: Any, reads: frozenset[str]) -> None:
    """Raises: UserError for a field that is neither read nor has its default, or nothing in it."""
    default = type(config)().to_dict()
    for name, value in config.to_dict().items():
        if name in reads | IDLE or (value in (None, [], {}) and name not in default):
            continue
        if name not in default or value != default[name]:
            want = f"left at {shown(default[name])}" if name in default else "left out"
            raise UserError(f"{name} must be {want}, as models of this kind are read here; got {shown(value)}")


def require(config: Any, name: str, *allowed: Any) -> None:
    """Raises: UserError for a field that has none of these values; one that is not there has any."""
    if (value := getattr(config, name, allowed[0])) not in allowed:
        want = " or ".join(map(str, allowed))
        raise UserError(f"{name} must be {want}, as models of this kind are read here; got {shown(value)}")


def activation(config: Any, name: str) -> str:
    """Our name of an activation. Raises: UserError for one that ours do not have."""
    require(config, name, *ACTIVATIONS)
    return ACTIVATIONS[getattr(config, name)]


def hybrid_config(
    config: Any, layers: tuple[str, ...], parts: Mapping[str, Mapping[str, Any]], eps: float, **more: Any
) -> HybridConfig:
    """Our config, with the fields that every kind has by the same names.

    Args:
        config: theirs.
        layers: kinds of ours, first to last.
        parts: kind of layer -> its options; of kinds that no layer has they are left out.
        eps: of the norms.
        more: further fields of ours.

    Raises: UserError as `HybridConfig`.
    """
    return HybridConfig(
        layers=layers,
        d_model=config.hidden_size,
        d_vocab=config.vocab_size,
        norm_eps=eps,
        tied=config.tie_word_embeddings,
        embedding_std=config.initializer_range,
        options={kind: dict(parts[kind]) for kind in dict.fromkeys(layers)},
        **more,
    )
