"""Hooks that hang on a model are part of it: what is faster than the forward path must not go round them."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import sweep
from interp.measure.attention.rows import rows_at
from interp.measure.circuits.attribution import edge_effects
from interp.measure.circuits.detect import detected_edges
from interp.measure.circuits.edge_sweep import edge_sweep
from interp.measure.circuits.nodes import Graph
from interp.measure.values import Zero
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask

TASK = CopyTask(5)


def silent(x, hook):  # noqa: ARG001
    return 0 * x


@pytest.fixture
def model():
    return HookedTransformer(TransformerConfig(n_layers=2, n_heads=2, d_model=8, d_vocab=9, d_mlp=8), seed=0)


def test_a_head_of_a_layer_that_a_hook_silences_costs_nothing(model):
    batch, heads = TASK.sample(4, 5, 0), ("L1H0", "L1H1")
    with model.hooks(fwd_hooks=[("blocks.1.hook_attn_out", silent)]):
        scores = sweep(model, batch, TASK.vocabulary, [Ablation((), Zero()), Ablation(heads, Zero())])
    torch.testing.assert_close(scores.loss[1], scores.loss[0])


def test_an_edge_from_a_part_that_a_hook_silences_carries_nothing(model):
    batch, graph = TASK.sample(4, 5, 0), Graph.of(model)
    without = np.array([[edge.writer.name != "L1.mlp" for edge in graph.edges], [True] * len(graph.edges)])
    model.add_hook("blocks.1.hook_mlp_out", silent)
    some, every = edge_sweep(model, batch, TASK.vocabulary, without, Zero()).loss
    torch.testing.assert_close(some, every)


def test_rows_of_attention_are_those_that_a_hook_leaves(model):
    tokens, even = TASK.sample(4, 5, 0).tokens, torch.ones(()) / 12
    hooks = [("blocks.1.attn.hook_pattern", lambda x, hook: even.expand_as(x).clone())]  # noqa: ARG005
    given = rows_at(model, tokens, torch.full((4,), 7), hooks)[1].pattern
    with model.hooks(fwd_hooks=hooks):
        found = rows_at(model, tokens, torch.full((4,), 7))[1].pattern
    assert bool((given == even).all() and (found == even).all())


def test_rows_of_attention_are_those_that_a_hook_by_a_predicate_leaves(model):
    tokens, even = TASK.sample(4, 5, 0).tokens, torch.ones(()) / 12
    hooks = [(lambda name: name.endswith("1.attn.hook_pattern"), lambda x, hook: even.expand_as(x).clone())]  # noqa: ARG005
    assert bool((rows_at(model, tokens, torch.full((4,), 7), hooks)[1].pattern == even).all())


def test_no_edge_into_queries_counts_by_the_star_where_a_hook_fixes_them(model):
    model, batch, graph = model.double(), TASK.sample(4, 5, 0), Graph.of(model)
    fixed = np.array([edge.into == "q" and edge.reader.layer == 1 for edge in graph.edges])
    free = edge_effects(model, batch, TASK.vocabulary, "atp").effect
    with model.hooks(fwd_hooks=[("blocks.0.hook_resid_pre", lambda x, hook: x)]):  # noqa: ARG005
        np.testing.assert_allclose(edge_effects(model, batch, TASK.vocabulary, "atp").effect, free, atol=1e-12)
    with model.hooks(fwd_hooks=[("blocks.1.attn.hook_q", lambda x, hook: torch.ones_like(x))]):  # noqa: ARG005
        found = edge_effects(model, batch, TASK.vocabulary, "atp").effect
    assert (free[fixed] > 1e-9).any() and (found[~fixed] > 0).any()
    np.testing.assert_allclose(found[fixed], 0, atol=1e-14)


def test_a_circuit_is_not_detected_round_hooks(model):
    model.add_hook("blocks.1.attn.hook_q", silent)
    with pytest.raises(UserError, match=r"model must have no hooks .*; got one on which some hang"):
        detected_edges(model, TASK, TASK.sample(4, 5, 0))
