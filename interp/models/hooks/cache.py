"""What a run keeps of its activations: the hooks that copy them, and the `Cache` that finds them by any name."""

from collections.abc import Callable, Sequence
from numbers import Integral
from typing import Any

import torch
from torch import Tensor
from transformer_lens import ActivationCache
from transformer_lens.utilities.components_utils import get_act_name
from transformer_lens.utilities.slice import Slice

from interp.base.errors import UserError, shown, unknown
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
        """Return an activation by its hook point, or as TransformerLens names it: ("resid_post", layer).

        Raises: UserError for what was not cached, naming the nearest that was, and for a layer that does not exist.
        """
        names = _names(key, self.model.cfg.n_layers)
        for name in (*names, *map(self.model.other_names().get, names)):
            if name in self.cache_dict:
                return self.cache_dict[name]
        raise unknown("cached activation", names[0], self.cache_dict)

    def decompose_resid(self, *args: Any, **kwargs: Any) -> Any:
        """Split the stream into what each layer added, as TransformerLens does.

        Raises: UserError for a model whose layers replace the stream: there is no sum to split.
        """
        self._require_a_sum()
        return super().decompose_resid(*args, **kwargs)

    def get_full_resid_decomposition(self, *args: Any, **kwargs: Any) -> Any:
        """Split the stream further, into heads and neurons. Raises: as `decompose_resid` does."""
        self._require_a_sum()
        return super().get_full_resid_decomposition(*args, **kwargs)

    def _require_a_sum(self) -> None:
        if not all(getattr(block, "residual", True) for block in self.model.blocks):
            raise UserError(
                "model must add to its stream for that to be taken apart; got one whose layers replace it. Build it "
                "with residual=True."
            )


def _names(key: Any, n_layers: int) -> tuple[str, ...]:
    """The hook points that a key may mean, its layer counted from the front."""
    if isinstance(key, str):
        return key, get_act_name(key)
    if not isinstance(key, tuple) or not key or not isinstance(key[0], str):
        return (str(key),)
    if len(key) == 1 or key[1] is None:
        return (get_act_name(*key),)
    layer = int(key[1]) if isinstance(key[1], Integral) and not isinstance(key[1], bool) else n_layers
    if not -n_layers <= layer < n_layers:
        raise UserError(
            f"the layer of an activation must be an integer from {-n_layers} to {n_layers - 1}; got {shown(key[1])}."
        )
    return (get_act_name(key[0], layer % n_layers, *key[2:]),)


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
