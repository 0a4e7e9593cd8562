"""The planted copier of Theorem 2.3: a description with the options of its name, `planted:ngram?n=3&tau=20`."""

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

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
    plan = _Plan(
        n, alphabet, n_layers, gather_layer, lookup_layer, n_lookup, zero_heads, random_heads, idle, decoys, tau, n_ctx
    )
    _refuse_misfits(plan)
    _refuse_giants(plan)
    return plant(_circuit(plan, shuffle, seed), dtype)


@dataclass(frozen=True)
class _Plan:
    """What was asked for. Heads stand, from the first column on: gather, lookup, decoys, zero heads, random heads."""

    n: int
    alphabet: int
    n_layers: int
    gather_layer: int
    lookup_layer: int
    n_lookup: int
    zero_heads: int
    random_heads: int
    idle: str
    decoys: tuple[str, ...]
    tau: float
    n_ctx: int

    @property
    def n_busy(self) -> int:
        """Columns of the mechanism and the decoys."""
        return self.n + 1 + self.n_lookup + len(self.decoys)

    @property
    def n_heads(self) -> int:
        return self.n_busy + self.zero_heads + self.random_heads

    @property
    def positioned(self) -> bool:
        """Whether a decoy needs learned positions."""
        return any(needs_position(name) for name in self.decoys)


def _circuit(plan: _Plan, shuffle: bool, seed: int) -> Circuit:
    """The mechanism, the decoys and the random heads in the columns of the plan."""
    circuit = Circuit(
        heads=tuple(_busy_heads(plan)),
        n_layers=plan.n_layers,
        n_heads=plan.n_heads,
        alphabet=plan.alphabet,
        windows=(*range(1, plan.n + 2), *[None] * (plan.n_heads - plan.n - 1)),
        position="learned" if plan.positioned else "hard-alibi",
        n_ctx=plan.n_ctx,
        turned=False,
        shuffle=shuffle,
        seed=seed,
        d_head=plan.n * (plan.alphabet + 4) + max(1, 2 * plan.n_ctx.bit_length() if plan.positioned else 0),
        lengths=_lengths(plan.n_ctx if plan.positioned else None),
    )
    random = range(plan.n_busy + plan.zero_heads, plan.n_heads)
    idle = range(plan.n_busy) if plan.idle == "random" else ()
    return replace(circuit, heads=(*circuit.heads, *_random(circuit, {*random, *idle})))


def _busy_heads(plan: _Plan) -> Iterator[HeadSpec]:
    """The heads of the mechanism, then the decoys."""
    yield from by_windows(plan.n, plan.gather_layer)
    looks, writes = Match(tuple(range(plan.n)), plan.tau), (Write(factor=1 / plan.n_lookup),)
    for column in range(plan.n + 1, plan.n + 1 + plan.n_lookup):
        yield HeadSpec(plan.lookup_layer, column, looks, writes)
    for column, name in enumerate(plan.decoys, plan.n + 1 + plan.n_lookup):
        yield decoy(name, plan.n, plan.tau, plan.lookup_layer, column)


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


def _refuse_misfits(plan: _Plan) -> None:
    """Raises: UserError for what no planted copier has."""
    if not (plan.n >= 1 and 2 <= plan.alphabet <= 26):
        raise UserError(f"n must be at least 1 and alphabet from 2 to 26; got n={plan.n} and alphabet={plan.alphabet}.")
    if not 0 <= plan.gather_layer < plan.lookup_layer < plan.n_layers:
        raise UserError(
            f"gather_layer must come before lookup_layer, both among the {plan.n_layers} layers; got "
            f"{plan.gather_layer} and {plan.lookup_layer}."
        )
    least = plan.n_lookup >= 1 and min(plan.zero_heads, plan.random_heads) >= 0 and plan.n_ctx >= 1
    if not (least and 0 < plan.tau < math.inf):
        raise UserError(
            "n_lookup and n_ctx must be at least 1, zero_heads and random_heads at least 0, and tau "
            f"positive; got n_lookup={plan.n_lookup}, n_ctx={plan.n_ctx}, zero_heads={plan.zero_heads}, "
            f"random_heads={plan.random_heads} and tau={plan.tau}."
        )
    if plan.idle not in ("zero", "random"):
        raise unknown("idle head", plan.idle, ("zero", "random"))


def _refuse_giants(plan: _Plan) -> None:
    """Raises: UserError for a copier that would fill the memory."""
    stream = Stream(plan.n, plan.alphabet)
    weights = plan.n_layers * plan.n_heads * 4.0 * stream.d_model * plan.n * stream.n_tokens
    if weights > LARGEST:
        raise UserError(
            f"a planted copier must have at most {LARGEST:.2g} weights; got {weights:.2g}. Plant a smaller n, or "
            f"fewer heads or layers."
        )
