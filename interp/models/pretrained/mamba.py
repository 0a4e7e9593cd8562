"""Pretrained Mamba models: the checkpoints of Hugging Face and of state-spaces/mamba, read straight into ours.

Read the config, make the model without weights, read the tensors, hold them to what the model asks for, and put them in
its place. Both layouts name the tensors alike except for the embedding; each tensor of theirs is one or more of ours,
row upon row, since their maps are [out in] and ours [in out].
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.paths import expanded
from interp.models.checkpoint import set_weights, warn_if_not_finite
from interp.models.pretrained.bridge import Pretrained
from interp.models.pretrained.hub import read_tensors, read_tokenizer
from interp.models.pretrained.mamba_configs import Saved, layout, read_saved
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig
from interp.models.recurrent.mamba2.model import HookedMamba2

Entry = tuple[str, str]
"""Tensors of ours that the rows of one of theirs are split into, and the axes of theirs."""
Table = dict[str, tuple[list[str], str]]
"""A tensor of theirs -> its entry. Where two have the same of ours, it is their sum."""

MAMBA: dict[str, Entry] = {
    "norm.weight": ("norm.w", "d_model"),
    "norm.bias": ("norm.b", "d_model"),
    "mixer.A_log": ("mixer.A_log", "channel state"),
    "mixer.D": ("mixer.D", "channel"),
    "mixer.conv1d.weight": ("mixer.W_conv", "channel 1 width"),
    "mixer.conv1d.bias": ("mixer.b_conv", "channel"),
    "mixer.dt_proj.weight": ("mixer.W_dt", "channel rank"),
    "mixer.dt_proj.bias": ("mixer.b_dt", "channel"),
    "mixer.x_proj.weight": ("mixer.W_dt_down mixer.W_B mixer.W_C", "rank+state channel"),
    "mixer.in_proj.weight": ("mixer.W_in mixer.W_gate", "channel d_model"),
    "mixer.in_proj.bias": ("mixer.b_in mixer.b_gate", "channel"),
    "mixer.out_proj.weight": ("mixer.W_out", "d_model channel"),
    "mixer.out_proj.bias": ("mixer.b_out", "d_model"),
}
MAMBA2: dict[str, Entry] = {
    "norm.weight": ("norm.w", "d_model"),
    "norm.bias": ("norm.b", "d_model"),
    "mixer.norm.weight": ("mixer.norm.w", "channel"),
    "mixer.A_log": ("mixer.A_log", "head"),
    "mixer.D": ("mixer.D", "head"),
    "mixer.dt_bias": ("mixer.b_dt", "head"),
    "mixer.conv1d.weight": ("mixer.W_conv", "channel+group 1 width"),
    "mixer.conv1d.bias": ("mixer.b_conv", "channel+group"),
    "mixer.in_proj.weight": (
        "mixer.W_gate mixer.W_x mixer.W_B mixer.W_C mixer.W_dt",
        "channel+group+head d_model",
    ),
    "mixer.in_proj.bias": ("mixer.b_gate mixer.b_x mixer.b_B mixer.b_C mixer.b_dt", "channel+group+head"),
    "mixer.out_proj.weight": ("mixer.W_out", "d_model channel"),
    "mixer.out_proj.bias": ("mixer.b_out", "d_model"),
}


def load_mamba(path_or_name: str | Path, device: torch.device | str = "cpu") -> HookedMamba | HookedMamba2:
    """A pretrained Mamba or Mamba-2 language model, in float32.

    Args:
        path_or_name: a folder or a name on the Hugging Face hub, of a `MambaForCausalLM`, `FalconMambaForCausalLM`
            or `Mamba2ForCausalLM` of transformers, or of the authors' own layout (state-spaces/mamba).
        device: where it goes.

    Raises:
        UserError: if there is no such model, it is of another kind or has options that ours do not have, or config and
            weights do not belong together.
        InterpError: if the hub cannot be reached, or the files are damaged.
    """
    return open_mamba(path_or_name, device)[0]


def holds_mamba(path_or_name: str | Path) -> bool:
    """Whether the config of a saved model is that of a Mamba, in one of the layouts that `load_mamba` reads.

    Raises: as `load_mamba`, for a model that is not there.
    """
    return layout(str(expanded(path_or_name, "a model after hf:"))) is not None


def open_mamba(
    path_or_name: str | Path, device: torch.device | str = "cpu"
) -> tuple[HookedMamba | HookedMamba2, Pretrained]:
    """Open a Mamba as `load_mamba` does, with what is known about its tokens."""
    name = str(expanded(path_or_name, "a model after hf:"))
    saved = read_saved(name)
    with torch.device("meta"):
        shape = saved.shape
        model = HookedMamba(shape) if isinstance(shape, MambaConfig) else HookedMamba2(shape)
    set_weights(model, _weights(model, saved, name))
    return model.to(device).eval(), Pretrained(name, saved.d_text, saved.special, read_tokenizer(name))


@checked_call
def as_transformers(model: HookedMamba, **options: Any) -> Any:
    """Turn a Mamba of ours into one of transformers with the same weights, the inverse of `load_mamba`.

    >>> as_transformers(HookedMamba(MambaConfig(d_vocab=40)), bos_token_id=0).save_pretrained("mine")  # doctest: +SKIP

    Args:
        model: a Mamba.
        options: further fields of the `transformers.MambaConfig`, such as its special tokens.

    Returns: a `transformers.MambaForCausalLM`.

    Raises: UserError for a model of a form that `MambaForCausalLM` lacks.
    """
    import transformers

    ours, config = model.state_dict(), model.config
    expand, rest = divmod(config.channels, config.d_model)
    if config.inner_eps is not None or config.normalization != "RMS" or rest:
        raise UserError(
            "model must be a Mamba as transformers has it, with RMS norms before its layers, none within, and channels "
            f"a multiple of d_model; got normalization {config.normalization!r}, inner_eps {config.inner_eps} and "
            f"{config.channels} channels. Keep it in a run folder."
        )
    if not config.tied and bool(ours["unembed.b_U"].count_nonzero()):
        raise UserError(
            "unembed.b_U must be 0, as the unembedding of a MambaForCausalLM has no bias; got other values. Keep the "
            "model in a run folder."
        )
    theirs = transformers.MambaConfig(
        vocab_size=config.d_vocab,
        hidden_size=config.d_model,
        num_hidden_layers=config.n_layers,
        state_size=config.d_state,
        conv_kernel=config.d_conv,
        expand=expand,
        time_step_rank=config.rank,
        use_bias=config.bias,
        use_conv_bias=config.conv_bias,
        layer_norm_epsilon=config.norm_eps,
        tie_word_embeddings=config.tied,
        **options,
    )
    made: Any = transformers.MambaForCausalLM(theirs)
    table = _table(model, "backbone.embeddings.weight", ours)
    weights = {there: torch.cat([_turned(own, ours[own]) for own in names]) for there, (names, _) in table.items()}
    if config.tied:
        weights["lm_head.weight"] = weights["backbone.embeddings.weight"]
    made.load_state_dict(weights)
    return made.eval()


# ---------------------------------------------------------------------- from their names to ours


def _weights(model: HookedMamba | HookedMamba2, saved: Saved, name: str) -> dict[str, Tensor]:
    """A model's tensors out of a checkpoint's.

    Raises: UserError for tensors that lack, are left over, or have another shape than the config says.
    """
    path, tensors = read_tensors(name)
    warn_if_not_finite(tensors, path)
    ours: dict[str, Tensor] = {**model.state_dict()}
    table = _table(model, saved.embedding, ours)
    if model.config.tied:
        _drop_tied(tensors, saved.embedding, path)
    _check(tensors, table, ours, saved, path)
    weights = {"unembed.b_U": torch.zeros(ours["unembed.b_U"].shape)} if "unembed.b_U" in ours else {}
    for theirs, (names, _) in table.items():
        whole = tensors.pop(theirs).float()  # popped, so that it is not held twice
        parts = whole.split([len(_turned(own, ours[own])) for own in names])
        for own, part in zip(names, parts, strict=True):
            value = _turned(own, part).clone(memory_format=torch.contiguous_format)
            weights[own] = weights[own] + value if own in weights else value
    return weights


def _table(model: HookedMamba | HookedMamba2, embedding: str, ours: Mapping[str, Any]) -> Table:
    """Every tensor that the checkpoint of such a model has; biases and unembedding where the model has them."""
    table: dict[str, Entry] = {embedding: ("embed.W_E", "vocab d_model")}
    of_layer = MAMBA if isinstance(model, HookedMamba) else MAMBA2
    for layer in range(len(model.blocks)):
        here, there = f"blocks.{layer}.", f"backbone.layers.{layer}."
        for theirs, (names, axes) in of_layer.items():
            table[there + theirs] = " ".join(here + own for own in names.split()), axes
    table["backbone.norm_f.weight"] = "ln_final.w", "d_model"
    table["backbone.norm_f.bias"] = "ln_final.b", "d_model"
    table["lm_head.weight"] = "unembed.W_U", "vocab d_model"
    split = {theirs: (names.split(), axes) for theirs, (names, axes) in table.items()}
    return {theirs: (names, axes) for theirs, (names, axes) in split.items() if names[0] in ours}


def _turned(own: str, tensor: Tensor) -> Tensor:
    """Turn our axes into theirs, and back: it is its own inverse."""
    leaf = own.rsplit(".", 1)[-1]
    if leaf == "W_conv":  # [channel width], theirs [channel 1 width]
        return tensor[:, None] if tensor.ndim == 2 else tensor[:, 0]
    return tensor.T if leaf.startswith("W_") and leaf != "W_E" else tensor


def _drop_tied(tensors: dict[str, Tensor], embedding: str, path: Path) -> None:
    """A tied model is sometimes saved with its unembedding: the embedding once more."""
    head = tensors.pop("lm_head.weight", None)
    if head is not None and embedding in tensors and not torch.equal(head, tensors[embedding]):
        raise UserError(f"lm_head.weight in {path} must equal {embedding}, as the config ties them; got other values.")


def _check(tensors: Mapping[str, Tensor], table: Table, ours: Mapping[str, Tensor], saved: Saved, path: Path) -> None:
    if missing := [theirs for theirs in table if theirs not in tensors]:
        raise UserError(f"the weights in {path} must be those of the config; got none for {', '.join(missing[:6])}.")
    if surplus := sorted(set(tensors) - set(table)):
        raise UserError(
            f"the weights in {path} must be those of the config; got {', '.join(surplus[:6])}, which it does "
            "not ask for."
        )
    settled: set[str] = set()  # axes that a tensor has borne out: none of them is to blame for a later one
    for theirs, (names, axes) in table.items():
        wanted, found = torch.cat([_turned(own, ours[own]) for own in names]).shape, tensors[theirs].shape
        if found != wanted:
            odd = [axis for axis, here, there in zip(axes.split(), found, wanted, strict=False) if here != there]
            parts = {*odd[0].split("+")} - settled if odd else {}
            blamed = [name for axis, name in saved.fields.items() if axis in parts]
            look = f" Check its {' or '.join(blamed)}." if blamed else ""
            raise UserError(
                f"{theirs} in {path} must have the shape {list(wanted)} that the config asks for; got "
                f"{list(found)}.{look}"
            )
        settled |= set(axes.split())
