"""Multi-query associative recall (Arora et al. 2023, "Zoology"): pairs of key and value, then keys that ask for values.

Zoology's definitions, between the marks of the copy task: keys are of the alphabet's first half, values of its second;
in the part after the separator, keys take slots at gaps that follow a power law; slots that ask nothing hold letters
at random. One departure: after each key stands its value, as the paper draws it, where the code has a random letter.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import as_generator
from interp.tasks.base import Batch
from interp.tasks.layout import Piece, join, mark
from interp.tasks.lettered import InHalves, check_count
from interp.tasks.registry import register
from interp.tasks.sampling import Length, below, draw_lengths, draw_letters, span


@register("recall")
@checked_call
@dataclass(frozen=True)
class Recall(InHalves):
    """Write after each key that is asked for the value that it has.

    `Recall(alphabet=6)` has the keys a, b and c and the values d, e and f: `$ceaf|cea` asks behind `c` for e, which is
    copied from position 2, and behind `a` for f, from position 4. A length counts pairs.

    >>> task = interp.tasks.Recall(alphabet=6)
    >>> task.decode(task.sample(1, 2, generator=0).tokens)
    ['$bfad|bfad']
    """

    updates: int = 0
    """Pairs at the end that give this many of the keys another value; the last one counts."""
    passes: int = 1
    """How often the pairs stand one after the other: the answer then stands at several places (`Batch.also`)."""
    queries: int | None = None
    """Keys that are asked for, each once; None: all."""
    spread: int = 1
    """Slots after the separator for each key that is asked for: 1 leaves no gaps."""
    power: float = 0.01
    """Slot s = 1, 2, ... is taken in proportion to s^(power - 1): at 1 all slots alike, below 1 the first ones."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_count("updates", self.updates, 0)
        for name in ("passes", "spread"):
            check_count(name, getattr(self, name))
        if self.queries is not None:
            check_count("queries", self.queries)
        if not 0 < self.power <= 1:
            raise UserError(f"power must be above 0 and at most 1; got {self.power}.")

    @property
    def has_prompt_end(self) -> bool:
        return False

    @checked_call
    def sample(self, n: int, length: Length, generator: torch.Generator | int) -> Batch:
        """Draw `n` strings; see `Task.sample`. A length counts pairs; keys differ, and so do the values of a pass.

        Raises: UserError for more pairs than there are keys or values, or fewer than keys that are updated or asked.
        """
        generator, (_, most) = as_generator(generator), span(length)
        if most > self.n_values:
            raise UserError(
                f"length must be at most {self.n_values} pairs, as many as an alphabet of {self.n_letters} letters "
                f"has values, none of which may stand twice; got {most}. Ask for fewer pairs or use a larger alphabet."
            )
        least, letters = max(1, self.updates, self.queries or 1), 2 * (self.passes + self.spread)
        pairs = draw_lengths(n, length, generator, least, letters)
        keys = _some_of(torch.full_like(pairs, self.n_keys), most, generator)
        values = _some_of(torch.full_like(pairs, self.n_values), most, generator)
        updated = _some_of(pairs, self.updates, generator)
        step = 1 + below(torch.full_like(updated, self.n_values - 1), generator)
        latest = (values.gather(1, updated) + step) % self.n_values
        asked = _some_of(pairs, self.queries or most, generator).sort(dim=1).values
        if self.queries is None:  # as in the code: the first pair takes the first slot that is drawn, and so on
            asked = torch.arange(most).expand(n, -1)
        slots = self._draw_slots(pairs, asked.shape[1], generator)
        filler = draw_letters(n, 2 * self.spread * asked.shape[1], self.n_letters, generator)
        held, changed = torch.stack([keys, values], dim=2), torch.stack([updated, latest], dim=2)
        return self.ask(held, pairs, changed, asked, slots, filler)

    def ask(
        self,
        letters: Int[Tensor, "batch pair two"],
        pairs: Int[Tensor, " batch"],
        updates: Int[Tensor, "batch update two"],
        asked: Int[Tensor, "batch query"],
        slots: Int[Tensor, "batch query"],
        filler: Int[Tensor, "batch letter"],
    ) -> Batch:
        """Make the batch of these pairs and queries.

        Args:
            letters: key and value of each pair, 0, 1, ... within their halves.
            pairs: how many of a row's pairs there are.
            updates: which pair gets another value, and which.
            asked: which pair each query asks for; a row has `queries` of them, or as many as it has pairs.
            slots: which slot each query takes, 0, 1, ...
            filler: letters where nothing is asked.
        """
        v = self.vocabulary
        there = asked < pairs[:, None] if self.queries is None else torch.ones_like(asked, dtype=torch.bool)
        halves = torch.tensor([0, self.n_keys], device=letters.device)
        key = letters[..., 0]
        body = (letters + halves).flatten(1)
        again = torch.stack([key.gather(1, updates[..., 0]), updates[..., 1] + self.n_keys], dim=2).flatten(1)

        source, also, value = self._answers(letters, pairs, updates, asked)
        at = torch.where(there, 2 * slots, filler.shape[1])
        zone = _written(filler, at, key.gather(1, asked))
        zone = _written(zone, at + 1, value + self.n_keys)
        none = torch.full_like(zone, -1)
        slots_of_row = self.spread * (pairs if self.queries is None else torch.full_like(pairs, asked.shape[1]))
        pieces = [
            *mark(v.bos, body),
            *([Piece(v.ids(body), 2 * pairs)] * self.passes),
            Piece(v.ids(again)),
            *mark(v.separator, body),
            Piece(
                v.ids(zone),
                2 * slots_of_row,
                source=_written(none, at + 1, source),
                also=torch.stack([_written(none, at + 1, one) for one in also], dim=2) if also else None,
            ),
            *mark(v.eos, body, trained=True),
        ]
        return join(pieces, v.pad)

    def _answers(
        self,
        letters: Int[Tensor, "batch pair two"],
        pairs: Int[Tensor, " batch"],
        updates: Int[Tensor, "batch update two"],
        asked: Int[Tensor, "batch query"],
    ) -> tuple[Int[Tensor, "batch query"], list[Int[Tensor, "batch query"]], Int[Tensor, "batch query"]]:
        """Where each query's value stands, where else (in earlier passes), and the value, 0, 1, ... within its half.

        A value stands in every pass, unless an update gave the key another one.
        """
        places = [2 + 2 * (number * pairs[:, None] + asked) for number in range(self.passes)]
        value = letters[..., 1].gather(1, asked)
        if not updates.shape[1]:
            return places[-1], places[:-1], value
        match = asked[..., None] == updates[:, None, :, 0]
        changed, which = match.any(dim=2), match.byte().argmax(dim=2)
        newest = 2 + 2 * (self.passes * pairs[:, None] + which)
        value = torch.where(changed, updates[..., 1].gather(1, which), value)
        earlier = [place.masked_fill(changed, -1) for place in places[:-1]]
        return torch.where(changed, newest, places[-1]), earlier, value

    def _draw_slots(
        self, pairs: Int[Tensor, " batch"], most: int, generator: torch.Generator
    ) -> Int[Tensor, "batch query"]:
        """Draw which slot each query takes, one after the other without replacement (Efraimidis & Spirakis 2006)."""
        count = self.spread * (pairs if self.queries is None else torch.full_like(pairs, most))
        chance = torch.rand(len(pairs), self.spread * most, generator=generator, dtype=torch.float64)
        slot = torch.arange(chance.shape[1], dtype=torch.float64)
        waiting = -torch.log(chance) / (slot + 1) ** (self.power - 1)
        return waiting.masked_fill(slot >= count[:, None], torch.inf).argsort(dim=1, stable=True)[:, :most]


def _written(
    row: Int[Tensor, "batch letter"], at: Int[Tensor, "batch query"], what: Int[Tensor, "batch query"]
) -> Int[Tensor, "batch letter"]:
    """Write at these places; what lies beyond the row is left out."""
    spare = torch.nn.functional.pad(row, (0, 2))
    return spare.scatter(1, at, what)[:, : row.shape[1]]


def _some_of(bound: Int[Tensor, " batch"], n: int, generator: torch.Generator) -> Int[Tensor, "batch item"]:
    """Draw n different numbers below each row's bound (beyond it where the bound is less than n)."""
    chance = torch.rand(len(bound), max(int(bound.max()), n), generator=generator, dtype=torch.float64)
    outside = torch.arange(chance.shape[1]) >= bound[:, None]
    return chance.masked_fill(outside, 2.0).argsort(dim=1, stable=True)[:, :n]
