"""What is left of copies without heads: against runs made by hand."""

import numpy as np
import pytest
import torch

import interp
from interp.base.errors import UserError
from interp.measure.edit import Edit, Site
from interp.measure.language.losses import copy_losses
from interp.measure.values import Donor, Resample
from interp.models.heads import HeadTable


def test_tokens_that_are_foreseen_on_first_reading_are_told_from_the_others(generator):
    """Each string is read and judged token by token; what ablated heads write is put there by hand."""
    model, _ = interp.planted_copier(n=2, random_heads=1)
    batch = interp.CopyTask(alphabet=26).sample(12, 10, generator=0)
    found = copy_losses(model, batch, {"lookup": ["L1H3"]}, ("mean", "zero", "resample"), generator=1)
    head = HeadTable.of(model)["L1H3"]
    clean, cache = model.run_with_cache(batch.tokens)
    z = cache[head.output_hook]
    mean = z.mean(dim=(0, 1)).expand_as(z)
    told = [clean.argmax(dim=-1)]
    donor = Resample.draw(len(batch), generator(1)).donor
    assert (donor != torch.arange(len(batch))).all()
    for value in (mean, torch.zeros_like(z), torch.stack([z[int(other)] for other in donor])):
        hook = Edit(Site.of(head), Donor(value)).hook(model)
        told.append(model.run_with_hooks(batch.tokens, fwd_hooks=[hook]).argmax(dim=-1))
    places = [
        [(int(q), int(batch.source[b, q]) - 1) for q in batch.answer[b].nonzero()[:, 0] if batch.source[b, q] >= 1]
        for b in range(len(batch))
    ]
    for row, guess in enumerate(told):
        for b, asked in enumerate(places):
            right = [bool(guess[b, q] == batch.targets[b, q]) for q, _ in asked]
            known = [bool(told[0][b, first] == batch.targets[b, q]) for q, first in asked]
            assert found.right[row, b] == pytest.approx(np.mean(right))
            parts = ((found.foreseen, known), (found.unforeseen, [not one for one in known]))
            for values, which in parts:
                some = [one for one, counts in zip(right, which, strict=True) if counts]
                assert values[row, b] == pytest.approx(np.mean(some)) if some else np.isnan(values[row, b])
            first_time = [bool(guess[b, first] == batch.targets[b, q]) for q, first in asked]
            assert found.first_reading[row, b] == pytest.approx(np.mean(first_time))
    assert found.rows == ("as it is", "without lookup, mean", "without lookup, zero", "without lookup, resample")
    assert not np.isnan(found.foreseen).all(), "some tokens are guessed before there is anything to copy"
    assert found.unforeseen[3].mean() < 0.3 < found.unforeseen[0].mean()


def test_what_cannot_be_asked_is_refused():
    model, _ = interp.planted_copier(n=1)
    batch = interp.CopyTask().sample(2, 6, generator=0)
    with pytest.raises(UserError, match="kind of ablation"):
        copy_losses(model, batch, {"one": ["L0H0"]}, ("median",))
    with pytest.raises(UserError, match="L9H9"):
        copy_losses(model, batch, {"one": ["L9H9"]})
