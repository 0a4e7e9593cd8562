"""Induction backwards: which heads look behind the letter that is to be written, and how many letters they match.

Read backwards, what was written last stands *behind* the next letter in the string. A head that looks it up attends to
the place where that match ends, as many places behind the letter as it has letters; one that knows the place from
elsewhere, anywhere. So all places up to `longest` behind are looked at. What a head matches there is told by rivals:
the same letters at another place of the string, all of them, or all but one. A rival draws as much attention as the
place itself where the two are alike in all that the head matches; where it draws none with all of them, the head goes
by something else. A head that looks forwards stops one behind a match, too; what is written tells the two apart.
"""

from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import own_generator, spawn
from interp.base.stats import benjamini_hochberg, empirical_p
from interp.measure.attention.rows import blocks, rows_at
from interp.measure.heads.lookup import ENDS
from interp.measure.heads.settings import HeadSettings
from interp.measure.progress import OnStep, announced
from interp.models.heads import HeadTable
from interp.models.stack.layers import LayerNorm
from interp.models.stack.model import StackModel
from interp.models.surface import Model, untrained_like
from interp.results.backwards import BackwardHead, BackwardHeads
from interp.tasks.base import Batch, Task
from interp.tasks.reverse import ReverseCopy
from interp.tasks.sampling import below

WRITES = 0.5
"""Least share of what a head raises most that the letter which is due must have (`BackwardHead.writing`)."""
DRAWS = 0.1
"""Least share, of what a rival and the place itself draw together, that one alike in all has where letters decide."""
Behind = Float[Tensor, "head offset string"]


@checked_call
@torch.no_grad()
def backward_heads(
    model: StackModel,
    task: Task,
    length: int = 24,
    settings: HeadSettings | None = None,
    seed: int = 0,
    on_step: OnStep = lambda _: None,
) -> BackwardHeads:
    """Find the heads that do induction backwards, and the letters that each matches.

    >>> from interp.models.planted import planted_reverser
    >>> settings = HeadSettings(longest=4, strings=32)
    >>> found = backward_heads(planted_reverser(n=2, alphabet=8)[0], interp.tasks.ReverseCopy(8), settings=settings)
    >>> found.flagged, [head.n for head in found.heads if head.flagged]
    (('L1H4',), [2])

    Args:
        model: one of ours, all of whose layers attend.
        task: writing backwards.
        length: letters of the strings, at least 2 more than twice `settings.longest`.
        settings: strings, the longest match, level, floor, and the share of attention that counts as unchanged.
        seed: of the strings and of the untrained models that are the null.
        on_step: told how far it is.

    Raises: UserError for another task, a model with recurrent layers or with norms after its attention, or strings too
        short for the longest match.
    """
    settings, table = settings or HeadSettings(), HeadTable.of(model)
    _refuse_others(model, task, length, settings, table)
    generator = own_generator("backwards", seed)
    batch, source, rival = _strings(task, settings, length, generator)
    asked = _Asked(batch.tokens.to(model.device), source.to(model.device), length, settings.longest)
    clean, chance = _looked(model, asked, asked.source)
    best, above = (found.cpu() for found in _surely(clean, chance))
    writing = _writing(model, asked, task).cpu().numpy()
    p = empirical_p(above.numpy(), _null(model, asked, settings.null_draws, seed, on_step).cpu().numpy())
    q = benjamini_hochberg(p)
    flagged = (q < settings.level) & (above.numpy() > settings.floor) & (writing >= WRITES)
    own = clean[torch.arange(len(table)), best].mean(dim=1)
    rivals = _rivals(model, asked, task, best, rival.to(model.device), generator).double().cpu().numpy()
    heads = tuple(
        BackwardHead(
            name=head.name,
            flagged=bool(flagged[i]),
            offset=int(best[i]),
            attention=float(own[i]),
            chance=float(chance[i].mean()),
            writing=float(writing[i]),
            matches=tuple(map(int, np.flatnonzero(rivals[i] < settings.alike))) if flagged[i] else (),
            p_value=float(p[i]),
            q_value=float(q[i]),
        )
        for i, head in enumerate(table)
    )
    over = (clean - chance[:, None]).mean(dim=2).double().cpu().numpy()
    return BackwardHeads(heads, settings.level, settings.floor, over, rivals)


