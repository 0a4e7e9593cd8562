"""TransformerLens's edge attribution and faithfulness give the numbers of `edge_effects` and `edge_sweep`.

Theirs are of single strings and of positions, towards the clean run; ours of whole strings, away from it: with clean
and corrupted exchanged, and theirs summed over positions, the same. Theirs cannot be asked of recurrent layers.
"""

from collections import defaultdict

import numpy as np
import pytest
import torch
from transformer_lens.tools.analysis.attribution_patching import EdgeAttributionConfig, attribution_patch, faithfulness

from interp.measure.circuits.attribution import edge_effects
from interp.measure.circuits.edge_sweep import edge_sweep, keeping
from interp.measure.circuits.nodes import Graph
from interp.models import build
from interp.tasks.base import ContrastPair
from interp.tasks.copy import CopyTask

TASK = CopyTask(4)
BASE = {"kind": "transformer", "n_layers": 2, "n_heads": 2, "d_model": 8, "d_vocab": TASK.vocabulary.size}
SHAPES = {
    "windows": BASE | {"windows": [2, None]},
    "rope, LN, MLP": BASE | {"position": "rope", "normalization": "LN", "d_mlp": 8},
    "parallel, no norm": BASE | {"normalization": None, "d_mlp": 8, "parallel": True},
}
KINDS = {"q_input": ".q", "k_input": ".k", "v_input": ".v", "mlp_in": "", "logits": ""}


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


@pytest.fixture(params=SHAPES)
def model(request):
    return build(SHAPES[request.param], seed=1).double()


@pytest.fixture
def pair():
    return TASK.contrast(2, 3, 0)


def node_name(node):
    if node.kind in ("embed", "logits"):
        return "embed" if node.kind == "embed" else "unembed"
    return f"L{node.layer}.mlp" if node.head is None else f"L{node.layer}H{node.head}"


def edge_name(writer, reader):
    return f"{node_name(writer)}->{node_name(reader)}{KINDS[reader.kind]}"


def metric_of(batch, query):
    """Right letter's logit less the mean of the other letters', at the query: what `logit_difference` is."""
    letters, right = TASK.vocabulary.ids(torch.arange(4)), batch.targets[0, query]

    def metric(logits):
        at = logits[0, query]
        return at[right] - at[letters[letters != right]].mean()

    return metric


def test_edge_attribution_is_the_same_number_for_every_edge(model, pair):
    exchanged = ContrastPair(pair.corrupted, pair.clean, pair.query)
    ours = edge_effects(model, exchanged, TASK.vocabulary, "eap")
    for i in range(2):
        metric = metric_of(pair.corrupted.rows(slice(i, i + 1)), int(pair.query[i]))
        tokens = [batch.tokens[i : i + 1] for batch in (pair.clean, pair.corrupted)]
        found = attribution_patch(model, *tokens, metric, EdgeAttributionConfig("edge"))
        theirs = defaultdict(float)
        for (writer, reader), score in found.edge_scores.items():
            theirs[edge_name(writer, reader)] += score
        without_mlp = {name for name, score in theirs.items() if name not in ours.edges and score == 0}
        assert set(theirs) - without_mlp == set(ours.edges)  # theirs lists MLPs where there are none
        expected = np.array([theirs[name] for name in ours.edges])
        np.testing.assert_allclose(ours.effect[:, i], expected, atol=1e-6 * np.abs(expected).max())
        assert np.abs(expected).max() > 1e-4


def test_a_circuit_alone_recovers_the_same_share(model, pair):
    graph = Graph.of(model)
    some = [name for i, name in enumerate(graph.names) if i % 3 != 1]
    kept = keeping(graph, [some, graph.edges, []])
    ours = edge_sweep(model, pair, TASK.vocabulary, kept).logit_difference
    for i in range(2):
        metric = metric_of(pair.clean.rows(slice(i, i + 1)), int(pair.query[i]))
        tokens = [batch.tokens[i : i + 1] for batch in (pair.clean, pair.corrupted)]
        every = attribution_patch(model, *tokens, metric, EdgeAttributionConfig("edge")).edge_scores
        theirs = faithfulness(model, *tokens, metric, [edge for edge in every if edge_name(*edge) in some])
        circuit, whole, none = ours[:, i].tolist()
        assert theirs.full_metric == pytest.approx(whole, rel=1e-6)
        assert theirs.corrupt_metric == pytest.approx(none, rel=1e-6)
        assert theirs.recovered == pytest.approx((circuit - none) / (whole - none), rel=1e-5)
        assert not 0.999 < theirs.recovered < 1.001


def test_a_layer_that_is_recurrent_is_refused_by_theirs_and_measured_by_ours(pair):
    shape = {"kind": "hybrid", "layers": ["mamba", "attention"], "d_model": 8, "d_vocab": TASK.vocabulary.size}
    model = build(shape | {"attention": {"n_heads": 2}}, seed=1)
    with pytest.raises((ValueError, KeyError, AttributeError)):
        attribution_patch(model, pair.clean.tokens, pair.corrupted.tokens, lambda logits: logits[:, -1, 0].mean())
    assert np.abs(edge_effects(model, pair, TASK.vocabulary, "eap").effect).max() > 0
