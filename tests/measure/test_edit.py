"""An edit of a place is what editing the tensor by hand does, and leaves what is beside it alone."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.circuits.nodes import Graph
from interp.measure.edit import Edit, Site, written_at
from interp.measure.values import Donor, Mean, MeanPerPosition, Resample, Zero
from interp.models import build
from interp.models.heads import HeadTable

SHAPE = {
    "kind": "transformer",
    "n_layers": 2,
    "n_heads": 3,
    "d_model": 12,
    "d_vocab": 9,
    "position": "rope",
    "d_mlp": 8,
}
TOKENS = torch.randint(0, 9, (3, 6), generator=torch.Generator().manual_seed(0))
USED = torch.ones(3, 6, dtype=torch.bool)


@pytest.fixture(scope="module")
def model():
    return build(SHAPE, seed=1).double()


def run(model, *hooks):
    with torch.no_grad():
        return model.run_with_hooks(TOKENS, fwd_hooks=list(hooks))


@pytest.mark.parametrize("value", [Zero(), Mean(), MeanPerPosition(), Resample(torch.tensor([1, 2, 0]))])
def test_a_heads_output_is_replaced_at_the_chosen_positions_alone(model, value):
    head, positions = HeadTable.of(model)["L0H2"], torch.arange(6)[None] >= 4
    _, cache = model.run_with_cache(TOKENS, names_filter=head.output_hook)
    z = cache[head.output_hook]

    def by_hand(output, hook):  # noqa: ARG001
        new = {
            "zero": torch.zeros_like(z),
            "mean": z.mean(dim=(0, 1), keepdim=True).expand_as(z),
            "mean-per-position": z.mean(dim=0, keepdim=True).expand_as(z),
            "resample": z[[1, 2, 0]],
        }[value.kind]
        output[:, 4:, 2] = new[:, 4:, 2]
        return output

    edit = Edit(Site.of(head, positions), value)
    assert edit.reads == (() if value.kind == "zero" else (head.output_hook,))
    torch.testing.assert_close(run(model, edit.hook(model, cache, USED)), run(model, (head.output_hook, by_hand)))
    assert not torch.allclose(run(model, edit.hook(model, cache, USED)), run(model))


@pytest.mark.parametrize(
    "name",
    ["blocks.1.hook_resid_pre", "blocks.0.attn.hook_pattern", "blocks.1.attn.hook_v", "blocks.0.mlp.hook_post"],
)
def test_a_donor_run_put_everywhere_at_the_end_of_the_stream_gives_its_own_answer(model, name):
    other = TOKENS.roll(1, dims=0)
    _, cache = model.run_with_cache(other)
    whole = Edit(Site("blocks.1.hook_resid_post"), Donor(cache["blocks.1.hook_resid_post"]))
    torch.testing.assert_close(run(model, whole.hook(model)), model(other))
    _, seen = model.run_with_cache(TOKENS)
    own = Edit(Site(name), Donor(seen[name]))
    torch.testing.assert_close(run(model, own.hook(model)), run(model))  # what stands there already changes nothing
    assert not torch.allclose(run(model, Edit(Site(name), Donor(cache[name])).hook(model)), run(model))


def test_one_heads_pattern_is_patched_at_one_query(model):
    head, name = HeadTable.of(model)["L1H1"], "blocks.1.attn.hook_pattern"
    _, cache = model.run_with_cache(TOKENS.roll(1, dims=0), names_filter=name)

    def by_hand(pattern, hook):  # noqa: ARG001
        pattern[:, 1, 3] = cache[name][:, 1, 3]
        return pattern

    edit = Edit(Site(name, head, torch.arange(6)[None] == 3), Donor(cache[name]))
    torch.testing.assert_close(run(model, edit.hook(model)), run(model, (name, by_hand)))


def test_a_state_of_another_run_at_one_position_goes_on_from_there():
    model = build({"kind": "mamba", "n_layers": 1, "d_model": 8, "d_vocab": 9}, seed=0).double()
    name, other = "blocks.0.mixer.h.2", TOKENS.clone()
    other[:, :3] = TOKENS[:, :3].roll(1, dims=0)
    _, cache = model.run_with_cache(other, names_filter=name)
    edit = Edit(Site(name), Donor(cache[name]))
    assert not torch.allclose(run(model, edit.hook(model))[:, 2:], run(model)[:, 2:])
    _, own = model.run_with_cache(TOKENS, names_filter=name)
    zeroed = Edit(Site(name), Mean()).hook(model, own)
    by_hand = (name, lambda h, hook: h.mean(dim=0, keepdim=True).expand_as(h))  # noqa: ARG005
    torch.testing.assert_close(run(model, zeroed), run(model, by_hand))


def test_an_edge_changes_what_the_receiver_reads_of_the_sender_and_nothing_else(model):
    table = HeadTable.of(model)
    sender = table["L0H1"]
    _, cache = model.run_with_cache(TOKENS)
    written = cache[sender.output_hook][:, :, 1] @ model.blocks[0].attn.W_O[1]
    stream = cache["blocks.1.hook_resid_pre"] - written
    keys = model.blocks[1].ln1(stream) @ model.blocks[1].attn.W_K[2]
    seen = {}
    edit = Edit(*Graph.of(model).parse(["L0H1->L1H2.k"]), Zero())
    assert edit.reads == (sender.output_hook,)
    reading = [("blocks.1.attn.hook_k", lambda k, hook: seen.update(k=k.clone()))]  # noqa: ARG005
    reading += [("blocks.1.attn.hook_q", lambda q, hook: seen.update(q=q.clone()))]  # noqa: ARG005
    run(model, edit.hook(model, cache), *reading)
    torch.testing.assert_close(seen["k"][:, :, 2], keys)
    torch.testing.assert_close(seen["k"][:, :, :2], cache["blocks.1.attn.hook_k"][:, :, :2])
    torch.testing.assert_close(seen["q"], cache["blocks.1.attn.hook_q"])


def test_an_edge_without_what_was_written_is_refused(model):
    with pytest.raises(UserError, match="of a reference run"):
        Edit(Graph.of(model).edges[0], Zero()).hook(model)
    with pytest.raises(UserError, match="node must write to the stream; got unembed"):
        written_at(Graph.of(model).node("unembed"))


def test_an_edge_into_an_mlp_or_the_logits_is_what_the_stream_less_the_writer_gives(model):
    graph, names = Graph.of(model), ["blocks.0.hook_mlp_out", "blocks.1.hook_resid_post", "blocks.1.mlp.hook_pre"]
    _, cache = model.run_with_cache(TOKENS)
    into_logits = Edit(*graph.parse(["L0.mlp->unembed"]), Zero()).hook(model, cache)
    expected = model.ln_final(cache[names[1]] - cache[names[0]]) @ model.W_U + model.b_U
    torch.testing.assert_close(run(model, into_logits), expected)
    here = torch.tensor([[False, False, True, False, False, True]])
    into_mlp = Edit(*graph.parse(["L0.mlp->L1.mlp"]), Zero(), here).hook(model, cache)
    seen = {}
    run(model, into_mlp, (names[2], lambda x, hook: seen.update(pre=x.clone())))  # noqa: ARG005
    stream = cache["blocks.1.hook_resid_mid"] - cache[names[0]] * here[..., None]
    mlp = model.blocks[1].mlp
    torch.testing.assert_close(seen["pre"], model.blocks[1].ln2(stream) @ mlp.W_in + mlp.b_in)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("value", [Mean(), MeanPerPosition()])
def test_means_over_more_positions_than_half_precision_can_count_are_right(value, dtype):
    z = torch.full((70_000, 1, 1, 2), 3.0, dtype=dtype)
    found = value.output(z, torch.ones(70_000, 1, dtype=torch.bool))
    assert found.dtype == dtype
    torch.testing.assert_close(found[0].float(), torch.full((1, 1, 2), 3.0))
