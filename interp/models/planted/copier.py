"""The planted copier of Theorem 2.3: a description with the options of its name, `planted:ngram?n=3&tau=20`."""

import math
from collections.abc import Iterator
from dataclasses import replace

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError, unknown
from interp.models.planted.compiler import plant
from interp.models.planted.decoys import decoy, needs_position
from interp.models.planted.description import Circuit, HeadSpec, Write
from interp.models.planted.gathering import by_windows
from interp.models.planted.looks import Anywhere, Match
from interp.models.planted.planting import Planting
from interp.models.planted.stream import Stream
from interp.models.transformer import HookedTransformer

LARGEST = 1 << 29
"""Weights of a planted copier, at most: 2 GB in float32. Every head has its own maps from the whole stream."""


@checked_call
def planted_copier(
    n: int = 4,
    alphabet: int = 26,
    *,
    n_layers: int = 2,
    gather_layer: int = 0,
    lookup_layer: int = 1,
    n_lookup: int = 1,
    zero_heads: int = 0,
    random_heads: int = 0,
    idle: str = "zero",
    decoys: tuple[str, ...] = (),
    shuffle: bool = False,
    seed: int = 0,
    tau: float = 30.0,
    n_ctx: int = 4096,
    dtype: torch.dtype = torch.float32,
) -> tuple[HookedTransformer, Planting]:
    """Build an n-gram copier by hand: an ordinary model without norm or MLP, and the truth about what was planted in
    it.

    It copies `$ x1..xL | x1..xL .` of any length and ends it, and fails on a string exactly when n letters in a row
    occur twice in it with two different continuations inside the string. (Where the last n letters occur inside it
    too, it copies the string and then continues as it did there, instead of ending.)

    A head has the same window in every layer: n + 1 heads have the windows 1, ..., n + 1 of the gather heads, all
    others see everything. The stream is not turned, so that its slots can be read off.

    >>> model, planting = interp.planted_copier(n=3)
    >>> [(head.name, head.n) for head in planting.with_role("lookup")]
    [('L1H4', 3)]

    Args:
        n: letters that must match, at least 1.
        alphabet: number of letters, 2 to 26. Token ids: the letters, then BOS, separator, EOS, pad.
        n_layers: number of layers.
        gather_layer, lookup_layer: where the two parts stand.
        n_lookup: number of lookup heads that share the work: they attend alike, and each writes its part of the answer.
        zero_heads: number of extra heads in every layer whose weights are all zero.
        random_heads: number of extra heads in every layer that attend by random weights and write where nothing reads.
        idle: what the heads of the mechanism and the decoys do in layers where they have no part: "zero" or "random".
        decoys: names as in `decoys.py`; each is one more head, in the lookup layer.
        shuffle: put the heads in random order.
        seed: seed of the order and the random weights.
        tau: score of a matching letter. Against K keys that match one letter less, the right one has attention
            1 / (1 + K exp(-tau)); where K is large (few letters, long strings) a small tau costs accuracy.
        n_ctx: longest sequence; counts only where a decoy needs learned positions.
        dtype: float32 or float64.

    Raises: UserError for values that do not fit together, or a decoy that does not exist.
    """
    _refuse_misfits(
        n, alphabet, (gather_layer, lookup_layer, n_layers), (n_lookup, zero_heads, random_heads), tau, n_ctx
    )
    if idle not in ("zero", "random"):
        raise unknown("idle head", idle, ("zero", "random"))
    _refuse_giants(n, alphabet, n_layers, n + 1 + n_lookup + len(decoys) + zero_heads + random_heads)
    positioned = any(needs_position(name) for name in decoys)
    purposeful = [
        *by_windows(n, gather_layer),
        *(
            HeadSpec(lookup_layer, n + 1 + i, Match(tuple(range(n)), tau), (Write(factor=1 / n_lookup),))
            for i in range(n_lookup)
        ),
        *(decoy(name, n, tau, lookup_layer, n + 1 + n_lookup + i) for i, name in enumerate(decoys)),
    ]
    n_heads = len(purposeful) + zero_heads + random_heads
    circuit = Circuit(
        heads=tuple(purposeful),
        n_layers=n_layers,
        n_heads=n_heads,
        alphabet=alphabet,
        windows=(*range(1, n + 2), *[None] * (n_heads - n - 1)),
        position="learned" if positioned else "hard-alibi",
        n_ctx=n_ctx,
        turned=False,
        shuffle=shuffle,
        seed=seed,
        d_head=n * (alphabet + 4) + max(1, 2 * n_ctx.bit_length() if positioned else 0),
        lengths=_lengths(n_ctx if positioned else None),
    )
    random = range(len(purposeful) + zero_heads, n_heads) if random_heads else ()
    busy = range(len(purposeful)) if idle == "random" else ()
    return plant(replace(circuit, heads=(*purposeful, *_random(circuit, {*random, *busy}))), dtype)


def _random(circuit: Circuit, columns: set[int]) -> Iterator[HeadSpec]:
    """Random heads in all places of these columns that are free."""
    taken = {(head.layer, head.column) for head in circuit.heads}
    for layer in range(circuit.n_layers):
        for column in sorted(columns):
            if (layer, column) not in taken:
                yield HeadSpec(layer, column, Anywhere())


def _lengths(n_ctx: int | None) -> tuple[int, int]:
    """Strings as long as the truth is stated for elsewhere, or as fit."""
    most = 32 if n_ctx is None else max(1, min(32, (n_ctx - 2) // 2))
    return min(24, most), most


def _refuse_misfits(
    n: int, alphabet: int, layers: tuple[int, int, int], heads: tuple[int, int, int], tau: float, n_ctx: int
) -> None:
    """Raises: UserError for numbers that no planted copier has."""
    gather_layer, lookup_layer, n_layers = layers
    n_lookup, zero_heads, random_heads = heads
    if not (n >= 1 and 2 <= alphabet <= 26):
        raise UserError(f"n must be at least 1 and alphabet from 2 to 26; got n={n} and alphabet={alphabet}.")
    if not 0 <= gather_layer < lookup_layer < n_layers:
        raise UserError(
            f"gather_layer must come before lookup_layer, both among the {n_layers} layers; got "
            f"{gather_layer} and {lookup_layer}."
        )
    if n_lookup < 1 or min(zero_heads, random_heads) < 0 or not 0 < tau < math.inf or n_ctx < 1:
        raise UserError(
            "n_lookup and n_ctx must be at least 1, zero_heads and random_heads at least 0, and tau "
            f"positive; got n_lookup={n_lookup}, n_ctx={n_ctx}, zero_heads={zero_heads}, "
            f"random_heads={random_heads} and tau={tau}."
        )


def _refuse_giants(n: int, alphabet: int, n_layers: int, n_heads: int) -> None:
    """Raises: UserError for a copier that would fill the memory."""
    stream = Stream(n, alphabet)
    if (weights := n_layers * n_heads * 4.0 * stream.d_model * n * stream.n_tokens) > LARGEST:
        raise UserError(
            f"a planted copier must have at most {LARGEST:.2g} weights; got {weights:.2g}. Plant a smaller n, or "
            f"fewer heads or layers."
        )
