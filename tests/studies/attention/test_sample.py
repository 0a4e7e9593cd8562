"""Attention on many strings, one after the other: whose they are, and that they become HeadVis's deciles."""

import json

import numpy as np
import pytest
import torch

import interp
from interp.base.errors import UserError
from interp.figures.attention.head_vis import write_head_vis
from interp.studies.attention.run.sample import sampled_views
from interp.tasks.text import Corpus

MODEL = "planted:ngram?n=2&alphabet=6"


def test_each_string_is_another_one_with_the_patterns_that_the_model_makes_of_it():
    loaded = interp.load(MODEL)
    views = list(sampled_views(loaded, 4, 10, heads=("L1H3", "L0H1"), seed=2))
    assert len({view.tokens.tobytes() for view in views}) == 4
    for view in views:
        _, cache = loaded.model.run_with_cache(torch.from_numpy(view.tokens)[None])
        for head, pattern in zip(view.heads, view.variants[0].pattern, strict=True):
            layer, index = map(int, head.name[1:].split("H"))
            np.testing.assert_allclose(pattern, cache[f"blocks.{layer}.attn.hook_pattern"][0, index], atol=1e-6)
    again = list(sampled_views(loaded, 4, 10, heads=("L1H3", "L0H1"), seed=2))
    assert all((one.tokens == other.tokens).all() for one, other in zip(views, again, strict=True))


def test_a_sample_becomes_a_tree_with_deciles(tmp_path):
    folder = write_head_vis(sampled_views(MODEL, 20, 10), tmp_path, per_interval=1)
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    assert config["n_intervals"] == 10 and config["dataset_name"] == "20 strings" and len(config["heads"]) == 8
    head = json.loads((folder / "heads/L1H3.json").read_text(encoding="utf-8"))
    assert [one["interval"] for one in head["sequences"]] == list(range(1, 11))
    assert head["statistics"]["n_samples"] == 20


def test_what_cannot_be_sampled_is_refused_at_once():
    with pytest.raises(UserError, match="strings and length must be at least 1; got 0 and 64"):
        sampled_views(MODEL, 0)
    with pytest.raises(UserError, match="model must have a tokenizer to read a text"):
        sampled_views(MODEL, 2, 8, Corpus("a text"))
    with pytest.raises(UserError, match="L7H7"):
        sampled_views(MODEL, 2, 8, heads=("L7H7",))
