"""A mixture of experts is its formula, runs only the experts that have weight, and its router can be edited."""

import pytest
import torch
import torch.nn.functional as F

from interp.base.errors import UserError
from interp.models import build
from interp.models.recurrent.hybrid import HybridConfig
from interp.models.stack.experts import Experts

HYBRID = {"layers": ("mamba", "attention"), "d_model": 16, "d_vocab": 11, "d_mlp": 6, "gated_mlp": True}
HYBRID |= {"activation": "silu"}


@pytest.fixture(params=[(True, 5), (False, 0)], ids=["renormalized, shared", "plain"])
def experts(request):
    renormalized, shared = request.param
    made = Experts(16, 4, 2, 6, "silu", renormalized, shared).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=torch.Generator().manual_seed(len(parameter))))
    return made


@pytest.fixture
def x():
    return torch.randn(2, 7, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(1))


def alone(experts, expert, x):
    gate, linear = x @ experts.W_each_gate[expert], x @ experts.W_each_in[expert]
    return (F.silu(gate) * linear) @ experts.W_each_out[expert]


@torch.no_grad()
def test_it_is_the_sum_of_the_experts_with_the_largest_shares(experts, x):
    shares = (x @ experts.W_router).softmax(-1)
    want = torch.zeros_like(x)
    for index in torch.cartesian_prod(torch.arange(2), torch.arange(7)):
        at = tuple(index.tolist())
        best = sorted(range(4), key=lambda expert, at=at: -float(shares[at][expert]))[:2]
        total = float(shares[at][best].sum()) if experts.renormalized else 1.0
        want[at] = sum(shares[at][expert] / total * alone(experts, expert, x[at]) for expert in best)
    if experts.shared is not None:
        want += (x @ experts.W_shared).sigmoid() * experts.shared(x)
    torch.testing.assert_close(experts(x), want)


@pytest.mark.parametrize("renormalized", [True, False])
@torch.no_grad()
def test_by_sigmoid_they_are_chosen_with_what_balances_them_and_weighed_without(renormalized, x):
    """DeepSeek-V3, equations 12 to 16, with plain MLPs, a latent width and a shared expert without a gate."""
    options = {"gated": False, "router": "sigmoid", "shared_gate": False, "latent": 5}
    made = Experts(16, 4, 2, 6, "relu2", renormalized, 3, **options).double()
    generator = torch.Generator().manual_seed(7)
    for tensor in (*made.parameters(), made.b_choice):
        tensor.copy_(torch.randn(tensor.shape, generator=generator))
    inner, shares = x @ made.W_down + made.b_down, 1 / (1 + (-x @ made.W_router).exp())
    want = torch.zeros(2, 7, 5, dtype=torch.float64)
    otherwise = False
    for index in torch.cartesian_prod(torch.arange(2), torch.arange(7)):
        at = tuple(index.tolist())
        best = sorted(range(4), key=lambda e, at=at: -float(shares[at][e] + made.b_choice[e]))[:2]
        otherwise |= set(best) != set(shares[at].topk(2).indices.tolist())
        total = float(shares[at][best].sum()) if renormalized else 1.0
        for expert in best:
            hidden = (inner[at] @ made.W_each_in[expert]).clamp(min=0).square()
            want[at] += shares[at][expert] / total * (hidden @ made.W_each_out[expert])
    torch.testing.assert_close(made(x), want @ made.W_up + made.b_up + made.shared(x))
    assert otherwise, "the balance decided nowhere"
    assert not {"W_shared", "W_each_gate", "b_choice"} & dict(made.named_parameters()).keys()


@torch.no_grad()
def test_what_balances_experts_decides_in_half_precision_as_in_single():
    """Biases of 30 that differ by less than bfloat16 tells apart, as those of released checkpoints do."""
    made = Experts(16, 6, 2, 3, "silu", True, 0, router="sigmoid")
    made.b_choice.copy_(30 + torch.tensor([0.01, -0.01, 0.005, 0.0, -0.005, 0.008]))
    logits = torch.zeros(1, 1, 6)
    before = made.weights(logits)
    assert before.nonzero()[:, 2].tolist() == [0, 5]
    for dtype in (torch.bfloat16, torch.float16, torch.float64, torch.float32):
        assert made.to(dtype).W_router.dtype == dtype and made.b_choice.dtype.itemsize >= 4
        assert torch.equal(made.weights(logits.to(dtype)).float(), before)
    halved = Experts(16, 6, 2, 3, "silu", True, 0, router="sigmoid").bfloat16()
    halved.load_state_dict(made.bfloat16().state_dict(), assign=True)
    assert torch.equal(halved.weights(logits.bfloat16()).float(), before)
    assert made.to("meta").b_choice.is_meta and made.to_empty(device="cpu").b_choice.dtype == torch.float32


