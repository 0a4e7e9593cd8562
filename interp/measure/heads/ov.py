"""The OV circuit: does a head raise the logit of the letter that it attends to?"""

import torch
from einops import einsum
from jaxtyping import Bool
from torch import Tensor

from interp.measure.attention.rows import blocks
from interp.models.heads import HeadTable
from interp.models.stack.layers import LayerNorm
from interp.models.stack.model import StackModel
from interp.tasks.probes.planted_repeats import Probe
from interp.tasks.vocabulary import Vocabulary


@torch.no_grad()
def copies_letter(model: StackModel, vocabulary: Vocabulary, probe: Probe) -> Bool[Tensor, "head example"]:
    """Say whether, attending to the source alone, a head raises the source letter's logit above every other letter's.

    The value of the source position is taken as it is in the run, sent through W_O, the final norm (a LayerNorm
    centres; the scale divides all logits alike) and W_U: the direct path, which misses what later blocks make of it.
    Heads are those of the attention layers, in order.
    """
    return torch.cat(
        [_block(model, vocabulary, probe.rows(block)) for block in blocks(model, probe.batch.tokens)], dim=1
    )


def _block(model: StackModel, vocabulary: Vocabulary, probe: Probe) -> Bool[Tensor, "head example"]:
    layers = sorted({head.layer for head in HeadTable.of(model).of_kind("attention")})
    names = [f"blocks.{layer}.attn.hook_v" for layer in layers]
    _, cache = model.run_with_cache(probe.batch.tokens, return_type=None, names_filter=names)
    letters = vocabulary.ids(torch.arange(vocabulary.n_letters, device=probe.query.device))
    wanted = probe.batch.tokens.take_along_dim(probe.source[:, None], 1)
    scale, risen = getattr(model.ln_final, "w", None), []
    for layer, name in zip(layers, names, strict=True):
        value = cache[name].take_along_dim(probe.source[:, None, None, None], 1)[:, 0]
        written = einsum(value, model.blocks[layer].attn.W_O, "b h d, h d m -> b h m")
        if isinstance(model.ln_final, LayerNorm):
            written = written - written.mean(dim=-1, keepdim=True)
        logits = (written if scale is None else written * scale) @ model.W_U[:, letters]
        strict = logits.amax(dim=-1) > logits.amin(dim=-1)  # a head that writes nothing raises nothing
        risen.append((letters[logits.argmax(dim=-1)] == wanted) & strict)
    return torch.cat(risen, dim=1).T
