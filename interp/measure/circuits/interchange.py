"""Interchange accuracy: does the answer follow, if what a place holds is taken from another string?

A place that holds a causal variable (what the lookup head found, say) makes the model answer as the other string asks,
when its value is swapped (Geiger et al. 2021). Between strings drawn independently, the answers agree by chance now and
then; so the share that follows is reported beside the share that agrees without any swap.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import Logits
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.circuits.paths import Positions, patch, require_same, require_some
from interp.models.stack.model import StackModel
from interp.tasks.batch import Batch


@dataclass(frozen=True)
class Interchange:
    """Whether the answer followed each place's swap, string by string."""

    places: tuple[str, ...]
    followed: Bool[Tensor, "place example"]
    """The answer is the one that the donor string asks for."""
    stayed: Bool[Tensor, "place example"]
    """The answer is still the string's own."""
    agreed: Bool[Tensor, " example"]
    """Without a swap: the model's answer is already the donor's, by chance."""

    @property
    def accuracy(self) -> Float[Tensor, " place"]:
        """Interchange accuracy of each place: 1 where it holds all that the answer depends on."""
        return self.followed.double().mean(dim=1)

    @property
    def chance(self) -> float:
        """What a place without any effect has."""
        return float(self.agreed.double().mean())


@checked_call
@torch.no_grad()
def interchange(
    model: StackModel,
    strings: Batch,
    donors: Batch,
    places: Sequence[str | Sequence[str]],
    query: Int[Tensor, " batch"],
    positions: Positions | None = None,
) -> Interchange:
    """Swap each place from other strings, and see whether the answer at the query follows.

    >>> import interp
    >>> model, pair = interp.planted_copier(1, 8)[0], interp.CopyTask(8).contrast(8, 6, 0)
    >>> found = interchange(model, pair.clean, pair.corrupted, ["L1H2", "L1H0"], pair.query)
    >>> found.accuracy.tolist(), found.chance
    ([1.0, 0.0], 0.0)

    Args:
        model: one of this package's.
        strings: those that are run.
        donors: those that values are taken from; another string in each row, of the same length.
        places: texts as `patch` takes them, or lists of texts that are swapped together.
        query: the position whose next token is asked for, in both.
        positions: swap these alone; None for all.

    Raises: UserError as `patch` does, and for a query that asks for no letter.
    """
    require_same(strings.tokens, donors.tokens)
    require_some(places)
    if len(query) != len(strings):
        raise UserError(f"query must be one position for each of the {len(strings)} strings; got {len(query)}.")
    rows = query[:, None]
    if not query.is_meta and not bool(strings.answer.gather(1, rows).all() & donors.answer.gather(1, rows).all()):
        raise UserError("query must be a position that asks for a letter, in strings and donors; got another one.")
    own, wanted = (batch.targets.gather(1, rows)[:, 0] for batch in (strings, donors))
    followed, stayed, names = [], [], []
    for place in places:
        together = [place] if isinstance(place, str) else list(place)
        answer = _answer(patch(model, strings.tokens, donors.tokens, together, positions), query)
        followed.append(answer == wanted)
        stayed.append(answer == own)
        names.append(" + ".join(together))
    agreed = _answer(model(strings.tokens), query) == wanted
    return Interchange(tuple(names), torch.stack(followed), torch.stack(stayed), agreed)


def _answer(logits: Logits, query: Int[Tensor, " batch"]) -> Int[Tensor, " batch"]:
    return logits.take_along_dim(query[:, None, None], 1)[:, 0].argmax(dim=-1)