def test_all_experts_that_have_weight_and_no_others_are_run_and_learn(experts, x):
    seen = []
    experts.hook_weights.register_forward_hook(lambda *args: seen.append(args[2]))
    experts(x[:, :1]).square().sum().backward()
    chosen = (seen[0] != 0).flatten(0, 1).any(dim=0)
    assert (seen[0] != 0).sum(-1).eq(2).all()
    assert torch.equal(experts.W_each_in.grad.abs().amax((1, 2)) > 0, chosen)
    assert experts.W_router.grad.abs().max() > 0


def test_the_gradient_at_a_weight_is_what_its_expert_would_write_chosen_or_not(experts, x):
    seen = {}
    experts.hook_weights.register_full_backward_hook(lambda _, __, grads: seen.update(got=grads[0]))
    back = torch.randn_like(x)
    experts(x).backward(back)
    written = torch.stack([alone(experts, expert, x) for expert in range(4)], dim=2)
    torch.testing.assert_close(seen["got"], (written * back[:, :, None]).sum(-1))


@torch.no_grad()
def test_experts_of_attention_layers_have_the_activation_of_these_layers(x):
    model = build({"kind": "hybrid", **HYBRID, "n_experts": 3, "attention": {"n_heads": 4, "activation": "relu"}})
    recurrent, attends = (block.mlp.double() for block in model.blocks)
    plain = build({"kind": "hybrid", **HYBRID, "attention": {"n_heads": 4, "activation": "relu"}}).blocks[1].mlp
    for mlp, act in ((recurrent, F.silu), (attends, F.relu)):
        mlp.hook_weights.add_hook(lambda weights, **_: weights.copy_(torch.tensor([1.0, 0.0, 0.0])), is_permanent=True)
        gate, linear = x @ mlp.W_each_gate[0], x @ mlp.W_each_in[0]
        torch.testing.assert_close(mlp(x), (act(gate) * linear) @ mlp.W_each_out[0])
    assert plain.activation is F.relu


@torch.no_grad()
def test_an_edit_of_the_weights_runs_other_experts():
    model = build({"kind": "hybrid", **HYBRID, "n_experts": (4, 0), "n_chosen": 1}).double()
    tokens = torch.randint(0, 11, (2, 9), generator=torch.Generator().manual_seed(0))

    def only_third(weights, **_):
        return F.one_hot(torch.full_like(weights[..., 0], 2).long(), 4).to(weights)

    read = {}
    hooks = [("blocks.0.mlp.hook_weights", only_third)]
    hooks.append(("blocks.0.ln2.hook_normalized", lambda x, **_: read.update(x=x.clone())))
    hooks.append(("blocks.0.hook_mlp_out", lambda x, **_: read.update(out=x.clone())))
    model.run_with_hooks(tokens, fwd_hooks=hooks)
    torch.testing.assert_close(read["out"], alone(model.blocks[0].mlp, 2, read["x"]))
    assert model.mlp_width == 6 and not hasattr(model.blocks[1].mlp, "W_router")
    assert model.to("meta")(tokens.to("meta")).shape == (2, 9, 11)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"n_experts": 2, "n_chosen": 3}, r"n_chosen must be from 1 to the 2 experts of a layer; got 3\."),
        ({"n_experts": 2, "d_mlp": 0}, r"d_mlp must be given with n_experts, as the hidden width of each; got none"),
        ({"n_experts": 2, "router": "hash"}, r"no router is called 'hash'"),
        ({"d_latent": -1}, r"d_latent must be an integer from 0"),
        ({"n_experts": (2, 2, 2)}, r"n_experts must be one number, or one for each of 2 layers; got 3\."),
        ({"d_mlp": (4,)}, r"d_mlp must be one number, or one for each of 2 layers; got 1\."),
        ({"d_mlp": -1}, r"d_mlp must be an integer from 0"),
    ],
)
def test_sizes_that_cannot_be_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        HybridConfig(**HYBRID | fields)
