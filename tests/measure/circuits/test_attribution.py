"""Estimates are the exact effects where a model is linear; a saturated softmax hides edges from gradients alone."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.measure.circuits.attribution import edge_effects
from interp.measure.circuits.nodes import Graph
from interp.models import build
from interp.models.planted import planted_copier
from interp.results.attribution import EdgeEffects
from interp.tasks.copy import CopyTask

TASK = CopyTask(4)
SHAPE = {"kind": "transformer", "n_layers": 2, "n_heads": 2, "d_model": 8, "d_vocab": 8, "windows": [2, None]}


def effects(model, method, strings=None, task=TASK, **options):
    return edge_effects(model, strings or task.sample(4, 6, 0), task.vocabulary, method, **options)


@pytest.mark.parametrize("method", ["eap", "eap-ig"])
def test_where_attention_is_fixed_estimates_are_exact_to_first_order(method):
    # without norm or MLP, and where all heads look evenly (those with a window can), logits are linear in every value
    model = build(SHAPE | {"normalization": None, "even": True, "windows": [2, 3]}).double()
    exact, found = effects(model, "exact"), effects(model, method)
    np.testing.assert_allclose(found.effect, exact.effect, atol=2e-6)
    np.testing.assert_allclose(found.node_effect, exact.node_effect, atol=2e-6)
    assert found.rank_correlation(exact) == pytest.approx(1)


@pytest.mark.parametrize(
    "shape", [SHAPE, SHAPE | {"d_mlp": 8}, SHAPE | {"kind": "hybrid", "layers": ["mamba", "attention"]}]
)
def test_a_small_change_is_estimated_as_it_is(shape):
    options = {name: shape.pop(name) for name in ("n_heads", "windows")} if shape["kind"] == "hybrid" else {}
    if options:
        shape = {k: v for k, v in shape.items() if k != "n_layers"} | {"attention": options}
    model = build(shape).double()
    with torch.no_grad():  # strings that differ little: the corrupted run is near the clean one
        model.embed.W_E[:4] = model.embed.W_E[:1] + 2e-3 * model.embed.W_E[:4]
    pair = TASK.contrast(4, 6, 0)
    exact = effects(model, "exact", pair, measure="loss")
    for method in ("eap", "eap-ig"):
        found = effects(model, method, pair, measure="loss")
        np.testing.assert_allclose(found.effect, exact.effect, atol=0.03 * np.abs(exact.effect).max())


def test_of_a_planted_copier_gradients_miss_the_keys_and_atp_does_not():
    task = CopyTask(20)
    model, batch = planted_copier(2, 20)[0], task.sample(8, 14, 0)
    exact, eap, atp = (effects(model, method, batch, task) for method in ("exact", "eap", "atp"))
    keys = {f"L0H{i}->L1H3.k" for i in range(3)}
    assert len(keys & set(eap.missed(exact))) > 1 and not keys & set(atp.missed(exact))
    assert atp.rank_correlation(exact) > 0.5 and exact.missed(exact) == ()


def test_eap_takes_at_most_four_passes(monkeypatch):
    model, ran = build(SHAPE), []
    forward = model.forward
    monkeypatch.setattr(model, "forward", lambda *a, **k: ran.append(1) or forward(*a, **k))
    found = effects(model, "eap", TASK.contrast(4, 6, 0))
    assert len(ran) == 3 and found.passes == 4  # clean, corrupted, and the one that goes back as well


def test_nodes_are_the_sums_of_their_edges_and_edges_the_least_of_their_nodes(tmp_path):
    model = build(SHAPE | {"d_mlp": 8})
    found = effects(model, "eap")
    writers = np.array([edge.writer.name for edge in Graph.of(model).edges])
    for node, effect in zip(found.nodes, found.node_effect, strict=True):
        np.testing.assert_allclose(effect, found.effect[writers == node].sum(axis=0), atol=1e-6)
    scores = dict(zip(found.edges, found.edges_by_node(), strict=True))
    of = dict(zip(found.nodes, found.node_scores, strict=True))
    assert scores["L0H1->L1.mlp"] == min(of["L0H1"], of["L1.mlp"]) and scores["L0.mlp->unembed"] == of["L0.mlp"]
    assert scores["embed->L1H0.q"] == of["L1H0"]
    assert EdgeEffects.load(found.save(tmp_path)).edges == found.edges


def test_misuse_is_refused_in_a_sentence():
    model = build(SHAPE)
    for options, said in (
        ({"method": "magic"}, "no method of attribution is called"),
        ({"method": "eap", "measure": "taste"}, "no measure of an effect is called"),
        ({"method": "eap-ig", "steps": 0}, "steps must be at least 1"),
    ):
        with pytest.raises(UserError, match=said):
            effects(model, **options)
    with pytest.raises(UserError, match="effects must be of the same edges on the same measure"):
        effects(model, "eap").rank_correlation(effects(model, "eap", measure="loss"))
