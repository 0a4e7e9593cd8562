"""Direct, total and won back are what runs edited by hand give; a backup that is built to wake is found to."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.circuits.repair import self_repair
from interp.models.planted import planted_copier
from interp.tasks import CopyTask
from interp.tasks.score import logit_difference, per_string

TASK = CopyTask(5)


@torch.no_grad()
def test_effects_are_those_of_runs_edited_by_hand(made):
    model, batch = made("alibi, LN, MLP"), TASK.sample(4, 4, 0)
    found = self_repair(model, batch, TASK.vocabulary, ["L1H0", "L2H1"])
    assert found.others == ("L1.mlp", "L2H0", "L2.mlp")  # of L1H0; L2H1 is one of those asked about
    z, out, last = "blocks.1.attn.hook_z", "blocks.1.hook_mlp_out", "blocks.2.hook_resid_post"
    _, clean = model.run_with_cache(batch.tokens)

    def score(logits):
        return per_string(logit_difference(logits, batch, TASK.vocabulary), batch).double().numpy()

    mean = clean[z][:, :, :1].mean(dim=(0, 1), keepdim=True)
    gone = (z, lambda x, hook: torch.cat([mean.expand_as(x[:, :, :1]), x[:, :, 1:]], dim=2))  # noqa: ARG005
    change = (mean - clean[z][:, :, :1])[:, :, 0] @ model.blocks[1].attn.W_O[0]
    straight = score(model.ln_final(clean[last] + change) @ model.W_U + model.b_U)
    without = score(model.run_with_hooks(batch.tokens, fwd_hooks=[gone]))
    held = (out, lambda x, hook: clean[out])  # noqa: ARG005
    both = score(model.run_with_hooks(batch.tokens, fwd_hooks=[gone, held]))
    close = {"rtol": 1e-4, "atol": 1e-5}
    torch.testing.assert_close(found.direct[0], found.clean - straight, **close)
    torch.testing.assert_close(found.total[0], found.clean - without, **close)
    torch.testing.assert_close(found.won_back[0, 0], without - both, **close)
    assert (found.won_back[1, :2] == 0).all()


def test_heads_that_share_the_work_add_up_and_one_that_is_not_needed_is_redundant():
    model, task = planted_copier(2, 12, n_lookup=2)[0], CopyTask(12)
    batch = task.sample(24, 10, 0)
    found = self_repair(model, batch, task.vocabulary, ["L1H3", "L1H4"])
    assert abs(found.redundancy) < 1e-3
    low, high = found.redundancy_interval()
    assert low <= found.redundancy <= high
    half = found.total.mean(axis=1) / found.together.mean()
    torch.testing.assert_close(torch.tensor(half), torch.full((2,), 0.5, dtype=torch.float64), atol=1e-3, rtol=1e-3)
    assert abs(found.repaired).max() < 1e-3 * found.clean.mean()  # nothing comes after them, and there is no norm


def test_no_heads_and_hidden_ones_are_refused(made):
    batch = TASK.sample(2, 4, 0)
    for heads in ([], ["L0H0"]):
        with pytest.raises(UserError, match="heads must be attention heads, at least one"):
            self_repair(made("hybrid"), batch, TASK.vocabulary, heads)
