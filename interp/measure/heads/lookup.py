"""Does a head look where the answer comes from, and how long a match does it ask for?

Each probe asks one question: attention from the query to the place that follows the true match, to the place that
follows a rival match of exactly k letters, and to the other letters of the string.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.measure.attention.rows import blocks, rows_at
from interp.models.hooks.model import Hook
from interp.models.surface import Model
from interp.tasks.probes.probe import Probe

ENDS = 1.96
"""Standard errors from a mean to the ends of its interval at 95 %."""


@dataclass(frozen=True)
class Looked:
    """Attention of every head, in order, at every probe's query; scores are those before the softmax, nan where a head
    has none."""

    source: Float[Tensor, "head example"]
    """Attention to the place that the answer is copied from."""
    rival: Float[Tensor, "head example"]
    """Attention to the place after the rival match; 0 where there is no rival."""
    shuffled: Float[Tensor, "head example"]
    """Attention to a shuffled target: the mean over the other letters of the first copy, its expectation."""
    source_score: Float[Tensor, "head example"]
    rival_score: Float[Tensor, "head example"]
    """Where there is no rival: the mean over the other letters."""

    def above_chance(self) -> Float[Tensor, "head example"]:
        """Return the attention to the source, less that to a shuffled target."""
        return self.source - self.shuffled

    def surely_above_chance(self) -> Float[Tensor, " head"]:
        """Return the lower end of the mean attention above chance, 1.96 standard errors below it: what is tested.

        An untrained head that is sharp hits the source of a few strings by luck; a head that finds it in every string
        stands out from it, however little attention it gives.
        """
        above = self.above_chance().double()
        error = above.std(dim=1, correction=0) * max(1, above.shape[1] - 1) ** -0.5
        return above.mean(dim=1) - ENDS * error


def look(model: Model, probe: Probe, hooks: Sequence[Hook] = ()) -> Looked:
    """Measure how every head of a model attends at the probes' queries, a block of strings at a time.

    Args:
        model: any.
        probe: the questions.
        hooks: edits that are in force meanwhile, the same for every string.
    """
    parts = [vars(_look_block(model, probe.rows(block), hooks)) for block in blocks(model, probe.batch.tokens)]
    return Looked(**{name: torch.cat([part[name] for part in parts], dim=1) for name in parts[0]})


def _look_block(model: Model, probe: Probe, hooks: Sequence[Hook]) -> Looked:
    others = probe.whole.copied_from
    others = others.scatter(1, probe.source[:, None], False)
    layers = rows_at(model, probe.batch.tokens, probe.query, hooks)
    pattern = torch.cat([rows.pattern for rows in layers], dim=1)
    has_rival = probe.rival >= 0
    shuffled = _mean_over(pattern, others)
    source, rival = _at(pattern, probe.source), _at(pattern, probe.rival.clamp(min=0)).where(has_rival[:, None], 0.0)
    scores = torch.cat([torch.full_like(r.pattern, torch.nan) if r.scores is None else r.scores for r in layers], dim=1)
    other_score = _mean_over(scores, others)
    rival_score = _at(scores, probe.rival.clamp(min=0)).where(has_rival[:, None], other_score)
    return Looked(source.T, rival.T, shuffled.T, _at(scores, probe.source).T, rival_score.T)


def _at(values: Float[Tensor, "batch head key"], position: Int[Tensor, " batch"]) -> Float[Tensor, "batch head"]:
    return values.take_along_dim(position[:, None, None], dim=2)[:, :, 0]


def _mean_over(values: Float[Tensor, "batch head key"], mask: Bool[Tensor, "batch key"]) -> Float[Tensor, "batch head"]:
    total = values.masked_fill(~mask[:, None], 0.0).sum(dim=2)
    return total / mask.sum(dim=1)[:, None]
