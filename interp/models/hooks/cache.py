"""What a run keeps of its activations: the hooks that copy them, and the `Cache` that finds them by any name."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor
from transformer_lens import ActivationCache
from transformer_lens.utilities.components_utils import get_act_name
from transformer_lens.utilities.slice import Slice

from interp.base.errors import UserError
from interp.models.hooks.point import HookPoint
from interp.models.scan import huge_pages

Hook = tuple[str | Callable[[str], bool], Callable[..., Any]]
"""A hook point's name (or a predicate on names), and the function to run there: `f(tensor, hook)`."""


class Cache(ActivationCache):
    """An `ActivationCache` that also knows its entries under the model's `other_names`.

    >>> cache["resid_post", -1]  # of the last layer, as in TransformerLens
    """

    model: Any

    def __getitem__(self, key: Any) -> Tensor:
        if isinstance(key, tuple) and len(key) > 1 and isinstance(key[1], int) and key[1] < 0:
            key = (key[0], self.model.cfg.n_layers + key[1], *key[2:])
        if key in self.cache_dict:
            return self.cache_dict[key]
        name = get_act_name(*key) if isinstance(key, tuple) else get_act_name(key)
        return super().__getitem__(key if name in self.cache_dict else self.model.other_names().get(name, key))


def keeping_hooks(
    names: Sequence[str],
    cache: dict[str, Tensor],
    made_anew: Callable[[str], bool],
    *,
    incl_bwd: bool = False,
    device: torch.device | str | None = None,
    remove_batch_dim: bool = False,
    pos_slice: Any = None,
) -> tuple[list[Hook], list[Hook]]:
    """Make the hooks, forward and backward, that fill a cache.

    Args:
        names: hook points.
        cache: what they fill: a point's name -> its tensor; the gradient has `_grad` after the name.
        made_anew: whether the tensor at a point may be kept without a copy, unless another hook stands there.
        incl_bwd: whether gradients are kept, too.
        device: where they are kept; None: where they are.
        remove_batch_dim: for a batch of one string.
        pos_slice: positions to keep (of patterns and scores: queries).
    """
    pos_slice = Slice.unwrap(pos_slice)

    def keep(suffix: str) -> Callable[..., None]:
        def save(tensor: Tensor, hook: HookPoint) -> None:
            name = hook.name or ""
            axis = 2 if name.endswith(("hook_pattern", "hook_attn_scores")) else 1
            if remove_batch_dim and len(tensor) != 1:
                raise UserError(
                    f"remove_batch_dim must be False for a batch of more than one string; got {len(tensor)} strings "
                    f"at {name}. Cache one string, or keep the axis."
                )
            kept = pos_slice.apply(tensor.detach(), dim=axis - tensor.ndim)
            if device is not None:
                kept = kept.to(device, copy=True)
            elif kept.shape != tensor.shape or not made_anew(name) or len(hook._forward_hooks) > 1:
                kept = huge_pages.copy(kept)
            cache[name + suffix] = kept[0] if remove_batch_dim else kept

        return save

    forward: list[Hook] = [(name, keep("")) for name in names]
    return forward, [(name, keep("_grad")) for name in names] if incl_bwd else []
