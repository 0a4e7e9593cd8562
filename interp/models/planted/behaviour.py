"""What a description says that its model does, worked out from the letters themselves, without any weights.

It takes the slots for what they are meant to hold, compares letters with letters, and follows what the heads write to
the answer. So it cannot share a fault with the weights, and the two are compared string by string in the tests.
"""

import math
from collections.abc import Collection
from dataclasses import dataclass, field

import torch
from einops import einsum
from jaxtyping import Float, Int
from torch import Tensor

from interp.models.planted.description import Circuit, HeadSpec, Write, offset_of
from interp.models.planted.looks import Anywhere, AtToken, Back, Count, Even, Found, Match
from interp.models.planted.maps import beta
from interp.models.planted.stream import Stream
from interp.models.planted.turning import copy_strings
from interp.models.stack.layer_heads import alibi_slopes

Place = tuple[int, int]
"""(layer, column)."""
Rows = Float[Tensor, "string letter key"]


@dataclass
class Behaviour:
    """What was worked out for strings `$ x1..xL | x1..xL`, at the positions that are asked for x1, ..., xL."""

    answer: Float[Tensor, "string letter token"]
    """What stands in the answer: 1 for a letter that was copied once."""
    attention: dict[Place, Rows] = field(default_factory=dict)
    """Attention of each head that looks somewhere on purpose."""

    def right(self, letters: Int[Tensor, "string letter"]) -> Float[Tensor, "string letter"]:
        """1 where the right letter has the most, shared among letters that have as much."""
        own = self.answer.gather(2, letters[..., None])
        most = self.answer.amax(dim=2, keepdim=True)
        level = ((most - self.answer) < 1e-9).sum(dim=2)
        return ((most - own)[..., 0] < 1e-9) / level

    def difference(self, letters: Int[Tensor, "string letter"], alphabet: int) -> float:
        """Mean of the right letter's answer less the mean of the other letters'."""
        own = self.answer.gather(2, letters[..., None])[..., 0]
        others = (self.answer[..., :alphabet].sum(dim=2) - own) / (alphabet - 1)
        return float((own - others).mean())


def behaviour(
    circuit: Circuit,
    letters: Int[Tensor, "string letter"],
    cut: Collection[Place] = (),
) -> Behaviour:
    """What the model does with strings of these letters.

    Args:
        circuit: its description.
        letters: one string in each row.
        cut: heads whose attention to the source is removed and spread over the rest of the row.
    """
    run = _Run(circuit, letters)
    for layer in range(circuit.n_layers):
        specs = [head for head in circuit.heads if head.layer == layer and not isinstance(head.look, Anywhere)]
        rows = {(layer, head.column): run.attention(head) for head in specs}
        for place in {*cut} & {*rows}:
            rows[place] = run.cut(rows[place])
        for head in specs:
            for write in head.writes:
                run.write(rows[layer, head.column], write)
        run.found.attention |= rows
        if circuit.mlps:
            run.mlp(circuit.mlps[layer])
    return run.found


