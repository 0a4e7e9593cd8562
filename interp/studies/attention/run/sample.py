"""`sampled_views`: attention on many strings or texts, one after the other, such as HeadVis's data tree is made of."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.loading import Loaded, as_loaded
from interp.measure.attention.views import view_variants, viewed_heads
from interp.models.heads import HeadTable
from interp.models.surface import device, n_ctx
from interp.results.attention import AttentionView
from interp.results.heads import HeadScores
from interp.studies.attention.run.string import Shown, labeller
from interp.tasks.base import Batch
from interp.tasks.text import Corpus


@checked_call
def sampled_views(
    loaded: Loaded | str | Path,
    strings: int,
    length: int = 64,
    corpus: Corpus | None = None,
    *,
    heads: Sequence[str] = (),
    scores: HeadScores | None = None,
    seed: int = 0,
) -> Iterator[AttentionView]:
    """Record attention on many strings: of a language model pieces of a text, of other models strings of their task.

    >>> views = sampled_views("planted:ngram?n=2&alphabet=6", 3, 12)
    >>> [view.variants[0].pattern.shape for view in views]
    [(8, 26, 26), (8, 26, 26), (8, 26, 26)]

    Args:
        loaded: what `interp.load` returns, or a model specification.
        strings: how many.
        length: tokens of each text, or letters of each string, whose copy follows.
        corpus: the text that pieces are cut from, at places drawn at random; None: the paragraphs of this package, and
            for a model without a tokenizer its task.
        heads: names of those to record (L1H3); none: all.
        scores: roles, n and responses, measured before.
        seed: of the strings that are drawn.

    Returns: the views, each made when it is asked for.

    Raises: UserError for less than one string, a length that the model's context does not hold, a text that is too
        short, a text for a model without a tokenizer, or an unknown head.
    """
    loaded = as_loaded(loaded, seed)
    tokenizer = getattr(loaded.pretrained, "tokenizer", None)
    if strings < 1 or length < 1:
        raise UserError(f"strings and length must be at least 1; got {strings} and {length}. Ask for more.")
    if corpus is not None and tokenizer is None:
        raise UserError("model must have a tokenizer to read a text; got none. Leave corpus out: its task is shown.")
    table = HeadTable.of(loaded.model).require()
    chosen = table.parse(list(heads)) or table.heads
    batch = _texts(loaded, corpus or Corpus.read(), strings, length, seed) if tokenizer else None
    if batch is None:
        batch = loaded.task.sample(strings, length, own_generator("sample of strings", seed))
    if (context := n_ctx(loaded.model)) is not None and batch.tokens.shape[1] > context:
        raise UserError(
            f"length must leave a string at most {context} tokens, the context of this model; got "
            f"{batch.tokens.shape[1]}. Use a shorter one."
        )
    known, about = viewed_heads(loaded.model, chosen, scores), provenance(str(device(loaded.model)), seed, loaded.model)
    batch = batch.to(device(loaded.model))

    def one(row: int) -> AttentionView:
        string = batch.rows(slice(row, row + 1))
        shown, following = Shown(string, labeller(loaded)), string.targets[0, -1:]
        return AttentionView(
            provenance=about,
            model=loaded.description,
            tokens=string.tokens[0].cpu().numpy(),
            labels=shown.labels(string.tokens[0]),
            following=shown.label(following) if int(following) >= 0 else None,
            source=string.source[0].cpu().numpy(),
            heads=known,
            variants=view_variants(loaded.model, string, chosen, shown.label),
            notes=(),
        )

    return (one(row) for row in range(strings))


def _texts(loaded: Loaded, corpus: Corpus, strings: int, length: int, seed: int) -> Batch:
    """Tokens in a row of a text, from places drawn at random, behind the token that begins a text."""
    from interp.models.pretrained.bridge import begin_token

    ids = torch.tensor(loaded.pretrained.tokenizer.encode(" ".join(corpus.words), add_special_tokens=False))
    if (last := len(ids) - length) < 0:
        raise UserError(f"text must have at least {length} tokens; got {len(ids)}. Name a longer text.")
    start = torch.randint(last + 1, (strings, 1), generator=own_generator("sample of texts", seed))
    tokens = torch.cat([torch.full((strings, 1), begin_token(loaded.pretrained)), ids[start + torch.arange(length)]], 1)
    nothing, nowhere = torch.full_like(tokens, -1), torch.zeros_like(tokens, dtype=torch.bool)
    targets = torch.cat([tokens[:, 1:], nothing[:, :1]], dim=1)
    return Batch(tokens, targets, targets >= 0, nowhere, nothing)