@dataclass(frozen=True)
class _Asked:
    """Strings, and a letter of each that is asked for."""

    tokens: Tokens
    source: Int[Tensor, " string"]
    """Where that letter stands."""
    length: int
    longest: int
    """Places behind the source that are looked at."""

    @property
    def query(self) -> Int[Tensor, " string"]:
        """The positions that ask for it."""
        return 2 * self.length + 1 - self.source


def _strings(
    task: Task, settings: HeadSettings, length: int, generator: torch.Generator
) -> tuple[Batch, Int[Tensor, " string"], Int[Tensor, " string"]]:
    """Strings, with two places in each that have `longest` letters of their own behind them, in either order."""
    batch = task.sample(settings.strings, length, generator)
    many, free = settings.longest, length - 2 * settings.longest - 1
    first, second = below(torch.full((2, settings.strings), free), generator).sort(dim=0).values + 1
    second = second + many + 1
    swap = below(torch.full((settings.strings,), 2), generator).bool()
    return batch, torch.where(swap, second, first), torch.where(swap, first, second)


def _refuse_others(model: StackModel, task: Task, length: int, settings: HeadSettings, table: HeadTable) -> None:
    """Raises: UserError as `backward_heads` does."""
    if not isinstance(task, ReverseCopy):
        raise UserError(
            f"task must be writing backwards; got a {type(task).__name__}. Take ReverseCopy(), or --task reverse."
        )
    if length < 2 * settings.longest + 2:
        raise UserError(
            f"length must be at least {2 * settings.longest + 2}, for the longest match and a rival; got {length}. "
            "Take longer strings, or a shorter match."
        )
    if set(table.kinds) != {"attention"}:
        raise UserError(
            "layers must all be of attention for heads that look backwards; got others. Take a transformer."
        )
    if model.attention is not None and model.attention.norm_after:
        raise UserError(
            "norm_after must be False for heads that look backwards, as what each writes is read off the stream; got "
            "True. Take a model whose norms come before."
        )


def _null(model: Model, asked: _Asked, draws: int, seed: int, on_step: OnStep) -> Float[Tensor, " draw"]:
    """What heads of untrained models of the same shape have surely above chance."""
    found = []
    for number in announced(range(draws), "untrained models", on_step):
        untrained = untrained_like(model, spawn(seed, "untrained", number))
        found.append(_surely(*_looked(untrained, asked, asked.source))[1])
    return torch.cat(found)


def _rivals(
    model: StackModel,
    asked: _Asked,
    task: Task,
    best: Int[Tensor, " head"],
    rival: Int[Tensor, " string"],
    generator: torch.Generator,
) -> Float[Tensor, "head back"]:
    """Attention to a rival unlike in one letter, as a share of that to one alike in all (`BackwardHeads.rival`)."""
    heads, found = torch.arange(len(best)), []
    alike = _with_rival(asked, rival)
    for back in (None, *range(asked.longest)):
        tokens = alike if back is None else _changed(alike, rival + 1 + back, task, generator)
        there = replace(asked, tokens=_answered(tokens, asked.length))
        own, other = (_looked(model, there, at)[0][heads, best].mean(dim=1) for at in (asked.source, rival))
        found.append(other / (own + other).clamp(min=1e-12))
    same, *unlike = found
    return torch.where(same[:, None] > DRAWS, torch.stack(unlike, dim=1) / same[:, None].clamp(min=1e-12), 1.0)


def _with_rival(asked: _Asked, rival: Int[Tensor, " string"]) -> Tokens:
    """The strings with the letters behind the source behind another place, too, whatever stands there."""
    tokens = asked.tokens
    for back in range(1, asked.longest + 1):
        tokens = tokens.scatter(1, rival[:, None] + back, tokens.gather(1, asked.source[:, None] + back))
    return tokens


