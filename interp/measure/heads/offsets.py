"""What the gather heads bring to a position: the letters that can be read linearly from all of them together.

Together, since one letter may stand only in the difference of two heads.
"""

from dataclasses import dataclass

import torch
from einops import einsum
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.base.axes import Tokens
from interp.measure.attention.rows import blocks
from interp.models.heads import Head, Heads, HeadTable
from interp.models.surface import Model, by_head, vocab_size
from interp.tasks.base import Batch
from interp.tasks.vocabulary import Vocabulary


@dataclass(frozen=True)
class OffsetDecoding:
    """How often the letter t back from a position is read right from the outputs of a set of heads."""

    together: Float[Tensor, "offset example"]
    """Accuracy from all of them; for each string the share of its positions."""
    without: Float[Tensor, "left_out offset example"]
    """Accuracy from all but one, for each in turn."""


@torch.no_grad()
def decode_offsets(
    model: Model, vocabulary: Vocabulary, batch: Batch, heads: Heads, offsets: int, ridge: float = 1e-4
) -> OffsetDecoding:
    """Read the letters 0, 1, ..., `offsets` - 1 back linearly from what `heads` bring to a position.

    Ridge regression from the concatenated outputs of the heads to the one-hot letter, fitted on the first half of the
    strings; tested on the second, where the likeliest letter counts. Positions are letters whose last `offsets` tokens
    are letters, too.

    Args:
        model: any.
        vocabulary: says which tokens are letters.
        batch: ordinary copy strings, other than those on which the heads were chosen.
        heads: one head at least, by name or as `Head`s.
        offsets: how many offsets.
        ridge: penalty, relative to the mean variance of the features.
    """
    chosen = HeadTable.of(model).parse(heads)
    outputs = [_outputs(model, batch.tokens[block], chosen) for block in blocks(model, batch.tokens)]
    z, widths = (
        torch.cat([torch.cat(of_heads, dim=-1) for of_heads in outputs]).double(),
        [x.shape[-1] for x in outputs[0]],
    )
    letter, half = _is_letter(batch), len(batch) // 2
    usable = torch.stack([_back(letter, t) for t in range(offsets)]).all(dim=0)
    number = _letter_numbers(batch.tokens, vocabulary, vocab_size(model))
    back = torch.stack([_back(number, t) for t in range(offsets)], dim=2)
    weight = usable[:half, :, None].double()
    features = z - (z[:half] * weight).sum(dim=(0, 1)) / weight.sum()
    letters = torch.nn.functional.one_hot(back[:half], vocabulary.n_letters).double()
    prior = (letters * weight[..., None]).sum(dim=(0, 1)) / weight.sum()
    fit = (features[:half] * weight).flatten(0, 1)
    gram = fit.T @ features[:half].flatten(0, 1)
    gram = gram + ridge * gram.diagonal().mean().clamp(min=1e-12) * torch.eye(len(gram), dtype=z.dtype, device=z.device)
    cross = einsum(fit, (letters - prior).flatten(0, 1), "row i, row t v -> i t v")

    def shares(kept: Int[Tensor, " feature"]) -> Float[Tensor, "offset example"]:
        solved = torch.linalg.solve(gram[kept][:, kept], cross[kept].flatten(1)).unflatten(1, prior.shape)
        guess = (einsum(features[half:][..., kept], solved, "b p i, i t v -> b p t v") + prior).argmax(dim=-1)
        right = (guess == back[half:]) & usable[half:, :, None]
        return (right.sum(dim=1) / usable[half:].sum(dim=1, keepdim=True)).T

    every = torch.arange(len(gram), device=z.device)
    own = every.split(widths)
    all_but = [torch.cat([every[:0], *own[:i], *own[i + 1 :]]) for i in range(len(chosen))]
    return OffsetDecoding(shares(every), torch.stack([shares(rest) for rest in all_but]))


def _outputs(model: Model, tokens: Tokens, heads: tuple[Head, ...]) -> list[Float[Tensor, "batch pos feature"]]:
    """What each head brings, as wide as it is."""
    names = sorted({head.output_hook for head in heads})
    _, cache = model.run_with_cache(tokens, names_filter=names)
    return [by_head(cache[head.output_hook])[:, :, head.index] for head in heads]


def _is_letter(batch: Batch) -> Bool[Tensor, "batch pos"]:
    """Positions that hold a letter of either copy: those copied from, and those that the position before asked for."""
    return batch.copied_from | _back(batch.answer, 1)


def _letter_numbers(tokens: Tokens, vocabulary: Vocabulary, n_tokens: int) -> Int[Tensor, "batch pos"]:
    """Letters counted from 0; special tokens count as letter 0, and are never asked for."""
    letters = torch.arange(vocabulary.n_letters, device=tokens.device)
    table = torch.zeros(n_tokens, dtype=torch.long, device=tokens.device)
    return table.scatter(0, vocabulary.ids(letters), letters)[tokens]


def _back(x: Tensor, t: int) -> Tensor:
    """x at the position t back; 0 (False) before the beginning."""
    return x if t == 0 else torch.nn.functional.pad(x[:, :-t], (t, 0))
