"""QK and OV circuits of a head letter by letter, from the weights alone: which letter it looks for, and what it writes.

Elhage et al. 2021: the full OV circuit is `W_E W_V W_O W_U`, the full QK circuit `W_E W_Q W_K^T W_E^T`, and where heads
of earlier layers bring the letters (composition), `W_E W_V W_O` of theirs stands in the place of `W_E`.
"""

from typing import Any

import torch

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.circuits.separable import require_separable
from interp.models.heads import Head, HeadTable
from interp.models.transformer import HookedTransformer
from interp.results.circuits import LetterCircuits
from interp.tasks.base import Task

OWN = "its own letter"


@checked_call
@torch.no_grad()
def letter_circuits(model: Any, task: Task, head: str | Head) -> LetterCircuits:
    """Multiply a head's circuits out over the letters of a task.

    Norms and biases are left out: these are the bilinear maps of the weights, which say what could be looked for and
    written, not how strongly on a given string (`interp circuit` measures that).

    >>> loaded = interp.load("planted:ngram?n=2&alphabet=5")
    >>> found = interp.letter_circuits(loaded.model, loaded.task, "L1H3")
    >>> found.ov.argmax(axis=1).tolist()  # the letter that it raises most, of each letter that it attends to
    [0, 1, 2, 3, 4]

    Args:
        model: a `HookedTransformer`, whose layers may differ in their heads.
        task: whose letters.
        head: a lookup head, by name or as a `Head`.

    Raises: UserError for another model or as `require_separable`, for a layer with a convolution up to the head's own,
        for a task over tokens that the model does not have, or a head that it does not have.
    """
    if not isinstance(model, HookedTransformer):
        raise UserError(
            f"model must be a HookedTransformer, whose circuits are products of its weights; got a "
            f"{type(model).__name__}. Ask for interp circuit, which runs the model."
        )
    require_separable(model)
    table, vocabulary = HeadTable.of(model), task.vocabulary
    (chosen,) = table.parse([head])
    if vocabulary.size > model.config.d_vocab:
        raise UserError(
            f"task must use the model's tokens, ids below {model.config.d_vocab}; got a task over {vocabulary.size}. "
            "Pass the one that it was trained on."
        )
    if convolved := [layer for layer in range(chosen.layer + 1) if model.config.conv_in(layer)]:
        raise UserError(
            "model must have no convolution on its queries, keys and values for circuits that are products of weights; "
            f"got one in layer {convolved[0]}, which mixes letters. Ask for interp circuit, which runs the model."
        )
    letters = vocabulary.ids(torch.arange(vocabulary.n_letters)).to(model.W_E.device)
    embedded, attn = model.W_E[letters], model.blocks[chosen.layer].attn
    brought = {OWN: embedded}
    for before in table.heads:
        if before.layer < chosen.layer:
            of = model.blocks[before.layer].attn
            brought[before.name] = embedded @ of.W_V[before.index] @ of.W_O[before.index]
    queries = torch.stack([by @ attn.W_Q[chosen.index] for by in brought.values()])
    keys = torch.stack([by @ attn.W_K[chosen.index] for by in brought.values()])
    width = attn.W_Q.shape[-1] ** 0.5
    ov = embedded @ attn.W_V[chosen.index] @ attn.W_O[chosen.index] @ model.W_U[:, letters]
    qk = torch.einsum("a i d, b j d -> a b i j", queries, keys) / width
    return LetterCircuits(
        chosen.name, tuple(vocabulary.letters), tuple(brought), qk.float().cpu().numpy(), ov.float().cpu().numpy()
    )
