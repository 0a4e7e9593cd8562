"""The direct path is what cutting it by hand in a whole run of the model gives, on our models and on bridges."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from interp.base.budget import Budget
from interp.measure.circuits.nodes import Graph
from interp.measure.edit import Edit
from interp.measure.heads.feeding import Feeding, with_gather_heads
from interp.measure.heads.gather import effects_on, path_effects, writes_are_sums
from interp.measure.heads.reach import moves_with
from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.heads.strings import Strings
from interp.measure.values import Mean
from interp.models.heads import HeadTable
from interp.models.pretrained.bridge import load_bridge
from interp.models.recurrent.hybrid import HookedHybrid, HybridConfig
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask
from interp.tasks.probes.planted_repeats import planted_repeats
from interp.tasks.vocabulary import Vocabulary

transformers = pytest.importorskip("transformers")

SMALL = {"vocab_size": 50, "bos_token_id": 48, "eos_token_id": 49, "pad_token_id": None}
WIDE = {"num_hidden_layers": 3, "num_attention_heads": 4, "hidden_size": 32, "max_position_embeddings": 80} | SMALL
GROUPED = WIDE | {"num_key_value_heads": 2, "intermediate_size": 48}
EXACT = {
    "GPT2": transformers.GPT2Config(n_layer=3, n_head=4, n_embd=32, n_positions=80, **SMALL),
    "GPTNeoX": transformers.GPTNeoXConfig(intermediate_size=48, **WIDE),
    "Llama": transformers.LlamaConfig(**GROUPED),
}
CHANGED = {
    "Gemma2": transformers.Gemma2Config(head_dim=8, sliding_window=6, query_pre_attn_scalar=8, **GROUPED),
    "Granite": transformers.GraniteConfig(residual_multiplier=0.5, **GROUPED),
    "OPT": transformers.OPTConfig(ffn_dim=48, word_embed_proj_dim=32, **WIDE),
}
LOOKUPS = {2: ["L2H1", "L2H3"], 1: ["L1H0"]}


def probe_of(task, strings=6):
    none = torch.zeros(strings, dtype=torch.long)
    return planted_repeats(task, none, (20, 24), torch.Generator().manual_seed(0), exclusive=False, context=4)


OVER_TOKENS = CopyTask(vocab=Vocabulary(8, bos=48, separator=None, eos=None, pad=47, letter_ids=tuple(range(8))))


def row(scores, probe, chosen):
    """From the query to the letters, less their mean; 0 elsewhere."""
    letters = probe.whole.copied_from
    found = torch.zeros(len(probe), len(chosen), scores.shape[-1], dtype=scores.dtype)
    for i in range(len(probe)):
        seen = scores[i, :, probe.query[i]][chosen][:, letters[i]]
        found[i][:, letters[i]] = seen - seen.mean(dim=1, keepdim=True)
    return found


def largest_change(clean, patched):
    return ((patched - clean).square().sum(dim=2) / clean.square().sum(dim=2)).sqrt().amax(dim=1)


@pytest.mark.parametrize("name", EXACT)
@torch.no_grad()
def test_on_a_bridge_it_is_what_a_whole_run_with_the_stream_edited_there_gives(name, pretrained, tmp_path):
    pretrained(EXACT[name], tmp_path)
    bridge, probe = load_bridge(tmp_path), probe_of(OVER_TOKENS)
    tokens, table, kept = probe.batch.tokens, HeadTable.of(bridge), {}
    found, notes = effects_on(bridge, probe, [head for heads in LOOKUPS.values() for head in heads])
    assert notes == []

    def scores(layer, *hooks):
        reading = (f"blocks.{layer}.attn.hook_attn_scores", lambda x, hook: kept.update(s=x.clone()))  # noqa: ARG005
        bridge.run_with_hooks(tokens, fwd_hooks=[*hooks, reading])
        return row(kept["s"], probe, [table[head].index for head in LOOKUPS[layer]])

    for head in table:
        expected = torch.zeros(len(probe))
        for layer in (layer for layer in LOOKUPS if layer > head.layer):
            bridge.run_with_hooks(tokens, fwd_hooks=[(head.output_hook, lambda z, hook: kept.update(z=z))])  # noqa: ARG005
            written = kept["z"][:, :, head.index] @ bridge.blocks[head.layer].attn.W_O[head.index]
            cut = (f"blocks.{layer}.hook_resid_pre", lambda x, hook, w=written: x - w + w.mean((0, 1)))  # noqa: ARG005
            expected = torch.maximum(expected, largest_change(scores(layer), scores(layer, cut)))
        torch.testing.assert_close(found[table.index(head)], expected, rtol=1e-4, atol=1e-5)
    assert found.max() > 0.1


@pytest.mark.parametrize("name", CHANGED)
def test_where_what_a_head_writes_is_changed_before_it_is_added_the_effect_is_total(name, pretrained, tmp_path):
    pretrained(CHANGED[name], tmp_path)
    bridge, probe = load_bridge(tmp_path), probe_of(OVER_TOKENS, 3)
    assert not writes_are_sums(bridge, probe)
    effects, notes = effects_on(bridge, probe, ["L1H0"])
    assert "total effect" in notes[0]
    assert effects[:4].max() > 0
    assert effects[4:].abs().max() == 0


SHAPES = {
    "rope": {"position": "rope", "normalization": "LN", "d_mlp": 16},
    "windows": {"position": "hard-alibi", "windows": (2, 3, None)},
    "parallel": {"position": "alibi", "parallel": True, "d_mlp": 16},
}


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@torch.no_grad()
def test_it_is_the_edge_into_queries_and_keys_of_the_lookup_head_alone(shape):
    """The edges are cut where queries and keys read the stream, by head, in a run of the whole model."""
    task = CopyTask(8)
    config = TransformerConfig(n_layers=2, n_heads=3, d_model=24, d_vocab=task.vocabulary.size, **shape)
    model, probe, kept = HookedTransformer(config, seed=1), probe_of(task), {}
    table, tokens = HeadTable.of(model), probe.batch.tokens
    receiver, names = table["L1H2"], model.query_key_names(1)
    _, clean = model.run_with_cache(tokens)

    def scores(*hooks):
        reading = [(name, lambda x, hook: kept.update({hook.name: x.clone()})) for name in names]
        model.run_with_hooks(tokens, fwd_hooks=[*hooks, *reading])
        q, k = (kept[name][:, :, 2] for name in names)
        return row((q @ k.transpose(1, 2))[:, None], probe, [0])

    found = path_effects(model, probe, [receiver])
    for sender in table.by_layer[0]:
        into_both = Graph.of(model).parse([f"{sender}->{receiver}.{into}" for into in ("q", "k")])
        edges = [Edit(edge, Mean()).hook(model, clean) for edge in into_both]
        torch.testing.assert_close(found[sender.index], largest_change(scores(), scores(*edges)), rtol=1e-4, atol=1e-5)
    assert found.max() > 0.1


def test_means_are_those_of_all_strings_however_the_work_is_cut(monkeypatch):
    model, probe = (
        HookedTransformer(TransformerConfig(n_heads=2, d_model=16, position="rope"), seed=0),
        probe_of(CopyTask()),
    )
    whole = path_effects(model, probe, ["L1H0"])
    monkeypatch.setattr("interp.base.budget.CPU", Budget(tokens=2 * probe.batch.tokens.shape[1]))
    torch.testing.assert_close(path_effects(model, probe, ["L1H0"]), whole)


def test_a_recurrent_layer_that_moves_a_lookup_head_is_a_gather_head_whatever_attention_heads_bring():
    """The set is asked of attention heads alone: what a recurrent layer brings cannot be taken off the direct path."""
    model = HookedHybrid(HybridConfig(layers=("mamba", "attention"), d_model=16, d_vocab=12), seed=0)
    settings, task = HeadSettings(longest=3, strings=16, untrained=2, gather_floor=0.05), CopyTask(8)
    scores = score_heads(model, task, (14, 18), 0, settings)
    lookup = HeadTable.of(model).of_kind("attention")[0].name
    matching = {"role": "lookup", "attends": True, "matched": (0,), "n": 1}
    rows = tuple(replace(head, **matching) if head.name == lookup else head for head in scores.heads)
    strings = Strings(task, (14, 18), torch.Generator().manual_seed(0), settings, torch.device("cpu"))
    asking = Feeding(model, strings, settings, 0, lambda _: None, strings.ordinary())
    fed = with_gather_heads(asking, replace(scores, heads=rows))
    assert next(head for head in fed.heads if head.name == "L0H0").gather_effect > settings.gather_floor
    assert fed.of_role("gather") == ("L0H0",)


def test_what_a_head_writes_does_not_pass_a_layer_that_replaces_the_stream():
    """A stack of LSTM layers has no residual: the head's own numbers are not in what the layer behind it reads."""
    layers, lstm = ("attention", "lstm", "attention"), {"residual": False}
    model = HookedHybrid(HybridConfig(layers=layers, d_model=16, d_vocab=12, lstm=lstm), seed=0)
    probe, lookup = probe_of(CopyTask(8)), HeadTable.of(model).by_layer[2][:1]
    effects, earlier = path_effects(model, probe, lookup), HeadTable.of(model).by_layer[0]
    assert effects.abs().max() == 0
    settings = HeadSettings(longest=2, strings=4)
    pair = Strings(CopyTask(8), 20, torch.Generator().manual_seed(0), settings, torch.device("cpu")).of_every_offset()
    every, none = moves_with(model, pair, settings.longest, lookup, [earlier, ()])
    np.testing.assert_array_equal(every, none)
