"""Recurrent models and hybrids of transformers that cannot be opened here, and what each has that ours lacks."""

from interp.base.errors import UserError

LACKING = {
    "lfm2": "gated short convolutions for its recurrent layers",
    "recurrent_gemma": "RG-LRU layers, and attention in a window",
    "rwkv": "the recurrence of RWKV-4 and channel mixing; the family here is RWKV-7",
    "zamba": "attention over stream and embedding that Mamba layers share, and that they alone read",
    "zamba2": "attention over stream and embedding that Mamba-2 layers share, and that they alone read",
}
"""Kind (model_type) -> what it has."""


def refuse_recurrent(kind: str, name: str) -> None:
    """Do nothing for any other kind of model.

    Args:
        kind: of the model, as its config calls it.
        name: of the model.

    Raises: UserError for one of these kinds, with what is missing.
    """
    if kind in LACKING:
        raise UserError(
            f"{name} must be a model whose every layer can be opened; got one of the kind {kind}, which has "
            f"{LACKING[kind]}. Choose a decoder such as GPT-2 or Llama, a Mamba, or a hybrid such as Bamba or Qwen3.5."
        )
