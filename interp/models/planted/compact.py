"""The compact copier of Theorem 2.3: letters as sign vectors, so that two layers of width O(n log D) copy.

A letter is a vector of d = ceil(log2 D) signs of length 1; the beginning and the separator have an axis each. Two
letters agree by at most 1 - 2 / d, where one-hot ones would by 0: scores are multiplied by d / 2
to tell them as surely.
The stream has n + 2 slots of d + 2 numbers: the token, those 1 to n places back, and the answer.

    layer 0   a head of window m looks evenly at the last m tokens; m times its mean, less m - 1 times that of
              window m - 1, is the token m - 1 places back, which goes to slot m - 1
    layer 1   one head looks the last n tokens up: slots 0 to n - 1 of the query, slots 1 to n of the key
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.models.planted.planting import PlantedHead, Planting
from interp.models.stack.config import TransformerConfig
from interp.models.transformer import HookedTransformer

SHARP = 40.0
"""Least margin of the score of a key with one more matching letter."""
LOGIT = 20.0
"""Least margin of the right letter's logit over any other's."""


@dataclass(frozen=True)
class _Shape:
    n: int
    alphabet: int

    @property
    def signs(self) -> int:
        """Numbers of a letter's code."""
        return max(1, (self.alphabet - 1).bit_length())

    @property
    def slot(self) -> int:
        """Numbers of a slot: a code, then the axes of the beginning and of the separator."""
        return self.signs + 2

    @property
    def d_model(self) -> int:
        return (self.n + 2) * self.slot

    @property
    def d_head(self) -> int:
        return self.n * (self.signs + 1) + 1

    @property
    def sharpness(self) -> float:
        """Score of a matching letter, such that the closest other letter falls `SHARP` short."""
        return SHARP * self.signs / 2

    def codes(self) -> Tensor:
        """[letter sign], each of length 1, no two alike."""
        bits = torch.arange(self.alphabet)[:, None] >> torch.arange(self.signs) & 1
        return (2.0 * bits - 1) / self.signs**0.5


@checked_call
def compact_copier(n: int = 4, alphabet: int = 26) -> tuple[HookedTransformer, Planting]:
    """Build it: an ordinary model without norm or MLP, and what was planted in it.

    It copies `$ x1..xL | x1..xL .` as `planted_copier` does, and is ceil(log2 D) + 2 times n + 2 wide.

    Args:
        n: letters that must match, from 1 on.
        alphabet: number of letters, 2 to 26. Token ids: the letters, then BOS, separator, EOS, pad.

    Raises: UserError for values that cannot be.

    >>> compact_copier(n=5)[0].config.d_model
    49
    """
    if not (n >= 1 and 2 <= alphabet <= 26):
        raise UserError(
            f"a compact copier must have n from 1 on and an alphabet of 2 to 26 letters; got {n} and {alphabet}."
        )
    shape = _Shape(n, alphabet)
    d_head = max(shape.slot, shape.d_head)
    windows = (*range(1, n + 2), None)
    model = HookedTransformer(
        TransformerConfig(
            n_layers=2,
            n_heads=n + 2,
            d_model=shape.d_model,
            d_head=d_head,
            d_vocab=alphabet + 4,
            windows=windows,
            normalization=None,
        )
    )
    weights = {name: torch.zeros_like(value) for name, value in model.state_dict().items()}
    _embed(weights, shape)
    _gather(weights, shape)
    _look_up(weights, shape, d_head)
    model.load_state_dict(weights)
    heads = tuple(_head(layer, head, windows[head], n) for layer in (0, 1) for head in range(n + 2))
    return model.eval(), Planting(n, alphabet, heads, offsets=tuple(range(n)), use="all")


def _embed(weights: dict[str, Tensor], shape: _Shape) -> None:
    """Tokens into slot 0; the answer's slot into logits: a letter's code, and the separator, which means the end."""
    letters, signs = shape.alphabet, shape.signs
    bos, separator, eos = letters, letters + 1, letters + 2
    embed, unembed = weights["embed.W_E"], weights["unembed.W_U"]
    embed[:letters, :signs] = shape.codes()
    embed[bos, signs] = embed[separator, signs + 1] = 1.0
    answer = (shape.n + 1) * shape.slot
    scale = LOGIT * signs / 2
    unembed[answer : answer + signs, :letters] = scale * shape.codes().T
    unembed[answer + signs + 1, eos] = scale


def _gather(weights: dict[str, Tensor], shape: _Shape) -> None:
    """Layer 0: the mean of the last m tokens, m times, into slot m - 1 with a plus and into slot m with a minus."""
    slot = shape.slot
    values, out = weights["blocks.0.attn.W_QKV"][:, 2], weights["blocks.0.attn.W_O"]
    unit = torch.eye(slot)
    for head in range(shape.n + 1):
        m = head + 1
        values[:slot, head, :slot] = unit
        if m >= 2:
            out[head, :slot, (m - 1) * slot : m * slot] = m * unit
        if m <= shape.n:
            out[head, :slot, m * slot : (m + 1) * slot] = -m * unit


def _look_up(weights: dict[str, Tensor], shape: _Shape, d_head: int) -> None:
    """Layer 1, last head: n blocks of a code and the beginning's axis, and one number that keeps off the beginning.

    A separator in the query asks for the beginning, which counts for more than all letters: so the first letters after
    it are told by where they stand.
    """
    n, signs, slot, head = shape.n, shape.signs, shape.slot, shape.n + 1
    maps, biases = weights["blocks.1.attn.W_QKV"], weights["blocks.1.attn.b_QKV"]
    query, key, value = (maps[:, part, head] for part in range(3))
    sharp = shape.sharpness * d_head**0.5  # scores are divided by the square root of the head's width
    begin = 4.0 * n + 4
    for block in range(n):
        at, here, there = block * (signs + 1), block * slot, (block + 1) * slot
        query[here : here + signs, at : at + signs] = sharp * torch.eye(signs)
        query[here + signs + 1, at + signs] = sharp * begin
        key[there : there + signs + 1, at : at + signs + 1] = torch.eye(signs + 1)
    last = n * (signs + 1)
    biases[0, head, last] = sharp
    key[signs, last] = -(2 * begin + 2 * n)
    key[signs + 1, last] = (
        -1 / signs
    )  # the separator, behind the string's last letters, yields to the same letters inside
    value[:slot, :slot] = torch.eye(slot)
    weights["blocks.1.attn.W_O"][head, :slot, (n + 1) * slot :] = torch.eye(slot)


def _head(layer: int, head: int, window: int | None, n: int) -> PlantedHead:
    """What a head was built to do."""
    if layer == 0 and window is not None:
        offsets = tuple(back for back in (window - 1, window) if 1 <= back <= n)
        return PlantedHead(layer, head, window, "gather", offsets=offsets)
    if layer == 1 and window is None:
        return PlantedHead(
            layer, head, None, "lookup", n, matches=tuple(range(n)), attends=True, copies="copies", carries="alone"
        )
    return PlantedHead(layer, head, window, "zero")
