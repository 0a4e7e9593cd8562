"""One lookup head taken apart on probes: why the source and no other letter, and what it makes of the letter there."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.calls import checked_call
from interp.measure.circuits.decomposition import decompose_score, hash_table
from interp.measure.circuits.ov import decompose_logit, decompose_moved
from interp.measure.circuits.stream import looking_head
from interp.models.heads import Head, Heads
from interp.models.stack.model import StackModel
from interp.results.circuits import HeadTables
from interp.tasks.probes.probe import Probe


@checked_call
@torch.no_grad()
def head_tables(model: StackModel, probe: Probe, head: Heads, letters: int = 6) -> HeadTables:
    """Take one attention head apart on probes: its score by writers and by letters back, and the letter's logit.

    The score is that of the source less the mean of the other letters of the first copy that the head sees.

    >>> import torch, interp
    >>> from interp.tasks import planted_repeats
    >>> model, task = interp.planted_copier(2, 12)[0], interp.CopyTask(12)
    >>> probe = planted_repeats(task, torch.ones(8, dtype=torch.long), 14, 0, exclusive=True, context=3, place=0)
    >>> found = head_tables(model, probe, "L1H3")
    >>> round(found.diagonal_share, 2), found.error < 1e-6
    (1.0, True)

    Args:
        model: one of this package's.
        probe: the questions.
        head: an attention head, by name or as a `Head`.
        letters: letters back that are kept apart.

    Raises: UserError for a head of hidden attention.
    """
    found, tokens = looking_head(model, head), probe.batch.tokens
    answer = probe.batch.targets.gather(1, probe.query[:, None])[:, 0]
    weight = _source_less_others(model, probe, found)
    score = decompose_score(model, tokens, found, probe.query, weight)
    back = hash_table(model, tokens, found, probe.query, weight, letters)
    logit = decompose_logit(model, tokens, probe.query, answer)
    moved = decompose_moved(model, tokens, found, probe.query, answer).table
    at_source = moved.take_along_dim(probe.source[:, None, None], 1)[:, 0]
    return HeadTables(
        head=found.name,
        writers=score.query_writers,
        by_writer=score.table.cpu().numpy(),
        query_letters=(*(f"{t} back" for t in back.query_offsets), "rest"),
        key_letters=("its own", *(f"{t} back" for t in back.key_offsets if t >= 0), "rest"),
        by_letter=back.table.cpu().numpy(),
        position=score.position.cpu().numpy(),
        score=score.score.cpu().numpy(),
        logit_writers=logit.writers,
        logit_parts=logit.parts.cpu().numpy(),
        from_source=at_source.cpu().numpy(),
        from_elsewhere=(moved.sum(dim=(1, 2)) - at_source.sum(dim=1)).cpu().numpy(),
    )


def _source_less_others(model: StackModel, probe: Probe, head: Head) -> Float[Tensor, "batch pos"]:
    """Weights of keys: 1 for the source, and -1 shared by the other letters of the first copy that the head sees."""
    letters = probe.whole.copied_from
    place = torch.arange(letters.shape[1], device=letters.device)
    windows = model.blocks[head.layer].attn.heads.windows
    window = None if windows is None else windows[head.index]
    away = probe.query[:, None] - place
    seen = (away >= 0) if window is None else (away >= 0) & (away < window)
    others = letters & seen & (place != probe.source[:, None])
    source = ((place == probe.source[:, None]) & seen).double()
    return source - others.double() / others.sum(dim=1, keepdim=True).clamp(min=1)
