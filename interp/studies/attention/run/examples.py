"""`attention_examples`: strings worth looking at, chosen by what the model does with them, for one page.

Those that it gets wrong; planted repeats, whose answer has a source and a rival; and a sample in even steps of how much
one head attends to the source.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from interp.base import words
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.loading import Loaded, as_loaded
from interp.measure.attention.views import view_variants, viewed_heads
from interp.models.heads import Head, HeadTable
from interp.models.surface import device, visit_attention
from interp.results.attention import AttentionExample, AttentionExamples, AttentionView
from interp.results.heads import HeadScores
from interp.studies.attention.run.string import Shown, labeller, shown_string
from interp.tasks.base import Batch, need
from interp.tasks.probes.planted_repeats import planted_repeats
from interp.tasks.score import score

AT_ONCE = 16
"""Strings whose patterns are made together."""
PLANTED = 2
"""Letters of the repeats that are planted, at least."""
FEWEST, MOST = 3, 40
"""Examples of a page."""


@checked_call
def attention_examples(
    loaded: Loaded | str | Path,
    examples: int = 10,
    *,
    strings: int = 192,
    length: int | None = None,
    heads: Sequence[str] = (),
    head: str | None = None,
    scores: HeadScores | None = None,
    seed: int = 0,
) -> AttentionExamples:
    """Choose strings to look at, and record attention on each: a third wrong ones, a third planted, the rest by score.

    >>> found = interp.attention_examples("planted:ngram?n=2&alphabet=6", 6, strings=24, length=12)
    >>> [example.group for example in found.examples]
    ['wrong', 'wrong', 'planted', 'planted', 'by score', 'by score']

    Args:
        loaded: what `interp.load` returns, or a model specification.
        examples: strings of the page, 3 to 40. Where fewer are wrong, more are taken by score.
        strings: that are drawn, and among which wrong ones and steps of the score are looked for.
        length: letters of each; None: as `view_attention`.
        heads: names of those to show (L1H3); none: all.
        head: whose attention to the source orders the strings; None: that of the lookup head with the highest score
            among `scores`, else the head that attends to the source most.
        scores: roles, n and responses, measured before.
        seed: of the strings that are drawn.

    Raises: UserError for another number of examples, a task that lays out no letters, and as `view_attention`.
    """
    check_examples(examples)
    if strings < examples:
        raise UserError(f"strings must be at least as many as examples, {examples}; got {strings}. Draw more.")
    loaded = as_loaded(loaded, seed)
    model, task = loaded.model, loaded.task
    need(task, "lays_out_letters")
    table = HeadTable.of(model).require()
    chosen = table.parse(heads) or table.heads
    like = shown_string(loaded, None, length, seed)
    letters = int(like.batch.answer_lengths[0])
    drawn = task.sample(strings, letters, own_generator("examples", seed)).to(device(model))
    wrong, on_source = _looked_up(loaded, drawn, table)
    best = table.parse([head])[0] if head else _best(table, scores, on_source)
    order = np.argsort(on_source[:, table.index(best)], kind="stable")
    n_wrong, n_planted = min(examples // 3, len(wrong)), examples // 3
    steps = np.linspace(0, strings - 1, examples - n_wrong - n_planted).round().astype(int)
    found = [
        ("wrong", f"wrong from letter {first + 1} on", drawn.rows(slice(row, row + 1)), _asked_at(drawn, row, first))
        for row, first in wrong[:n_wrong]
    ]
    found += _planted(loaded, n_planted, letters, seed)
    for place in steps:
        row = int(order[place])
        share = words.number(float(on_source[row, table.index(best)]))
        lower = f"{100 * place / max(1, strings - 1):.0f}%"
        says = f"{best.name} {share} on the source: above {lower} of {strings} strings"
        found.append(("by score", says, drawn.rows(slice(row, row + 1)), -1))
    known = viewed_heads(model, chosen, scores)
    about = provenance(str(device(model)), seed, model)
    views = [_view(loaded, batch, chosen, known, about) for _, _, batch, _ in found]
    return AttentionExamples(
        provenance=about,
        model=loaded.description,
        head=best.name,
        strings=strings,
        wrong=len(wrong),
        examples=tuple(
            AttentionExample(group, says, view, query)
            for (group, says, _, query), view in zip(found, views, strict=True)
        ),
    )


def check_examples(examples: int) -> None:
    """Raises: UserError for fewer than a page of examples needs, or more than fit one."""
    if not FEWEST <= examples <= MOST:
        raise UserError(f"examples must be {FEWEST} to {MOST}; got {examples}. Ten fit a page of a megabyte.")


@torch.no_grad()
def _looked_up(loaded: Loaded, drawn: Batch, table: HeadTable) -> tuple[list[tuple[int, int]], np.ndarray]:
    """Rows that the model gets wrong, with the first wrong letter, and each head's mean attention to the source."""
    model: Any = loaded.model
    wrong: list[tuple[int, int]] = []
    means = np.zeros((len(drawn), len(table.heads)))
    for start in range(0, len(drawn), AT_ONCE):
        batch = drawn.rows(slice(start, start + AT_ONCE))
        first = score(model(batch.tokens), batch).first_error
        wrong += [(start + row, int(at)) for row, at in enumerate(first) if at >= 0]
        asked, source = batch.source >= 0, batch.source.clamp(min=0)

        def keep(layer: int, pattern: torch.Tensor, _: Any, at: int = start, asked=asked, source=source) -> None:
            index = source[:, None, :, None].expand(-1, pattern.shape[1], -1, 1)
            weight = pattern.gather(3, index)[..., 0].float() * asked[:, None]
            mean = weight.sum(dim=2) / asked.sum(dim=1).clamp(min=1)[:, None]
            for place, of in enumerate(table.heads):
                if of.layer == layer:
                    means[at : at + len(mean), place] = mean[:, of.index].cpu().numpy()

        visit_attention(model, batch.tokens, keep)
    return wrong, means


