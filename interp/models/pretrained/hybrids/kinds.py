"""Kinds of models of transformers that are read into our own hybrids, by their `model_type`."""

from interp.models.pretrained.hybrids import delta, ssd
from interp.models.pretrained.hybrids.kind import Kind

KINDS: dict[str, Kind] = {
    "bamba": ssd.BAMBA,
    "nemotron_h": ssd.NEMOTRON_H,
    "olmo_hybrid": delta.OLMO_HYBRID,
    "qwen3_5": delta.QWEN3_5,
    "qwen3_5_text": delta.QWEN3_5,
}
