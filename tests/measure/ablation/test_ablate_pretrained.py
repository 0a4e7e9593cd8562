"""Ablating the heads of a pretrained model through its bridge does what editing its weights does."""

import pytest
import torch

from interp.base.errors import UserError
from interp.measure.ablation.ablate import ablate
from interp.measure.ablation.interventions import EdgeCut
from interp.measure.ablation.sets import Ablation, HeadSet, named_sets
from interp.measure.ablation.sweep import sweep
from interp.measure.values import Zero
from interp.models.pretrained.bridge import load_bridge
from interp.tasks.copy import CopyTask
from interp.tasks.vocabulary import Vocabulary

transformers = pytest.importorskip("transformers")

SMALL = {"vocab_size": 20, "bos_token_id": 18, "eos_token_id": 19, "pad_token_id": None}
VOCABULARY = Vocabulary(8, bos=18, separator=None, eos=None, pad=17, letter_ids=tuple(range(8)))
STRINGS = CopyTask(vocab=VOCABULARY).sample(6, 5, torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def gpt2(pretrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("gpt2")
    config = transformers.GPT2Config(n_layer=2, n_head=4, n_embd=16, n_positions=24, **SMALL)
    return pretrained(config, folder), load_bridge(folder)


def loss_of(logits):
    nats = -logits.log_softmax(dim=-1).gather(2, STRINGS.targets[..., None])[..., 0]
    return (nats * STRINGS.answer).sum(dim=1) / STRINGS.answer.sum(dim=1)


@torch.no_grad()
def test_zeroed_heads_are_heads_whose_output_weights_are_zero(gpt2):
    model, bridge = gpt2
    found = sweep(bridge, STRINGS, VOCABULARY, [Ablation((), Zero()), Ablation(("L0H1", "L1H3"), Zero())])
    torch.testing.assert_close(found.loss[0], loss_of(model(STRINGS.tokens).logits), rtol=1e-4, atol=1e-4)
    weights = [(model.transformer.h[layer].attn.c_proj.weight, head) for layer, head in ((0, 1), (1, 3))]
    before = [weight.clone() for weight, _ in weights]
    for weight, head in weights:
        weight[4 * head : 4 * head + 4] = 0
    torch.testing.assert_close(found.loss[1], loss_of(model(STRINGS.tokens).logits), rtol=1e-4, atol=1e-4)
    for (weight, _), kept in zip(weights, before, strict=True):
        weight.copy_(kept)
    assert (found.loss[0] - found.loss[1]).abs().min() > 1e-3


def test_a_study_of_sets_has_all_its_controls(gpt2):
    heads = ("L1H0", "L1H2")
    head_sets = [*named_sets(heads), HeadSet("edges", "edges", heads)]
    results = ablate(gpt2[1], VOCABULARY, STRINGS, head_sets, "mean", ["L0H0"], draws=3)
    assert [result.kind for result in results] == ["mean", "mean", "mean", "edges"]
    pools = [[control.pool for control in result.controls[:2]] for result in results]
    assert pools == [[3, 6], [3, 6], [2, 5], [2, 5]]  # of 8 heads, less the ablated ones and the gather head
    assert [control.draws for control in results[2].controls] == [1, 3, 4]
    assert all(result.loss_after != result.loss_before for result in results)


def test_edges_are_refused_where_the_pattern_cannot_be_edited(pretrained, tmp_path):
    wide = {"num_hidden_layers": 2, "num_attention_heads": 4, "hidden_size": 16, "max_position_embeddings": 24}
    pretrained(transformers.OPTConfig(ffn_dim=16, word_embed_proj_dim=16, **wide, **SMALL), tmp_path)
    bridge = load_bridge(tmp_path)
    with pytest.raises(UserError, match="can only be read"):
        sweep(bridge, STRINGS, VOCABULARY, [Ablation(("L0H0",), EdgeCut(STRINGS.source))])
    result = ablate(bridge, VOCABULARY, STRINGS, named_sets(["L1H0"]))[0]
    assert [control.name for control in result.controls] == ["same layer", "any layer"]
    assert result.loss_after != result.loss_before