class _Run:
    """What stands in the slots so far, at the positions that are asked."""

    def __init__(self, circuit: Circuit, letters: Tensor) -> None:
        self.circuit, self.stream = circuit, Stream.of(circuit)
        self.length, n_tokens = letters.shape[1], self.stream.n_tokens
        bos, separator = (torch.full_like(letters[:, :1], circuit.alphabet + i) for i in (0, 1))
        self.tokens = torch.cat([bos, letters, separator, letters], dim=1)[:, : 2 * self.length + 1]
        self.keys = torch.arange(self.tokens.shape[1])
        self.queries = self.length + 1 + torch.arange(self.length)
        self.seen = self.keys <= self.queries[:, None]
        self.token = torch.nn.functional.one_hot(self.tokens, n_tokens).double()
        empty = torch.zeros(len(letters), self.length, n_tokens, dtype=torch.float64)
        self.relay, self.place = empty.clone(), empty.new_zeros(len(letters), self.length, len(self.keys))
        self.flag = torch.zeros(len(letters), self.length, dtype=torch.float64)
        self.found = Behaviour(empty)

    def attention(self, head: HeadSpec) -> Rows:
        """Where a head looks."""
        look, distance = head.look, self.queries[:, None] - self.keys
        window = None if self.circuit.windows is None else self.circuit.windows[head.column]
        match look:
            case Even():
                scores = torch.zeros_like(distance, dtype=torch.float64)
            case Back():
                scores = self._only(distance == look.distance)
            case Count():
                scores = self._only(self.keys == self.queries[:, None] - self.length)
            case AtToken(token, gain, behind):
                asked = (self.queries == self.length + 1 + (behind or 0))[:, None] | (behind is None)
                at = (self.keys == 0) + 2.0 * (self.keys == self.length + 1) * (token == "separator") * asked
                scores = gain * at.expand(distance.shape).double()
            case Found(step, gain):
                code = self._kernel(self.keys[:, None] + step - self.keys)
                scores = gain * einsum(self.place, code, "b l m, m k -> b l k")
            case Match():
                scores = self._match(look)
            case Anywhere():
                raise ValueError("what looks anywhere is not worked out")
        if self.circuit.position == "alibi":
            scores = scores - alibi_slopes(self.circuit.n_heads)[head.column] * distance
        seen = self.seen if window is None else self.seen & (distance < window)
        return scores.masked_fill(~seen, -math.inf).softmax(dim=-1).expand(len(self.tokens), -1, -1)

    def _match(self, look: Match) -> Rows:
        """Scores, in nats."""
        separator, bos = self.stream.separator, self.stream.bos
        asked = {t: self.tokens[:, self.queries - t][:, :, None] for t in range(look.depth)}
        held = {t: self._back(look.depth - 1 - t if look.mirrored else t + look.after) for t in range(look.depth)}
        held = {t: letters[:, None] for t, letters in held.items()}
        weights = dict(zip(look.offsets, look.worth, strict=True))
        pairs = [(t, t) for t in look.offsets]
        if not look.ordered:
            pairs = [(a, b) for a in look.offsets for b in look.offsets]
        score = self.flag.new_zeros(1)
        for a, b in pairs:
            counts = (asked[a] < self.circuit.alphabet) | ((asked[a] == separator) & look.crosses)
            score = score + weights[a] * ((asked[a] == held[b]) & counts).double()
        for t in () if look.mirrored else asked:
            score = score + beta(look) * ((asked[t] == separator) & (held[t] == bos)).double()
        if look.shuns_itself:
            letter = 2 * self.stream.n_frequencies + 1
            return look.gain * (letter * score - self._kernel(self.queries[:, None] - self.keys))
        if look.after:
            first = torch.full_like(score[..., 0], -math.inf if look.rest is None else look.rest)
            if look.unless:
                first = first + (2 * beta(look) + 2 * look.most) * self.flag
            score = torch.cat([first[..., None], score[..., 1:]], dim=-1) - 0.5 * (self.keys == self.length + 1)
        if look.mirrored and look.rest is not None:
            score = torch.cat([torch.full_like(score[..., :1], look.rest), score[..., 1:]], dim=-1)
        if look.first_copy:
            score = score.masked_fill(self.keys > self.length, -math.inf)
        return look.gain * score + look.tilt * self.keys

    def _back(self, offset: int) -> Int[Tensor, "string key"]:
        """The token so far back from each key; -1 before the beginning."""
        return torch.nn.functional.pad(self.tokens, (offset, 0), value=-1)[:, : len(self.keys)]

    def _kernel(self, distance: Tensor) -> Tensor:
        """The product of two positions' codes."""
        return (distance[..., None].double() * self.stream.frequencies).cos().sum(dim=-1)

    def _only(self, here: Tensor) -> Tensor:
        return torch.zeros(here.shape, dtype=torch.float64).masked_fill(~here, -1e4)

    def cut(self, rows: Rows) -> Rows:
        """Attention without that to the source."""
        source = self.keys == 1 + torch.arange(self.length)[:, None]
        left, elsewhere = rows.masked_fill(source, 0.0), (self.seen & ~source).double()
        total = left.sum(dim=-1, keepdim=True)
        even = elsewhere / elsewhere.sum(dim=-1, keepdim=True)
        return torch.where(total > 1e-30, left / total, even)

    def write(self, rows: Rows, write: Write) -> None:
        """Add what a head carries to where it belongs; slots of letters further back are taken for granted."""
        if write.what == "position" and write.to == "found":
            self.place = self.place + write.factor * rows
        if write.to not in ("answer", "relay"):
            return
        carried = torch.ones(self.stream.n_tokens, dtype=torch.float64)
        if write.letters is not None:
            carried[:] = 0
            carried[slice(*write.letters)] = 1
        if not write.bos:
            carried[self.stream.bos] = 0
        token = torch.nn.functional.pad(self.token, (0, 0, offset_of(write.what), 0))[:, : len(self.keys)]
        value = einsum(rows, token * carried, "b l k, b k v -> b l v") * write.factor
        if write.what == "next":
            letters = value[..., : self.circuit.alphabet].roll(1, dims=-1)
            value = torch.cat([letters, value[..., self.circuit.alphabet :]], dim=-1)
        if write.to == "answer":
            self.found.answer = self.found.answer + value
        else:
            self.relay = self.relay + value

    def mlp(self, kind: str) -> None:
        """What the layer's MLP does to the answer and to the flag."""
        if kind == "relay":
            self.found.answer = self.found.answer + self.relay.clamp(min=0)
        if kind == "flag":
            self.flag = 2 * (self.found.answer - 0.5).clamp(min=0).sum(dim=-1)


def drawn_letters(circuit: Circuit, length: int, strings: int, seed: int = 0) -> Int[Tensor, "string letter"]:
    """Random strings of a length."""
    tokens = copy_strings(circuit.alphabet, length, strings, torch.Generator().manual_seed(seed))
    return tokens[:, 1 : length + 1]
