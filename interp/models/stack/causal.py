"""Causal attention of the last positions of long strings, without a mask: for the CPU, and without gradients.

PyTorch's kernel knows the causal mask by itself only where queries and keys are equally many. Where the last positions
alone look, the mask would have to be written out, and costs more time than attention itself. Here each block of queries
looks at everything before it without a mask, then at itself with the kernel's own; the two are joined by how much
weight each has.
"""

import torch
from jaxtyping import Float
from torch import Tensor

QUERIES_AT_ONCE = 2048
"""Queries of a block: more of them share each reading of the keys, but more of their own keys are hidden."""
_KERNEL = getattr(torch.ops.aten, "_scaled_dot_product_flash_attention_for_cpu", None)
"""What `scaled_dot_product_attention` runs on a CPU; it also returns the log-sum of the scores' exponentials."""

Heads = Float[Tensor, "batch pos head d_head"]
Queries = Float[Tensor, "batch query head d_head"]


def attends_without_mask(q: Queries, k: Heads, v: Float[Tensor, "batch pos head d_value"]) -> bool:
    """Whether `causal_attention` takes them: on a CPU, no gradients or autocast, values as wide as keys."""
    plain = q.device.type == "cpu" and not torch.is_grad_enabled() and not torch.is_autocast_enabled("cpu")
    return plain and _KERNEL is not None and q.dtype == k.dtype == v.dtype and q.shape[-1] == v.shape[-1]


def causal_attention(q: Queries, k: Heads, v: Heads) -> Queries:
    """Attend from the last positions, each to itself and all before it; scores are scaled by d_head^-1/2.

    Memory is linear in the length. Equal to `scaled_dot_product_attention` with the mask written out.
    """
    assert _KERNEL is not None  # `attends_without_mask` was asked
    # The kernel reads the numbers of a head as if they lay side by side, whatever a hook or a view has made of them.
    q, k, v = ((y if y.stride(-1) == 1 else y.contiguous()).transpose(1, 2) for y in (q, k, v))
    n_queries, before = q.shape[2], k.shape[2] - q.shape[2]
    done = []
    for start in range(0, n_queries, QUERIES_AT_ONCE):
        here = slice(start, min(start + QUERIES_AT_ONCE, n_queries))
        seen, own = slice(0, before + start), slice(before + here.start, before + here.stop)
        z, weight = _KERNEL(q[:, :, here], k[:, :, own], v[:, :, own], 0.0, True)
        if before + start:
            of_seen, weight_of_seen = _KERNEL(q[:, :, here], k[:, :, seen], v[:, :, seen])
            z = torch.lerp(z, of_seen, (weight_of_seen - weight).sigmoid()[..., None].to(z.dtype))
        done.append(z.transpose(1, 2))
    return torch.cat(done, dim=1)