def _answered(tokens: Tokens, length: int) -> Tokens:
    """The strings with the answer that they have now."""
    string, rest = tokens[:, : length + 2], tokens[:, 2 * length + 2 :]
    return torch.cat([string, string[:, 1:-1].flip(1), rest], dim=1)


def _looked(model: Model, asked: _Asked, at: Int[Tensor, " string"]) -> tuple[Behind, Float[Tensor, "head string"]]:
    """Attention to the places 0 to `longest` behind a letter, and to the mean of the string's other letters."""
    behind, chance, tokens, length, most = [], [], asked.tokens, asked.length, asked.longest
    for some in blocks(model, tokens):
        rows = rows_at(model, tokens[some], asked.query[some])
        pattern = torch.cat([each.pattern for each in rows], dim=1)
        places = at[some, None] + torch.arange(most + 1, device=tokens.device)
        found = pattern.take_along_dim(places[:, None], dim=2)
        behind.append(found.permute(1, 2, 0))
        letters = pattern[:, :, 1 : length + 1].sum(dim=2)
        chance.append(((letters - found.sum(dim=2)) / (length - most - 1)).T)
    return torch.cat(behind, dim=2), torch.cat(chance, dim=1)


def _surely(behind: Behind, chance: Float[Tensor, "head string"]) -> tuple[Int[Tensor, " head"], Tensor]:
    """The place behind, 1 or more, that is most surely above chance, and the lower end of its interval."""
    above = (behind - chance[:, None]).double()
    error = above.std(dim=2, correction=0) * max(1, above.shape[2] - 1) ** -0.5
    low = (above.mean(dim=2) - ENDS * error)[:, 1:]
    return low.argmax(dim=1) + 1, low.amax(dim=1)


def _writing(model: StackModel, asked: _Asked, task: Task) -> Float[Tensor, " head"]:
    """`BackwardHead.writing` of every head, on the direct path through the final norm without its scale."""
    tokens = asked.tokens
    ids = task.vocabulary.ids(torch.arange(task.n_letters)).to(tokens.device)
    due = (ids == tokens.gather(1, asked.source[:, None])).int().argmax(dim=1)
    shares, norm = [], model.ln_final
    for layer, heads in HeadTable.of(model).by_layer.items():
        name = heads[0].output_hook
        _, cache = model.run_with_cache(tokens, return_type=None, names_filter=[name], stop_at_layer=layer + 1)
        z = cache[name].take_along_dim(asked.query[:, None, None, None], 1)[:, 0]
        x = torch.einsum("bhd,hdm->hbm", z, model.blocks[layer].attn.W_O)
        x = x - x.mean(dim=-1, keepdim=True) if isinstance(norm, LayerNorm) else x
        weight = getattr(norm, "w", None)
        logits = (x if weight is None else x * weight) @ model.W_U[:, ids]
        logits = logits - logits.mean(dim=-1, keepdim=True)
        own = logits.take_along_dim(due[None, :, None], 2)[..., 0]
        most = logits.amax(dim=-1)
        shares.append(torch.where(most > 1e-9, own / most.clamp(min=1e-9), 0.0).mean(dim=1))
    return torch.cat(shares)


def _changed(tokens: Tokens, at: Int[Tensor, " string"], task: Task, generator: torch.Generator) -> Tokens:
    """The strings with another letter at one place of each."""
    n, ids = task.n_letters, task.vocabulary.ids(torch.arange(task.n_letters)).to(tokens.device)
    step = 1 + below(torch.full((len(tokens),), n - 1), generator).to(tokens.device)
    here = tokens.gather(1, at[:, None])[:, 0]
    number = (ids == here[:, None]).int().argmax(dim=1)
    return tokens.scatter(1, at[:, None], ids[(number + step) % n][:, None])
