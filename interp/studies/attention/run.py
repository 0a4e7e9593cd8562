"""`view_attention`: a model's attention on one string, with what was found about its heads, ready for a page.

Which string (a prompt, or one that is drawn), which heads, and what is taken away.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import torch
from torch import Tensor

from interp.base.errors import UserError, unknown
from interp.base.provenance import provenance
from interp.base.seeds import own_generator
from interp.loading import Loaded
from interp.measure.ablation.interventions import KINDS, Zero, intervention
from interp.measure.ablation.runs import Ablation
from interp.measure.attention.views import view_variants, viewed_heads
from interp.models.heads import head_name, parse_heads
from interp.models.surface import device, n_ctx
from interp.models.surface import heads as all_heads
from interp.results.ablation import AblationResult
from interp.results.attention import AttentionView
from interp.results.heads import HeadScores
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask
from interp.tasks.vocabulary import LETTERS

REFERENCES = 32
"""Strings that are drawn beside the one that is shown: ablations take their means and donors from them."""
ALONE = ("zero", "mean")
"""Ablations that need no other string, and no place that is copied from."""
LONGEST_DRAWN = 40
"""Letters of a string that is drawn, at most, unless told: its copy is as long again."""


@dataclass(frozen=True)
class Shown:
    """The string that is shown, first in a batch of its like, and how its tokens are written."""

    batch: Batch
    label: Callable[[Tensor], str]


def view_attention(
    loaded: Loaded,
    prompt: str | None = None,
    *,
    length: int | None = None,
    heads: Sequence[str] = (),
    ablate: Sequence[str] | None = None,
    kind: str = "mean",
    scores: HeadScores | None = None,
    ablations: Sequence[AblationResult] = (),
    seed: int = 0,
) -> AttentionView:
    """See how heads attend on one string, as the model is and without some of its heads.

    Args:
        loaded: from `interp.load`.
        prompt: the string to copy, of the task's letters; for a pretrained model (hf:) any text. None: one is drawn.
        length: letters of the string that is drawn; None: of the longest of training, up to `LONGEST_DRAWN`. Not beside
            a prompt.
        heads: names of those to show (L1H3); none: all.
        ablate: names of heads that a second variant goes without; None: first the lookup heads among `scores`, then the
            gather heads, if there are any. (Patterns change in layers above alone, unless edges are cut.)
        kind: of ablation: zero, mean, mean-per-position, resample or edges (`interp.measure.ablation.interventions`).
            Means and donors come from the string and `REFERENCES` others of its length; a text stands alone, and takes
            zero or mean.
        scores: roles, n and responses, measured before.
        ablations: whose single heads say what each costs.
        seed: of the strings that are drawn, and of a model's letters.

    Raises: UserError for a prompt with letters that the task lacks or that does not fit the model's context, for an
        unknown head or kind of ablation, a model without heads, or patterns too large for a page.
    """
    model = loaded.model
    if kind not in KINDS:
        raise unknown("kind of ablation", kind, KINDS)
    if prompt is not None and length is not None:
        raise UserError(f"a prompt has a length of its own; leave out either it or the length ({length}).")
    chosen = parse_heads(heads, model) or all_heads(model)
    if scores is not None and ablate is None:
        sets = {f"the {role} heads": scores.of_role(role) for role in ("lookup", "gather")}
    else:
        named = parse_heads(ablate or (), model)
        sets = {" ".join(map(head_name, named)): tuple(map(head_name, named))}
    taken = {f"without {name}": parse_heads(names, model) for name, names in sets.items() if names}
    if taken and prompt is not None and loaded.pretrained and kind not in ALONE:
        raise UserError(
            f"a text has no other strings beside it and no known sources: take {' or '.join(ALONE)}, not {kind}."
        )
    shown = _text(loaded, prompt) if prompt is not None and loaded.pretrained else _string(loaded, prompt, length, seed)
    batch = shown.batch.to(device(model))
    if (context := n_ctx(model)) is not None and batch.tokens.shape[1] > context:
        raise UserError(f"the string takes {batch.tokens.shape[1]} tokens; this model reads {context} at most.")
    generator = own_generator("donors", seed, str(device(model)))
    way = intervention(kind, batch, generator) if taken else Zero()
    without = {name: Ablation(of_set, way) for name, of_set in taken.items()}
    following = batch.targets[0, -1:]
    return AttentionView(
        provenance=provenance(str(device(model)), seed, model),
        model=loaded.description,
        tokens=batch.tokens[0].cpu().numpy(),
        labels=tuple(shown.label(token[None]) for token in batch.tokens[0]),
        following=shown.label(following) if int(following) >= 0 else None,
        source=batch.source[0].cpu().numpy(),
        heads=viewed_heads(model, chosen, scores, ablations),
        variants=view_variants(model, batch, chosen, shown.label, without),
        notes=_notes(loaded, batch),
    )


def _string(loaded: Loaded, prompt: str | None, length: int | None, seed: int) -> Shown:
    """A string and its copy, spelt out or drawn, and others as long."""
    generator = own_generator("view", seed, str(device(loaded.model)))
    if prompt is None:
        top = loaded.trained_lengths[1] if loaded.trained_lengths else LONGEST_DRAWN
        n_letters = min(top, LONGEST_DRAWN) if length is None else length
        if n_letters < 1:
            raise UserError(f"a string has 1 letter or more; {n_letters} were asked for.")
        return Shown(loaded.task.sample(1 + REFERENCES, n_letters, generator), _labeller(loaded))
    task = loaded.copy_task
    letters = _letters(prompt, task)
    others = torch.randint(task.alphabet, (REFERENCES, len(letters)), generator=generator, device=generator.device)
    return Shown(task.layout(torch.cat([letters.to(others.device)[None], others])), _labeller(loaded))


def _letters(prompt: str, task: CopyTask) -> Tensor:
    known = LETTERS[: task.alphabet]
    strange = sorted(set(prompt) - set(known))
    if strange or not prompt:
        came = f"it has {' '.join(map(repr, strange))}" if prompt else "it is empty"
        raise UserError(f"a prompt is the string to copy, of the letters {known} alone (the marks are added); {came}.")
    return torch.tensor([known.index(letter) for letter in prompt])


def _text(loaded: Loaded, prompt: str) -> Shown:
    """Any text; nothing is known of where its tokens come from."""
    from interp.models.pretrained.bridge import begin_token

    if loaded.pretrained.tokenizer is None:
        raise UserError(
            f"{loaded.pretrained.name} has no tokenizer beside it, so that a text means nothing to it; without a "
            f"prompt a string of its tokens is drawn."
        )
    ids = loaded.pretrained.tokenizer.encode(prompt, add_special_tokens=False)
    if not ids:
        raise UserError("the prompt has no tokens; give it some text.")
    tokens = torch.tensor([[begin_token(loaded.pretrained), *ids]])
    nothing, everything = torch.full_like(tokens, -1), torch.ones_like(tokens, dtype=torch.bool)
    targets = torch.cat([tokens[:, 1:], nothing[:, :1]], dim=1)
    return Shown(Batch(tokens, targets, everything, ~everything, nothing), _labeller(loaded))


def _labeller(loaded: Loaded) -> Callable[[Tensor], str]:
    """A token as text: letters and marks of the task; of a pretrained model what its tokenizer makes of it."""
    tokenizer = getattr(loaded.pretrained, "tokenizer", None)
    if tokenizer is None:
        return loaded.task.vocabulary.decode
    return lambda token: cast(Any, tokenizer).decode(token.tolist())


def _notes(loaded: Loaded, batch: Batch) -> tuple[str, ...]:
    notes = []
    trained, answer = loaded.trained_lengths, int(batch.answer[0].sum())
    if trained and answer and not trained[0] <= answer <= trained[1]:
        letters = f"{answer} letter{'s' * (answer > 1)}"
        notes.append(f"the string has {letters}; the model was trained on {trained[0]} to {trained[1]}")
    if loaded.pretrained and not answer:
        notes.append("means and donors of ablations are those of this text alone")
    return tuple(notes)
