"""The names that TransformerLens's bridge has inside the mixers of a model, asked of ours."""

from pathlib import Path
from typing import Any

import torch
from transformer_lens.model_bridge.sources import build_bridge_from_module

from interp.base.errors import UserError
from interp.models.pretrained.mamba import load_mamba


def asked_by_bridge_names(theirs: Any, folder: Path) -> tuple[set[str], dict[str, str]]:
    """Write a Hugging Face model to a folder, open it here and by the bridge, and ask ours for every name inside the
    last of two mixers; what is served must hold what the bridge has there.

    Returns: the names that are served, and the message of each that is refused though the bridge has something there.
    """
    theirs.save_pretrained(folder)
    bridge = build_bridge_from_module(theirs, architecture=type(theirs).__name__, hf_config=theirs.config)
    model, tokens = load_mamba(folder), torch.randint(0, 11, (2, 9), generator=torch.Generator().manual_seed(1))
    for block in bridge.blocks:
        block.mixer.eager_scan = True
    with torch.no_grad():
        _, expected = bridge.run_with_cache(tokens, use_cache=False)
    names = {name.removeprefix("blocks.1.") for name in (*bridge.hook_dict, *expected) if ".1.mixer." in name}
    names -= {"mixer.hook_conv"}  # of both, and known to differ
    served, refused = set(), {}
    for name in sorted(names):
        key = f"blocks.1.{name}"
        try:
            _, cache = model.run_with_cache(tokens, names_filter=key)
        except UserError as error:
            assert expected[key].any(), name
            refused[name] = str(error)
        else:
            torch.testing.assert_close(cache[key], expected[key], atol=1e-5, rtol=1e-5)
            served.add(name)
    return served, refused
