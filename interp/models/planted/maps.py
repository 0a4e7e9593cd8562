"""The weights of a planted head: four small matrices, made from where it looks and what it writes.

Scores are x_q q (x_k k)^T, not divided by anything; what is written from the place that is looked at is x_k v o.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import assert_never

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.planted.description import HeadSpec, Write, offset_of
from interp.models.planted.looks import Anywhere, AtToken, Back, Count, Even, Found, Look, Match
from interp.models.planted.rotary import distance_maps
from interp.models.planted.stream import Stream


@dataclass(frozen=True)
class Maps:
    """The weights of a head, before the stream is turned."""

    q: Float[Tensor, "d_model d_qk"]
    k: Float[Tensor, "d_model d_qk"]
    v: Float[Tensor, "d_model d_vo"]
    o: Float[Tensor, "d_vo d_model"]
    rotary: bool = False
    """Whether q and k stand on the axes that RoPE turns, and not behind them."""


def maps(head: HeadSpec, stream: Stream, n_ctx: int, rotary: tuple[int, float] | None) -> Maps:
    """The weights of a head that looks somewhere on purpose.

    Args:
        head: its description.
        stream: where things stand.
        n_ctx: longest sequence.
        rotary: width and base of RoPE, if the model has it.
    """
    q, k = look_maps(head.look, stream, n_ctx, rotary)
    return Maps(q, k, *write_maps(stream, head.writes), rotary=rotary is not None and isinstance(head.look, Back))


def look_maps(look: Look, stream: Stream, n_ctx: int, rotary: tuple[int, float] | None) -> tuple[Tensor, Tensor]:
    """q and k of a head that looks there."""
    match look:
        case Even():
            return zeros(stream.d_model, 1), zeros(stream.d_model, 1)
        case Back(distance, gain):
            if rotary is not None:
                return distance_maps(stream.slot(0), stream.d_model, distance, gain, *rotary)
            return _code_maps(stream, "position", gain, distance)
        case Found(step, gain):
            return _code_maps(stream, "found", gain, -step)
        case AtToken(token, gain, behind):
            q, k = zeros(stream.d_model, 2), zeros(stream.d_model, 2)
            q[stream.slot(0), 0] = gain
            k[stream.bos, 0] = 1
            if behind is not None:
                q[stream.slot(behind).start + stream.separator, 1], k[stream.separator, 1] = 2 * gain, 1
            elif token == "separator":
                k[stream.separator, 0] = 2
            return (q, k) if behind is not None else (q[:, :1], k[:, :1])
        case Count(gain):
            return _count_maps(stream, gain, n_ctx)
        case Match():
            return _match_maps(look, stream, n_ctx)
        case Anywhere():
            raise ValueError("what looks anywhere is drawn, not made")
    assert_never(look)


def _code_maps(stream: Stream, code: str, gain: float, distance: int) -> tuple[Tensor, Tensor]:
    """The query's code of a position, turned back by `distance`, against that of the key's own."""
    turn = (stream.frequencies * distance).cos().diag(), (stream.frequencies * distance).sin().diag()
    q, k = zeros(stream.d_model, 2 * stream.n_frequencies), zeros(stream.d_model, 2 * stream.n_frequencies)
    q[stream.place(code)] = gain * torch.cat([torch.cat([turn[0], -turn[1]], 1), torch.cat([turn[1], turn[0]], 1)])
    k[stream.position] = torch.eye(2 * stream.n_frequencies, dtype=torch.float64)
    return q, k


def _count_maps(stream: Stream, gain: float, n_ctx: int) -> tuple[Tensor, Tensor]:
    """-(u_k - wanted)^2 up to a constant, with wanted = u_q - u_separator + 1 / n_ctx; neighbours lie `gain` apart."""
    scale = gain * n_ctx**2
    q, k = zeros(stream.d_model, 2), zeros(stream.d_model, 2)
    q[stream.axis("index"), 0], q[stream.axis("start"), 0] = 2 * scale, -2 * scale
    q[stream.slot(0), 0], q[stream.slot(0), 1] = 2 * scale / n_ctx, -scale
    k[stream.axis("index"), 0], k[stream.axis("square"), 1] = 1, 1
    return q, k


def _match_maps(look: Match, stream: Stream, n_ctx: int) -> tuple[Tensor, Tensor]:
    """Letters that agree, and what speaks for and against single places: a column each.

    Position 0 has BOS in every slot. It is kept out by `gamma`; or, where the head rests there, it scores `rest`, and
    its slots do not count. The separator as a key is worth half a letter less: where the last letters of a string
    stand inside it too, what followed them there wins over the end.
    """
    q, k = _agreement(look, stream)
    if look.shuns_itself:
        # Codes differ by at most 2F, so that one matching letter counts more than any distance.
        here, letter = zeros(stream.d_model, 2 * stream.n_frequencies), 2 * stream.n_frequencies + 1
        here[stream.position] = torch.eye(2 * stream.n_frequencies, dtype=torch.float64)
        return look.gain * torch.cat([letter * q, -here], 1), torch.cat([k, here], 1)
    gamma = 2 * beta(look) + 2 * look.most
    always, place = zeros(stream.d_model, 1), zeros(stream.d_model, 1)
    always[stream.slot(0)] = 1
    if look.after:
        place[stream.bos], place[stream.separator] = -gamma if look.rest is None else look.rest, -0.5
    if look.mirrored:
        place[stream.bos] = -gamma if look.rest is None else look.rest
    if look.first_copy:
        place[stream.axis("second")] = -gamma
    if look.tilt:
        place[stream.axis("index")] = look.tilt / look.gain * n_ctx
    q, k = torch.cat([q, always], 1), torch.cat([k, place], 1)
    if look.unless:
        flag, bos = zeros(stream.d_model, 1), zeros(stream.d_model, 1)
        flag[stream.axis("flag")], bos[stream.bos] = gamma, 1
        q, k = torch.cat([q, flag], 1), torch.cat([k, bos], 1)
    return look.gain * q, k


def beta(look: Match) -> float:
    """What it counts that the separator in a query finds BOS in a key, in letters: twice as much as all letters and
    more, so that half a BOS (in the mean of the first two tokens) and the letters but one do not outweigh it."""
    return 2 * look.most + 2


def _agreement(look: Match, stream: Stream) -> tuple[Tensor, Tensor]:
    """Maps whose product counts the query's letters that stand in the key, and `beta` where a separator finds BOS."""
    depth, n = look.depth, stream.n_tokens
    counted = torch.zeros(depth, n, dtype=torch.float64)
    counted[list(look.offsets), : stream.alphabet] = torch.tensor(look.worth, dtype=torch.float64)[:, None]
    found = torch.zeros(n, dtype=torch.float64)
    found[: stream.alphabet] = found[stream.bos] = 1
    if look.crosses:
        counted[list(look.offsets), stream.separator] = torch.tensor(look.worth, dtype=torch.float64)
        found[stream.separator] = 1
    asked = [row.diag() for row in counted]
    for offset in range(0 if look.mirrored else depth):
        asked[offset][stream.separator, stream.bos] = beta(look)
    q, k = (zeros(stream.d_model, depth * n) for _ in range(2))
    q[stream.slot(0, depth)] = torch.block_diag(*asked)
    k[stream.slot(int(look.after), depth)] = torch.block_diag(*[found.diag()] * depth)
    if look.mirrored:
        k = k.unflatten(1, (depth, n)).flip(1).flatten(1)
    elif look.rest is not None:
        k[stream.bos, stream.bos :: n] -= 1
    return (q, k) if look.ordered else _as_bags(q, k, look, stream)


