"""`open`: a language model that is already in memory, as every study takes it (`interp.open`)."""

from typing import Any, cast

from torch import nn
from transformer_lens.model_bridge import TransformerBridge

from interp.base.seeds import check_seed
from interp.loading import Loaded, of_pretrained


def open(model: object, tokenizer: Any = None, *, name: str = "", seed: int = 0) -> Loaded:
    """Open a language model that is in memory, and ask it for copies of random strings of its own tokens.

    What is measured is a copy in float32, whatever the model's own precision, and the model stays as it is; a
    `TransformerBridge` and a model of this package are taken as they are. `description` says what was tried of its
    attention, and what cannot be measured (`interp.models.pretrained.checks`).

    >>> import transformers
    >>> config = transformers.GPT2Config(vocab_size=60, n_embd=8, n_layer=2, n_head=2, bos_token_id=59, eos_token_id=58)
    >>> loaded = interp.open(transformers.GPT2LMHeadModel(config))
    >>> loaded.description["rows_sum_to_one"], loaded.description["edits_act"]
    (True, True)

    Args:
        model: a causal language model of transformers, an nnsight `LanguageModel`, a `TransformerBridge`, or a model of
            this package, which needs its tokenizer.
        tokenizer: its tokenizer, for text; None: the one that nnsight or the bridge has, else none.
        name: what it is called on pages; empty: its class.
        seed: of the tokens that serve as letters.

    Raises: UserError for any other object, and for an architecture that cannot be opened.
    """
    from interp.models.pretrained.checks import what_holds
    from interp.models.pretrained.memory import open_in_memory

    check_seed(seed)
    opened, known = open_in_memory(model, tokenizer)
    cast(nn.Module, opened).eval()
    holds = what_holds(opened) if isinstance(opened, TransformerBridge) else {}
    return of_pretrained(opened, known, name or f"a {type(model).__name__} in memory", seed, **holds)
