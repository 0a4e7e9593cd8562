"""Runs that begin at the first ablated layer: only where that was seen to give what whole runs give."""

import pytest
import torch

import interp
from interp.base.errors import UserError
from interp.measure.edit import Edit, Site
from interp.measure.language.runs import SharedRun
from interp.measure.values import Zero
from interp.models.heads import HeadTable


@pytest.mark.parametrize("spoilt", [None, "other numbers"])
@torch.no_grad()
def test_a_layer_from_which_runs_differ_gets_whole_ones(spoilt, generator):
    model, _ = interp.planted_copier(n=2)
    tokens, head = interp.CopyTask().sample(4, 8, generator()).tokens, HeadTable.of(model)["L1H3"]
    shared = SharedRun.of(model, tokens, 5)
    if spoilt:
        stream = shared.entering[1]
        shared.entering[1] = torch.randn(stream.shape, generator=generator(1))
    hooks = [Edit(Site.of(head), Zero()).hook(model)]
    whole = model.run_with_hooks(tokens, return_type="logits", fwd_hooks=hooks)[:, 5:]
    torch.testing.assert_close(shared.without([head], Zero()), whole)
    assert not torch.allclose(whole, shared.logits)
    assert shared.shares == {1: spoilt is None}


@torch.no_grad()
def test_only_under_a_bridge_may_a_run_from_the_middle_fail_and_nowhere_for_lack_of_memory(generator, monkeypatch):
    model, _ = interp.planted_copier(n=2)
    shared = SharedRun.of(model, interp.CopyTask().sample(4, 8, generator()).tokens, 5)
    shared.entering[1] = None
    with pytest.raises(UserError, match="must be a residual stream"):
        shared.without([HeadTable.of(model)["L1H3"]], Zero())
    assert not shared.shares
    errors = iter([torch.OutOfMemoryError("CUDA out of memory"), TypeError("a tuple")])

    def fail(*_):
        raise next(errors)

    monkeypatch.setattr(SharedRun, "_from", fail)
    other = SharedRun.__new__(SharedRun)
    vars(other).update(vars(shared) | {"model": "of another package"})
    with pytest.raises(torch.OutOfMemoryError):
        other._may_begin_at(1)
    assert not other._may_begin_at(1) and other.shares == {1: False}