def _as_bags(q: Tensor, k: Tensor, look: Match, stream: Stream) -> tuple[Tensor, Tensor]:
    """Sum the letters of all offsets on one axis each; BOS keeps an axis for each offset."""
    letters = torch.arange(q.shape[1]).unflatten(0, (look.depth, -1))[:, : stream.alphabet]
    used = letters[list(look.offsets)]
    bags = [torch.cat([m[:, used].sum(dim=1), m[:, stream.bos :: stream.n_tokens]], 1) for m in (q, k)]
    return bags[0], bags[1]


def write_maps(stream: Stream, writes: Sequence[Write]) -> tuple[Tensor, Tensor]:
    """Value and output map: each content, times its factors, to its slots."""
    contents = list(dict.fromkeys((write.what, write.letters, write.bos) for write in writes))
    if not contents:
        return zeros(stream.d_model, 1), zeros(1, stream.d_model)
    v, o = [], []
    for content in contents:
        value = _value(stream, *content)
        out = zeros(value.shape[1], stream.d_model)
        for write in writes:
            if (write.what, write.letters, write.bos) == content:
                out[:, stream.place(write.to)] += write.factor * _turned_on(stream, write.what, value.shape[1])
        v.append(value)
        o.append(out)
    return torch.cat(v, dim=1), torch.cat(o)


def _value(stream: Stream, what: str, letters: tuple[int, int] | None, bos: bool) -> Float[Tensor, "d_model d_vo"]:
    """What is read from the place that is looked at."""
    if what in ("position", "index", "separator"):
        place = {"position": stream.position, "separator": slice(stream.separator, stream.separator + 1)}
        axes = place.get(what) or slice(stream.axis("index"), stream.axis("index") + 1)
        return torch.eye(stream.d_model, dtype=torch.float64)[:, axes]
    carried = torch.ones(stream.n_tokens, dtype=torch.float64)
    if letters is not None:
        carried[:] = 0
        carried[slice(*letters)] = 1
    if not bos:
        carried[stream.bos] = 0
    v = zeros(stream.d_model, stream.n_tokens)
    v[stream.slot(offset_of(what))] = carried.diag()
    return v


def _turned_on(stream: Stream, what: str, width: int) -> Float[Tensor, "d_vo axis"]:
    """What becomes of a value on its way out: itself, or the next letter of the alphabet."""
    out = torch.eye(width, dtype=torch.float64)
    if what == "next":
        out[: stream.alphabet] = out[: stream.alphabet].roll(1, dims=1)
        out[stream.alphabet - 1] = 0
        out[stream.alphabet - 1, 0] = 1
    return out


def random_maps(stream: Stream, d_head: int, loudness: float, generator: torch.Generator) -> Maps:
    """Looks by random weights at whatever stands in the stream, and writes where nothing reads."""
    q, k, v = torch.randn(3, stream.d_model, d_head, generator=generator, dtype=torch.float64).unbind()
    for weight in (q, k, v):
        weight[stream.slot(stream.scratch)] = 0
        for constant in ("ballast", "mean"):
            if constant in stream.extras:
                weight[stream.place(constant)] = 0
    o = zeros(d_head, stream.d_model)
    o[:, stream.slot(stream.scratch)] = torch.randn(d_head, stream.n_tokens, generator=generator, dtype=torch.float64)
    # Scores are then as large as the product of what stands at the query and at the key.
    scale = d_head**-0.5
    return Maps(q * scale, k, v, o * scale * loudness)


def zeros(rows: int, columns: int) -> Tensor:
    """Make a matrix of zeros, in float64."""
    return torch.zeros(rows, columns, dtype=torch.float64)
