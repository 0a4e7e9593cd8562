"""One set of weights, opened twice: as our own transformer and, through transformers, as a bridge over a GPT-NeoX."""

import pytest
import torch
from einops import rearrange

from interp.loading import load
from interp.measure.heads.lookup import look
from interp.measure.heads.score import HeadSettings, score_heads
from interp.models.pretrained.bridge import load_bridge
from interp.models.surface import visit_attention
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask
from interp.tasks.probes.planted_repeats import planted_repeats

transformers = pytest.importorskip("transformers")


@torch.no_grad()
def as_gpt_neox(own: HookedTransformer, folder):
    """The same function, written down as a GPT-NeoX; without an MLP of ours, one whose weights are zero."""
    c = own.config
    rope = {"rope_type": "default", "rope_theta": 1e4, "partial_rotary_factor": c.rope_dim / c.head_width}
    model = transformers.GPTNeoXForCausalLM(
        transformers.GPTNeoXConfig(
            num_hidden_layers=c.n_layers,
            num_attention_heads=c.n_heads,
            hidden_size=c.d_model,
            intermediate_size=c.d_mlp or 1,
            vocab_size=c.d_vocab,
            max_position_embeddings=256,
            use_parallel_residual=c.parallel,
            rope_parameters=rope,
            bos_token_id=0,
            eos_token_id=0,
        )
    )
    for parameter in model.parameters():
        parameter.zero_()
    body = model.gpt_neox
    body.embed_in.weight.copy_(own.W_E)
    model.get_output_embeddings().weight.copy_(own.W_U.T)
    _copy_norm(body.final_layer_norm, own.ln_final)
    for block, theirs in zip(own.blocks, body.layers, strict=True):
        _copy_norm(theirs.input_layernorm, block.ln1)
        attention, dense = theirs.attention.query_key_value, theirs.attention.dense
        attention.weight.copy_(rearrange(block.attn.W_QKV, "m w h d -> (h w d) m"))
        attention.bias.copy_(rearrange(block.attn.b_QKV, "w h d -> (h w d)"))
        dense.weight.copy_(rearrange(block.attn.W_O, "h d m -> m (h d)"))
        dense.bias.copy_(block.attn.b_O)
        if block.mlp is not None:
            _copy_norm(theirs.post_attention_layernorm, block.ln2)
            for name, linear in (("in", theirs.mlp.dense_h_to_4h), ("out", theirs.mlp.dense_4h_to_h)):
                linear.weight.copy_(getattr(block.mlp, f"W_{name}").T)
                linear.bias.copy_(getattr(block.mlp, f"b_{name}"))
    model.save_pretrained(folder)
    return load_bridge(folder)


def _copy_norm(theirs, ours):
    theirs.weight.copy_(torch.ones_like(theirs.weight) if ours.w is None else ours.w)
    theirs.bias.copy_(torch.zeros_like(theirs.bias) if ours.b is None else ours.b)


@pytest.fixture(scope="module", params=["attention only", "parallel, LN, partial RoPE", "sequential MLP"])
def twice(request, tmp_path_factory):
    shape = {
        "attention only": {},
        "parallel, LN, partial RoPE": {"d_mlp": 20, "parallel": True, "normalization": "LN", "rotary_dim": 4},
        "sequential MLP": {"d_mlp": 20},
    }[request.param]
    own = HookedTransformer(TransformerConfig(2, 4, 32, position="rope", **shape), seed=1)
    return own, as_gpt_neox(own, tmp_path_factory.mktemp("neox"))


@torch.no_grad()
def test_logits_patterns_and_scores_are_the_same(twice):
    own, bridge = twice
    tokens = torch.randint(0, 30, (3, 15), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(bridge(tokens), own(tokens), atol=1e-4, rtol=1e-4)
    seen = {own: [], bridge: []}
    for model, layers in seen.items():
        visit_attention(model, tokens, lambda *layer, layers=layers: layers.append(layer))
    for (_, pattern, scores), (_, their_pattern, their_scores) in zip(seen[own], seen[bridge], strict=True):
        torch.testing.assert_close(their_pattern, pattern, atol=1e-5, rtol=1e-4)
        torch.testing.assert_close(their_scores, scores, atol=1e-4, rtol=1e-4)


def test_every_head_answers_the_probes_alike(twice):
    own, bridge = twice
    generator = torch.Generator().manual_seed(0)
    probe = planted_repeats(CopyTask(), torch.arange(4).repeat(3), (20, 24), generator, exclusive=True, context=4)
    mine, theirs = look(own, probe), look(bridge, probe)
    for name, value in vars(mine).items():
        torch.testing.assert_close(getattr(theirs, name), value, atol=1e-4, rtol=1e-4)


@pytest.mark.slow
def test_a_trained_copiers_heads_are_scored_alike_through_the_bridge(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "home"))
    loaded = load("rope", progress=False)
    mine, theirs = (
        score_heads(model, loaded.task, (22, 30), torch.Generator().manual_seed(0), HeadSettings(strings=64))
        for model in (loaded.model, as_gpt_neox(loaded.model, tmp_path / "neox"))
    )
    assert any(head.flagged for head in mine.heads)
    assert [head.flagged for head in theirs.heads] == [head.flagged for head in mine.heads]
    assert [head.n for head in theirs.heads] == [head.n for head in mine.heads]
    for name in ("attention", "shuffled", "response"):
        torch.testing.assert_close(*(torch.tensor(getattr(s, name)) for s in (theirs, mine)), atol=1e-4, rtol=1e-3)
