"""The graph of a model: which node can reach which, in causal order; an edit of an input reaches that reader alone."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.separable import APART
from interp.measure.circuits.stream import own_model
from interp.models import build

TRANSFORMER = {"kind": "transformer", "n_layers": 2, "n_heads": 2, "d_model": 8, "d_vocab": 7, "d_mlp": 8}
HYBRID = {"kind": "hybrid", "layers": ["mamba", "attention"], "d_model": 8, "d_vocab": 7, "attention": {"n_heads": 2}}
LSTM = {"kind": "lstm", "n_layers": 2, "d_model": 8, "d_vocab": 7}
TOKENS = torch.randint(0, 7, (2, 6), generator=torch.Generator().manual_seed(0))


def graph(**changed):
    return Graph.of(build(TRANSFORMER | changed))


def test_nodes_stand_in_causal_order_and_edges_run_forward_alone():
    found = graph()
    assert [str(node) for node in found.nodes] == [
        "embed", "L0H0", "L0H1", "L0.mlp", "L1H0", "L1H1", "L1.mlp", "unembed",
    ]  # fmt: skip
    place = {node: i for i, node in enumerate(found.nodes)}
    assert all(place[edge.writer] < place[edge.reader] for edge in found.edges)
    readers = [place[edge.reader] for edge in found.edges]
    assert readers == sorted(readers)
    # L0: 2 heads x 3 x 1, mlp 3; L1: 2 heads x 3 x 4, mlp 6; unembed 7
    assert len(found.edges) == 6 + 3 + 24 + 6 + 7


def test_a_parallel_mlp_does_not_read_its_own_layers_heads():
    assert {str(edge) for edge in graph(parallel=True).edges if edge.reader.name == "L0.mlp"} == {"embed->L0.mlp"}


def test_an_mlp_reads_what_the_recurrence_of_its_own_layer_writes():
    found = Graph.of(build(HYBRID | {"d_mlp": 6}))
    assert [str(node) for node in found.nodes] == ["embed", "L0.mixer", "L0.mlp", "L1H0", "L1H1", "L1.mlp", "unembed"]
    assert [str(edge) for edge in found.edges][:3] == ["embed->L0.mixer", "embed->L0.mlp", "L0.mixer->L0.mlp"]


@pytest.mark.parametrize("option", APART)
def test_attention_that_is_not_a_sum_of_what_it_reads_is_not_taken_apart(option):
    value = {"qk_norm": "head", "score_cap": 5.0, "d_latent": 3}.get(option, True)
    model = build(TRANSFORMER | {option: value})
    for taken_apart in (Graph.of, own_model):
        with pytest.raises(UserError, match=f"must have plain attention to be taken apart; got {APART[option]}"):
            taken_apart(model)


def test_a_head_that_looks_evenly_reads_for_its_values_alone():
    found = graph(even=True, windows=[2, None])
    assert found.node("L0H0").reads == ("v",)
    assert found.node("L0H1").reads == ("q", "k", "v")


def test_a_recurrent_layer_is_one_node_and_heads_read_it():
    names = Graph.of(build(HYBRID)).names
    assert {"embed->L0.mixer", "L0.mixer->L1H1.k", "L0.mixer->unembed", "embed->unembed"} <= set(names)


def test_nothing_passes_a_layer_that_replaces_the_stream():
    model = build(LSTM)
    names = Graph.of(model).names
    through = all(getattr(block, "residual", True) for block in model.blocks)
    assert not through
    assert names == ("embed->L0.mixer", "L0.mixer->L1.mixer", "L1.mixer->unembed")


@pytest.mark.parametrize("shape", [TRANSFORMER, TRANSFORMER | {"parallel": True}, HYBRID, LSTM])
def test_every_hook_exists_and_the_writers_of_a_reader_sum_to_what_it_reads_but_for_biases(shape):
    model = build(shape).double()
    found = Graph.of(model)
    reads = {edge.reader.reads_at(edge.into) for edge in found.edges}
    writes = {node.writes_at for node in found.nodes if node.writes_at}
    cache = {}
    for name in reads | writes:  # inputs split by reader make norms fire once for each
        cache[name] = model.run_with_cache(TOKENS, names_filter=name)[1][name]
    for reader in found.nodes[1:]:
        for into in reader.reads:
            total = 0
            for edge in (e for e in found.edges if e.reader == reader and e.into == into):
                written = cache[edge.writer.writes_at]
                total = total + (written[:, :, edge.writer.head.index] if edge.writer.head else written)
            read = cache[reader.reads_at(into)]
            read = read[:, :, reader.head.index] if reader.head else read
            left = read - total  # biases alone: the same everywhere
            torch.testing.assert_close(left, left[:1, :1].expand_as(left))


def test_an_edit_of_what_a_mixer_reads_leaves_the_stream_beside_it():
    model = build(HYBRID)
    names = ["blocks.0.hook_mixer_out", "blocks.0.hook_resid_post"]
    edit = [("blocks.0.hook_mixer_input", lambda x, hook: x.mul_(0).add_(1))]  # noqa: ARG005
    with torch.no_grad(), model.hooks(fwd_hooks=edit):
        _, cache = model.run_with_cache(TOKENS, names_filter=names)
    torch.testing.assert_close(cache[names[1]] - cache[names[0]], model.W_E[TOKENS])


def test_names_are_parsed_back_into_causal_order_and_slips_refused():
    found = graph()
    assert found.parse(reversed(found.names)) == found.edges
    assert found.index("embed->L0H0.q") == 0
    with pytest.raises(UserError, match=r"no edge is called 'L0H1->L1H9.k'; the nearest known: L0H1->L1H"):
        found.parse(["L0H1->L1H9.k"])
    with pytest.raises(UserError, match="Put it in a list"):
        found.parse("L0H1->L1H1.k")
    with pytest.raises(UserError, match=r"no node is called 'L7H0'"):
        found.node("L7H0")
    with pytest.raises(UserError, match="must be one of this package's"):
        Graph.of(torch.nn.Linear(2, 2))


def test_only_edges_from_embedding_to_unembedding_are_a_circuit():
    found = graph()
    path = found.parse(["embed->L0H0.v", "L0H0->L1H1.k", "L1H1->unembed"])
    stray = found.parse(["embed->L0H1.v", "L0.mlp->unembed"])
    assert found.on_paths([*path, *stray]) == path
    found.require_connected(path)
    with pytest.raises(
        UserError, match=r"got 2 of 5 edges that lie on no such path \(embed->L0H1.v, L0.mlp->unembed\)"
    ):
        found.require_connected([*path, *stray])
