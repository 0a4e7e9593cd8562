"""Circuits by letter are products of weights: a planted lookup head copies, its gather heads bring equal letters."""

import numpy as np
import pytest
import torch

import interp
from interp import figures
from interp.base.errors import UserError


def test_a_planted_lookup_head_copies_and_looks_for_equal_letters_through_its_gather_heads():
    loaded = interp.load("planted:ngram?n=2&alphabet=5")
    found = interp.letter_circuits(loaded.model, loaded.task, "L1H3")
    assert found.ov.argmax(axis=1).tolist() == list(range(5))
    query, key = (found.writers.index(name) for name in found.strongest(1)[0])
    matrix = found.qk[query, key]
    assert (matrix.argmax(axis=1) == np.arange(5)).all() and found.writers[key].startswith("L0H")


def test_they_are_the_products_of_the_stacked_weights():
    model = interp.HookedTransformer(interp.TransformerConfig(n_layers=2, n_heads=2, d_model=8), seed=3)
    found = interp.letter_circuits(model, interp.CopyTask(4), "L1H1")
    model_letters = model.W_E[:4]
    ov = (model_letters @ model.OV[1, 1] @ model.W_U[:, :4]).AB
    np.testing.assert_allclose(found.ov, ov.detach().numpy(), rtol=1e-4, atol=1e-5)
    brought = model_letters @ model.OV[0, 1].AB
    qk = model_letters @ model.QK[1, 1].AB @ brought.T / 4**0.5
    at = found.qk[found.writers.index("its own letter"), found.writers.index("L0H1")]
    np.testing.assert_allclose(at, qk.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_they_are_drawn_and_come_back_from_the_disk(tmp_path):
    loaded = interp.load("planted:ngram?n=2&alphabet=5")
    found = interp.letter_circuits(loaded.model, loaded.task, "L1H3")
    again = type(found).load(found.save(tmp_path))
    figure = figures.letter_circuits(again)
    assert len(figure.data) == 4 and "for 100% of letters" in figure.layout.meta["says"]
    assert len(again.frame("letter", "raised_letter")) == 25


def test_a_model_without_attention_weights_of_ours_is_refused():
    with pytest.raises(UserError, match="model must be a HookedTransformer"):
        interp.letter_circuits(torch.nn.Linear(1, 1), interp.CopyTask(4), "L0H0")
    normed = interp.HookedTransformer(interp.TransformerConfig(n_heads=2, d_model=8, qk_norm="head"), seed=3)
    with pytest.raises(UserError, match="plain attention to be taken apart; got norms on its queries and keys"):
        interp.letter_circuits(normed, interp.CopyTask(4), "L0H0")
    convolved = interp.HookedTransformer(interp.TransformerConfig(n_heads=2, d_model=8, qkv_conv=(0, 3)), seed=3)
    with pytest.raises(UserError, match=r"no convolution on its queries, keys and values .* got one in layer 1"):
        interp.letter_circuits(convolved, interp.CopyTask(4), "L1H0")
    assert interp.letter_circuits(convolved, interp.CopyTask(4), "L0H0").writers == ("its own letter",)


def test_a_task_that_is_none_or_has_more_letters_than_the_model_is_refused():
    model = interp.load("planted:ngram?n=2&alphabet=5").model
    with pytest.raises(UserError, match="task must be a Task; got 'copy'"):
        interp.letter_circuits(model, "copy", "L1H3")
    with pytest.raises(UserError, match="task must use the model's tokens, ids below 9; got a task over 30"):
        interp.letter_circuits(model, interp.CopyTask(), "L1H3")
