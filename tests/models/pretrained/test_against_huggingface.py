"""Hugging Face's GPT-NeoX and GPT-2, with random weights, give the same logits from the same weights."""

import pytest
import torch

from interp.models.transformer import HookedTransformer, TransformerConfig

transformers = pytest.importorskip("transformers")
SMALL = {"vocab_size": 30, "bos_token_id": 0, "eos_token_id": 0}


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(0, 30, (3, 20), generator=torch.Generator().manual_seed(2))


def perturbed(model):
    """Eager attention, and every parameter moved, so that norms and biases count."""
    model.eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.2 * torch.randn(parameter.shape, generator=generator))
    return model


def fill(ours: HookedTransformer, weights: dict[str, torch.Tensor]) -> HookedTransformer:
    assert weights.keys() == dict(ours.named_parameters()).keys()
    ours.load_state_dict(weights)
    return ours.eval()


def heads(matrix: torch.Tensor, *axes: int) -> torch.Tensor:
    """[d_model, heads x d_head] apart."""
    return matrix.unflatten(-1, axes)


@pytest.mark.parametrize("parallel", [True, False])
def test_gpt_neox(tokens, parallel):
    shape = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    config = transformers.GPTNeoXConfig(
        rotary_pct=0.25, use_parallel_residual=parallel, max_position_embeddings=64, hidden_act="gelu", **shape, **SMALL
    )
    theirs = perturbed(transformers.GPTNeoXForCausalLM(config))
    ours = HookedTransformer(
        TransformerConfig(3, 4, 32, 30, d_mlp=64, position="rope", rotary_dim=2, normalization="LN", parallel=parallel)
    )
    source, weights = theirs.state_dict(), {}
    weights["embed.W_E"] = source["gpt_neox.embed_in.weight"]
    for i in range(3):
        there, here = f"gpt_neox.layers.{i}.", f"blocks.{i}."
        # its rows run over (head, query | key | value, d_head)
        qkv = heads(source[there + "attention.query_key_value.weight"].T, 4, 3, 8)
        weights[here + "attn.W_QKV"] = qkv.transpose(1, 2)
        weights[here + "attn.b_QKV"] = heads(source[there + "attention.query_key_value.bias"], 4, 3, 8).transpose(0, 1)
        weights[here + "attn.W_O"] = source[there + "attention.dense.weight"].T.unflatten(0, (4, 8))
        weights[here + "attn.b_O"] = source[there + "attention.dense.bias"]
        weights[here + "mlp.W_in"] = source[there + "mlp.dense_h_to_4h.weight"].T
        weights[here + "mlp.b_in"] = source[there + "mlp.dense_h_to_4h.bias"]
        weights[here + "mlp.W_out"] = source[there + "mlp.dense_4h_to_h.weight"].T
        weights[here + "mlp.b_out"] = source[there + "mlp.dense_4h_to_h.bias"]
        for norm, name in (("ln1", "input_layernorm"), ("ln2", "post_attention_layernorm")):
            weights[here + norm + ".w"], weights[here + norm + ".b"] = (
                source[there + name + x] for x in (".weight", ".bias")
            )
    weights["ln_final.w"], weights["ln_final.b"] = (
        source["gpt_neox.final_layer_norm" + x] for x in (".weight", ".bias")
    )
    weights["unembed.W_U"], weights["unembed.b_U"] = theirs.get_output_embeddings().weight.T, torch.zeros(30)
    torch.testing.assert_close(fill(ours, weights)(tokens), theirs(tokens).logits, atol=1e-5, rtol=1e-5)


def test_gpt_2(tokens):
    config = transformers.GPT2Config(n_embd=32, n_layer=3, n_head=4, n_positions=40, **SMALL)
    theirs = perturbed(transformers.GPT2LMHeadModel(config))
    ours = HookedTransformer(
        TransformerConfig(
            3, 4, 32, 30, d_mlp=128, activation="gelu_new", position="learned", n_ctx=40, normalization="LN"
        )
    )
    source, weights = theirs.state_dict(), {}
    weights["embed.W_E"], weights["pos_embed.W_pos"] = (
        source["transformer.wte.weight"],
        source["transformer.wpe.weight"],
    )
    for i in range(3):
        there, here = f"transformer.h.{i}.", f"blocks.{i}."
        weights[here + "attn.W_QKV"] = heads(source[there + "attn.c_attn.weight"], 3, 4, 8)
        weights[here + "attn.b_QKV"] = heads(source[there + "attn.c_attn.bias"], 3, 4, 8)
        weights[here + "attn.W_O"] = source[there + "attn.c_proj.weight"].unflatten(0, (4, 8))
        weights[here + "attn.b_O"] = source[there + "attn.c_proj.bias"]
        weights[here + "mlp.W_in"], weights[here + "mlp.b_in"] = (
            source[there + "mlp.c_fc" + x] for x in (".weight", ".bias")
        )
        weights[here + "mlp.W_out"], weights[here + "mlp.b_out"] = (
            source[there + "mlp.c_proj" + x] for x in (".weight", ".bias")
        )
        for norm, name in (("ln1", "ln_1"), ("ln2", "ln_2")):
            weights[here + norm + ".w"], weights[here + norm + ".b"] = (
                source[there + name + x] for x in (".weight", ".bias")
            )
    weights["ln_final.w"], weights["ln_final.b"] = (source["transformer.ln_f" + x] for x in (".weight", ".bias"))
    weights["unembed.W_U"], weights["unembed.b_U"] = source["transformer.wte.weight"].T, torch.zeros(30)
    torch.testing.assert_close(fill(ours, weights)(tokens), theirs(tokens).logits, atol=1e-5, rtol=1e-5)
