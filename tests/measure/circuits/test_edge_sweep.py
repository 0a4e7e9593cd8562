"""Many sets of edges at once give what one run of the model for each set gives, on every kind of layer."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import sweep
from interp.measure.circuits.edge_runs import head_pattern, mapped
from interp.measure.circuits.edge_sweep import all_but_each, edge_sweep, keeping
from interp.measure.circuits.nodes import Graph
from interp.measure.values import Donor, Mean, MeanPerPosition, Resample, Zero
from interp.models import build
from interp.tasks.copy import CopyTask

TASK = CopyTask(4)
SMALL = {"d_model": 8, "d_vocab": 8}
ATTENDS = SMALL | {"kind": "transformer", "n_layers": 2, "n_heads": 2}
MODELS = {
    "hard-alibi": ATTENDS | {"windows": [2, None], "position": "hard-alibi"},
    "no norm, learned positions": ATTENDS | {"position": "learned", "normalization": None, "n_ctx": 32},
    "mlp, rope": ATTENDS | {"d_mlp": 12, "position": "rope"},
    "parallel, alibi, scaled": ATTENDS | {"d_mlp": 12, "parallel": True, "position": "alibi", "score_scale": "ssmax"},
    "three layers, entmax": ATTENDS | {"n_layers": 3, "pattern": "entmax"},
    "even": ATTENDS | {"even": [True, False], "windows": [2, None]},
    "forget, scaled": ATTENDS | {"position": "forget", "score_scale": "log-n", "d_mlp": 12},
    "path, entmax": ATTENDS | {"position": "path", "pattern": "entmax", "windows": [3, None]},
    "hybrid": SMALL | {"kind": "hybrid", "layers": ["mamba", "attention", "mamba"], "attention": {"n_heads": 2}},
    "grouped hybrid with MLPs": SMALL
    | {"kind": "hybrid", "layers": ["mamba", "attention", "mamba"], "d_mlp": [6, 4, 5], "gated_mlp": True}
    | {"attention": {"n_heads": 2, "n_key_value_heads": 1, "position": "rope"}},
    "mamba": SMALL | {"kind": "mamba", "n_layers": 2},
    "lstm": SMALL | {"kind": "lstm", "n_layers": 2},
}


def some_sets(graph, n=12):
    random = np.random.default_rng(0).random((n, len(graph.edges))) < np.linspace(0, 1, n)[:, None]
    return np.concatenate([all_but_each(graph), random])


def near(found, wanted):
    for name, value in vars(wanted).items():
        torch.testing.assert_close(getattr(found, name).double(), value.double(), atol=1e-6, rtol=1e-6)


def randomised(config):
    """A model whose biases are not zero, in double precision: they are nobody's, and must not be forgotten."""
    model = build(config).double()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight += 0.3 * torch.randn(weight.shape, generator=generator, dtype=torch.float64)
    return model


@pytest.mark.by_default(5)
@pytest.mark.parametrize("name", MODELS)
def test_all_sets_together_are_what_one_run_for_each_gives(name):
    model, batch = randomised(MODELS[name]), TASK.sample(4, (3, 5), 0)
    kept = some_sets(Graph.of(model))
    fast = edge_sweep(model, batch, TASK.vocabulary, kept)
    near(fast, edge_sweep(model, batch, TASK.vocabulary, kept, slow=True))
    assert fast.loss.std(dim=0).min() > 1e-3  # sets differ


def test_a_short_convolution_stands_between_what_a_head_reads_and_its_queries_keys_and_values():
    model = randomised(ATTENDS | {"qkv_conv": [3, 2], "position": "rope"})
    batch, kept = TASK.sample(4, (3, 5), 0), some_sets(Graph.of(model), 4)
    near(edge_sweep(model, batch, TASK.vocabulary, kept), edge_sweep(model, batch, TASK.vocabulary, kept, slow=True))
    attn, names = model.blocks[1].attn, [f"blocks.1.attn.hook_{what}" for what in ("q_input", "k_input", "pattern")]
    _, cache = model.run_with_cache(batch.tokens, names_filter=names)  # the inputs are asked for by name alone
    weights = attn.W_QKV, attn.b_QKV
    q, k = (
        mapped(attn, weights, 1, into, model.blocks[1].ln1(cache[name][:, :, 1]))
        for into, name in zip("qk", names, strict=False)
    )
    torch.testing.assert_close(head_pattern(attn, 1, q, k), cache[names[2]][:, 1])


@pytest.mark.parametrize("value", [Zero(), Mean(), Resample.draw(4, torch.Generator().manual_seed(0))])
def test_values_and_blocks_change_nothing_but_the_memory(value):
    model, batch = randomised(MODELS["mlp, rope"]), TASK.sample(4, 4, 0)
    kept = some_sets(Graph.of(model), 4)
    slow = edge_sweep(model, batch, TASK.vocabulary, kept, value, slow=True)
    near(edge_sweep(model, batch, TASK.vocabulary, kept, value), slow)
    near(edge_sweep(model, batch, TASK.vocabulary, kept, value, floats_at_once=3000), slow)


def test_of_a_pair_the_corrupted_run_is_the_donor_and_its_query_is_scored():
    model, pair = randomised(MODELS["hard-alibi"]), TASK.contrast(4, 5, 0)
    graph = Graph.of(model)
    none, every = edge_sweep(model, pair, TASK.vocabulary, keeping(graph, [[], graph.edges])).loss
    at = torch.arange(4), pair.query
    for tokens, loss in ((pair.corrupted.tokens, none), (pair.clean.tokens, every)):
        logp = model(tokens).log_softmax(dim=-1)[at]
        torch.testing.assert_close(loss.double(), -logp[torch.arange(4), pair.clean_answer], atol=1e-5, rtol=1e-5)


def test_all_edges_out_of_a_head_together_are_its_ablation():
    model, batch = randomised(MODELS["hard-alibi"]), TASK.sample(4, 4, 0)
    graph = Graph.of(model)
    without = keeping(graph, [[e for e in graph.edges if e.writer.name != "L0H1"]])
    found = edge_sweep(model, batch, TASK.vocabulary, without, MeanPerPosition())
    near(found, sweep(model, batch, TASK.vocabulary, [Ablation(("L0H1",), MeanPerPosition())]))


def test_misuse_is_refused_in_a_sentence():
    model, batch = build(MODELS["hard-alibi"]), TASK.sample(4, 4, 0)
    graph = Graph.of(model)
    with pytest.raises(UserError, match="kept must have a column for each of the model's"):
        edge_sweep(model, batch, TASK.vocabulary, np.ones((1, 3), dtype=bool))
    with pytest.raises(UserError, match="no edge is called"):
        keeping(graph, [["L0H7->unembed"]])
    with pytest.raises(UserError, match="which is of one place"):
        edge_sweep(model, batch, TASK.vocabulary, all_but_each(graph), Donor(torch.zeros(1)))
