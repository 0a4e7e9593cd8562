"""What a training step takes: of each preset's model, beside this machine's CPU, plain SDPA and Hugging Face."""

import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import nn

from interp.models import build
from interp.models.recurrent.mamba.model import HookedMamba
from interp.models.transformer import HookedTransformer
from interp.training.presets import PRESETS, preset
from on_gpu import Row, milliseconds, peak_gib, row, strings, training_step

sys.path.insert(0, str(Path(__file__).parents[1]))

BATCH = 64


def rows(device: str, quick: bool) -> Iterator[Row]:
    length = 16 if quick else 128
    for kind in list(PRESETS)[: 2 if quick else None]:
        yield row(f"{kind}, {BATCH} strings of {length}", preset_step, kind, length, device)
    for name, others in (("plain SDPA", plain_sdpa), ("Hugging Face's Mamba", hugging_face)):
        yield row(f"{name} and ours, {BATCH} strings of {length}", others, length, device)


def preset_step(kind: str, length: int, device: str) -> Row:
    """Milliseconds of a step here, in bf16, and on the CPU."""
    config, _, _ = preset(kind)
    found: Row = {}
    for name, where, bf16 in (("ms", device, False), ("bf16_ms", device, True), ("cpu_ms", "cpu", False)):
        model = build(config, seed=0).to(where)
        found[name] = milliseconds(training_step(model, strings(26, BATCH, length, where), bf16))
    return found | {"times_cpu": found["cpu_ms"] / found["ms"], "gib": peak_gib(device)}


def plain_sdpa(length: int, device: str) -> Row:
    """A transformer in PyTorch's own words, with the same weights."""
    from transformer import CONFIG, PlainTransformer

    ours = HookedTransformer(CONFIG, seed=0)
    return beside(ours, PlainTransformer(ours, length), CONFIG.d_vocab, length, device)


def hugging_face(length: int, device: str) -> Row:
    """Hugging Face's Mamba with the same weights; with its kernels where they are installed."""
    from mamba import CONFIG, huggingface

    ours = HookedMamba(CONFIG, seed=0)
    return beside(ours, huggingface(ours, use_mambapy=False).train(), CONFIG.d_vocab, length, device)


def beside(ours: nn.Module, theirs: nn.Module, d_vocab: int, length: int, device: str) -> Row:
    """Milliseconds of both, whose logits agree."""
    tokens = strings(d_vocab, BATCH, length, device)
    ours, theirs = ours.to(device), theirs.to(device)
    out = theirs(tokens)
    torch.testing.assert_close(ours(tokens), out if isinstance(out, torch.Tensor) else out.logits, atol=1e-3, rtol=1e-3)
    own, other = (milliseconds(training_step(model, tokens)) for model in (ours, theirs))
    return {"ms": own, "theirs_ms": other, "times_ours": other / own}
