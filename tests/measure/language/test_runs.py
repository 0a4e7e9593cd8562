"""Runs that begin at the first ablated layer: only where that was seen to give what whole runs give."""

import pytest
import torch

import interp
from interp.measure.edit import Edit, Site
from interp.measure.language.runs import SharedRun
from interp.measure.values import Zero
from interp.models.heads import HeadTable


@pytest.mark.parametrize("spoilt", [None, "other numbers", "no stream"])
@torch.no_grad()
def test_a_layer_from_which_runs_differ_or_fail_gets_whole_ones(spoilt, generator):
    model, _ = interp.planted_copier(n=2)
    tokens, head = interp.CopyTask().sample(4, 8, generator()).tokens, HeadTable.of(model)["L1H3"]
    shared = SharedRun.of(model, tokens, 5)
    if spoilt:
        stream = shared.entering[1]
        shared.entering[1] = torch.randn(stream.shape, generator=generator(1)) if spoilt == "other numbers" else None
    hooks = [Edit(Site.of(head), Zero()).hook(model)]
    whole = model.run_with_hooks(tokens, return_type="logits", fwd_hooks=hooks)[:, 5:]
    torch.testing.assert_close(shared.without([head], Zero()), whole)
    assert not torch.allclose(whole, shared.logits)
    assert shared.shares == {1: spoilt is None}
