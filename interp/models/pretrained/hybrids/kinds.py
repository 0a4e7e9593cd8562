"""Kinds of models of transformers that are read into our own hybrids, by their `model_type`."""

from interp.models.pretrained.hybrids import falcon, jamba, kimi, olmo, qwen, ssd, xlstm
from interp.models.pretrained.hybrids.kind import Kind

KINDS: dict[str, Kind] = {
    "bamba": ssd.BAMBA,
    "falcon_h1": falcon.FALCON_H1,
    "jamba": jamba.JAMBA,
    "kimi_linear": kimi.KIMI_LINEAR,
    "nemotron_h": ssd.NEMOTRON_H,
    "olmo_hybrid": olmo.OLMO_HYBRID,
    "qwen3_5": qwen.QWEN3_5,
    "qwen3_5_moe": qwen.QWEN3_5_MOE,
    "qwen3_5_moe_text": qwen.QWEN3_5_MOE,
    "qwen3_5_text": qwen.QWEN3_5,
    "qwen3_next": qwen.QWEN3_NEXT,
    "xlstm": xlstm.XLSTM,
}
