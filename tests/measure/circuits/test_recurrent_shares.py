"""Write, kept and read multiply to what hidden attention says arrives; each factor is what its own change changes."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.circuits.recurrent_shares import recurrent_shares
from interp.models import build
from interp.models.hidden_attention.pattern import decompose

TOKENS = torch.randint(0, 9, (2, 8), generator=torch.Generator().manual_seed(0))
QUERY = torch.tensor([7, 5])
MAMBA = {"kind": "mamba", "n_layers": 2, "d_model": 8, "d_vocab": 9, "d_state": 3}
MAMBA2 = {"kind": "mamba2", "n_layers": 2, "d_model": 8, "d_vocab": 9, "d_state": 4, "d_head": 4}


@pytest.mark.parametrize(("shape", "heads"), [(MAMBA, 1), (MAMBA2, 4)])
def test_the_product_is_the_size_of_what_arrives(shape, heads):
    model = build(shape, seed=1).double()
    whole = decompose(model, TOKENS, 1, direct=False)
    arriving = whole.alpha[torch.arange(2), :, QUERY] * whole.inputs.transpose(1, 2)
    for head in range(heads):
        found = recurrent_shares(model, TOKENS, f"L1H{head}", QUERY)
        of_head = arriving.unflatten(1, (heads, -1))[:, head].norm(dim=1)
        torch.testing.assert_close(found.reach, of_head)
        assert ((found.kept <= 1 + 1e-9) & (found.kept >= 0)).all()
        assert (found.kept[0, 7] - 1).abs() < 1e-9  # nothing has decayed of what was just written


def test_logarithms_of_the_three_add_up():
    found = recurrent_shares(build(MAMBA, seed=2).double(), TOKENS, "L0H0", QUERY)
    others = torch.zeros(2, 8, dtype=torch.bool)
    others[:, 3:5] = True
    parts = torch.stack(found.against(torch.tensor([1, 2]), others)).sum(dim=0)
    logs = found.reach.log()
    torch.testing.assert_close(parts, logs[[0, 1], [1, 2]] - logs[:, 3:5].mean(dim=1))


def test_a_head_that_attends_is_refused_and_meta_tensors_are_not():
    with pytest.raises(UserError, match="Use decompose_score for it"):
        recurrent_shares(build({"kind": "transformer", "n_heads": 2, "d_model": 8}), TOKENS, "L0H0", QUERY)
    with torch.device("meta"):
        model = build(MAMBA)
        assert recurrent_shares(model, TOKENS.to("meta"), "L0H0", QUERY.to("meta")).reach.is_meta