def _asked_at(drawn: Batch, row: int, letter: int) -> int:
    """The position whose next token is this letter of the answer."""
    return int(drawn.answer[row].nonzero()[letter])


def _best(table: HeadTable, scores: HeadScores | None, on_source: np.ndarray) -> Head:
    """The lookup head with the highest score, else the head that attends to the source most."""
    lookups = [found for found in scores.heads if found.role == "lookup"] if scores else []
    if lookups:
        return table.parse([max(lookups, key=lambda found: found.score).name])[0]
    return table.heads[int(on_source.mean(axis=0).argmax())]


def _planted(loaded: Loaded, n: int, letters: int, seed: int) -> list[tuple[str, str, Batch, int]]:
    """Strings with a repeat of 2 letters and more, as long as they fit."""
    found = []
    for i in range(n):
        k = max(0, min(PLANTED + i, letters // 3))
        probe = planted_repeats(
            loaded.task, torch.tensor([k]), letters, own_generator(f"planted-{i}", seed), False, context=k, place=0
        )
        query, source, rival = (int(of[0]) for of in (probe.query, probe.source, probe.rival))
        says = f"a repeat of {words.count(k, 'letter')}: at query {query} source {source} against rival {rival}"
        found.append(("planted", says, probe.whole.to(device(loaded.model)), query))
    return found


def _view(loaded: Loaded, batch: Batch, chosen: Any, known: Any, about: dict[str, Any]) -> AttentionView:
    shown = Shown(batch, labeller(loaded))
    following = batch.targets[0, -1:]
    return AttentionView(
        provenance=about,
        model=loaded.description,
        tokens=batch.tokens[0].cpu().numpy(),
        labels=shown.labels(batch.tokens[0]),
        following=shown.label(following) if int(following) >= 0 else None,
        source=batch.source[0].cpu().numpy(),
        heads=known,
        variants=view_variants(loaded.model, batch, chosen, shown.label),
        notes=(),
    )
