"""Shapes of tiny hybrids of transformers, three or more of each kind, and how one is made."""

from typing import Any

import torch
import transformers

SMALL = {"hidden_size": 16, "vocab_size": 34, "num_attention_heads": 4, "num_key_value_heads": 2}
SMALL |= {"intermediate_size": 12, "pad_token_id": None, "bos_token_id": 1, "eos_token_id": 2}
MIXED = {"layer_types": ["linear_attention", "full_attention", "linear_attention"], "num_hidden_layers": 3}
DELTA = SMALL | MIXED | {"linear_num_key_heads": 2, "linear_num_value_heads": 4, "linear_key_head_dim": 4}
DELTA |= {"linear_value_head_dim": 6}
ALIKE = {"linear_num_key_heads": 3, "linear_num_value_heads": 3, "linear_conv_kernel_dim": 2, "num_hidden_layers": 2}
ALIKE |= {"layer_types": ["full_attention", "linear_attention"], "tie_word_embeddings": True, "rms_norm_eps": 0.01}
ROPE = {"rope_type": "default", "rope_theta": 50.0, "partial_rotary_factor": 0.5}
BAMBA = SMALL | {"num_hidden_layers": 3, "attn_layer_indices": [1], "mamba_n_heads": 4, "mamba_d_state": 4}
BIASES = {"mamba_proj_bias": True, "mlp_bias": True, "attention_bias": True, "mamba_conv_bias": False}
PATTERN = ["linear_attention", "mlp", "full_attention", "linear_attention", "linear_attention", "mlp"]
NEMOTRON = SMALL | {"layers_block_type": PATTERN, "head_dim": 6, "ssm_state_size": 4, "mamba_num_heads": 4}
NEMOTRON |= {"mamba_head_dim": 6, "n_groups": 2}
JAMBA = SMALL | {"num_hidden_layers": 4, "attn_layer_period": 2, "attn_layer_offset": 1, "mamba_d_state": 4}
JAMBA |= {"expert_layer_period": 2, "expert_layer_offset": 1, "num_experts": 1, "num_experts_per_tok": 1}
MIXTURE = {"head_dim": 8, "num_experts": 5, "num_experts_per_tok": 2, "moe_intermediate_size": 8}
MIXTURE |= {"shared_expert_intermediate_size": 12}
SPARSE = ["linear_attention", "moe", "full_attention", "moe", "linear_attention", "mlp"]
ROUTED = NEMOTRON | {"layers_block_type": SPARSE, "n_routed_experts": 5, "moe_intermediate_size": 8}
ROUTED |= {"moe_shared_expert_intermediate_size": 10, "routed_scaling_factor": 2.5}
ONE_KEY = {"num_key_value_heads": 1}
XLSTM = {"hidden_size": 16, "vocab_size": 34, "num_heads": 2, "num_hidden_layers": 2, "ffn_round_up_to_multiple_of": 8}
XLSTM |= {"pad_token_id": None, "bos_token_id": 1, "eos_token_id": 2}
CAPPED = {"gate_soft_cap": 1.5, "output_logit_soft_cap": 0.7, "eps": 0.1, "norm_eps": 0.01}
KIMI = SMALL | {"num_key_value_heads": 4, "num_hidden_layers": 3, "kv_lora_rank": 6, "qk_rope_head_dim": 2}
KIMI |= {"layer_types": ["linear_attention", "full_attention", "linear_attention"], "qk_nope_head_dim": 4}
KIMI |= {"mlp_layer_types": ["dense", "sparse", "sparse"], "num_experts": 5, "num_experts_per_tok": 2, "v_head_dim": 3}
KIMI |= {"moe_intermediate_size": 8, "linear_head_dim": 4, "linear_num_heads": 3}
FALCON = SMALL | {"num_hidden_layers": 2, "mamba_n_heads": 4, "mamba_d_ssm": 24, "mamba_d_state": 5}
TIMES = {"embedding_multiplier": 3.0, "lm_head_multiplier": 0.7, "key_multiplier": 0.5, "attention_in_multiplier": 1.3}
TIMES |= {"attention_out_multiplier": 0.8, "ssm_in_multiplier": 1.4, "ssm_out_multiplier": 0.6}
TIMES |= {"mlp_multipliers": [0.7, 1.9], "ssm_multipliers": [0.5, 1.5, 0.7, 1.2, 0.9]}

SHAPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "qwen3.5": ("Qwen3_5Text", "Qwen3_5", DELTA | {"head_dim": 8}),
    "qwen3.5 alike": ("Qwen3_5Text", "Qwen3_5", DELTA | ALIKE | {"head_dim": 4, "rope_parameters": ROPE}),
    "qwen3.5 biases": ("Qwen3_5Text", "Qwen3_5", DELTA | ONE_KEY | {"head_dim": 8, "attention_bias": True}),
    "olmo hybrid": ("OlmoHybrid", "OlmoHybrid", DELTA),
    "olmo hybrid alike": ("OlmoHybrid", "OlmoHybrid", DELTA | ALIKE | {"linear_allow_neg_eigval": False}),
    "olmo hybrid without positions": (
        *("OlmoHybrid", "OlmoHybrid"),
        DELTA | {"rope_parameters": {"rope_type": "default", "rope_theta": None}},
    ),
    "olmo hybrid biases": ("OlmoHybrid", "OlmoHybrid", DELTA | ONE_KEY | {"attention_bias": True}),
    "bamba": ("Bamba", "Bamba", BAMBA),
    "bamba biases": ("Bamba", "Bamba", BAMBA | BIASES | {"mamba_n_groups": 2, "tie_word_embeddings": True}),
    "bamba limits": ("Bamba", "Bamba", BAMBA | {"time_step_limit": (0.3, 0.9), "mamba_d_conv": 2, "mamba_expand": 3}),
    "jamba": ("Jamba", "Jamba", JAMBA),
    "jamba experts": ("Jamba", "Jamba", JAMBA | {"num_experts": 4, "num_experts_per_tok": 2, "mamba_dt_rank": 3}),
    "jamba biases": (
        *("Jamba", "Jamba"),
        JAMBA | ONE_KEY | {"mamba_proj_bias": True, "mamba_conv_bias": False, "tie_word_embeddings": True},
    ),
    "qwen3-next": ("Qwen3Next", "Qwen3Next", DELTA | MIXTURE),
    "qwen3-next alike": (
        *("Qwen3Next", "Qwen3Next"),
        DELTA | ALIKE | MIXTURE | {"norm_topk_prob": False, "mlp_only_layers": [1], "rope_parameters": ROPE},
    ),
    "qwen3-next sparse": (
        *("Qwen3Next", "Qwen3Next"),
        DELTA | ONE_KEY | MIXTURE | {"decoder_sparse_step": 2, "num_experts_per_tok": 5, "attention_bias": True},
    ),
    "qwen3.5 experts": ("Qwen3_5MoeText", "Qwen3_5Moe", DELTA | MIXTURE),
    "nemotron": ("NemotronH", "NemotronH", NEMOTRON),
    "nemotron biases": ("NemotronH", "NemotronH", NEMOTRON | {"use_bias": True, "mlp_bias": True, "head_dim": 4}),
    "nemotron wide": (
        *("NemotronH", "NemotronH"),
        NEMOTRON | {"n_groups": 1, "mamba_num_heads": 3, "mlp_hidden_act": "gelu", "time_step_min": 0.4},
    ),
    "xlstm": ("xLSTM", "xLSTM", XLSTM | CAPPED),
    "kimi": ("KimiLinear", "KimiLinear", KIMI),
    "falcon": ("FalconH1", "FalconH1", FALCON | TIMES),
}

MORE: dict[str, tuple[str, str, dict[str, Any]]] = {
    "turned by an odd number": ("Qwen3_5Text", "Qwen3_5", DELTA | {"head_dim": 6, "rope_parameters": ROPE}),
    "turned by one": ("Qwen3_5Text", "Qwen3_5", DELTA | {"head_dim": 4}),
    "not turned": ("Qwen3_5Text", "Qwen3_5", DELTA | {"head_dim": 2}),
    "keys of their own": ("Qwen3Next", "Qwen3Next", DELTA | MIXTURE | {"num_key_value_heads": 4}),
    "little recurrence": ("NemotronH", "NemotronH", NEMOTRON | {"layers_block_type": ["full_attention", *PATTERN]}),
    "nemotron experts": ("NemotronH", "NemotronH", ROUTED),
    "nemotron latent experts": (
        *("NemotronH", "NemotronH"),
        ROUTED | {"moe_latent_size": 8, "mlp_bias": True, "num_experts_per_tok": 3, "mlp_hidden_act": "silu"},
    ),
    "nemotron weights as they are": (
        *("NemotronH", "NemotronH"),
        ROUTED | {"norm_topk_prob": False, "n_routed_experts": 6, "n_group": 3, "topk_group": 3},
    ),
    "xlstm as it is": ("xLSTM", "xLSTM", XLSTM),
    "xlstm wide": ("xLSTM", "xLSTM", XLSTM | {"num_heads": 4, "qk_dim_factor": 1.5, "v_dim_factor": 0.5}),
    "kimi dense": (
        *("KimiLinear", "KimiLinear"),
        KIMI | {"mlp_layer_types": ["dense"] * 3, "attention_bias": True, "v_head_dim": 8, "linear_conv_kernel_dim": 2},
    ),
    "kimi sparse": (
        *("KimiLinear", "KimiLinear"),
        KIMI
        | {"mlp_layer_types": ["sparse"] * 3, "n_shared_experts": 2, "moe_renormalize": False, "rms_norm_eps": 0.01}
        | {"layer_types": ["full_attention", "linear_attention", "full_attention"], "routed_scaling_factor": 1.0},
    ),
    "falcon plain": ("FalconH1", "FalconH1", FALCON),
    "falcon tied": (
        *("FalconH1", "FalconH1"),
        FALCON | TIMES | BIASES | {"tie_word_embeddings": True, "mamba_rms_norm": True, "mamba_n_groups": 2},
    ),
    "falcon norm behind": (
        *("FalconH1", "FalconH1"),
        FALCON
        | TIMES
        | {"mamba_rms_norm": True, "mamba_norm_before_gate": False, "mamba_d_ssm": None, "projectors_bias": True}
        | {"head_dim": 6, "num_key_value_heads": None, "time_step_limit": (0.3, 0.9), "mamba_d_conv": 2},
    ),
    "plain experts": ("Jamba", "Jamba", JAMBA | {"num_experts": 3, "expert_layer_period": 1, "expert_layer_offset": 0}),
}
"""Shapes that are rarer."""


def made(shape: tuple[str, str, dict[str, Any]]) -> Any:
    """A model with every parameter away from its starting value, so that leaving one out shows."""
    config = getattr(transformers, f"{shape[0]}Config")(**shape[2])
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{shape[1]}ForCausalLM")(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.1 * torch.randn(parameter.shape))
            for name, buffer in model.named_buffers():
                if name.endswith("e_score_correction_bias"):
                    buffer.add_(0.1 * torch.randn(buffer.shape))
    return model


@torch.no_grad()
def answers(model: Any, tokens: torch.Tensor) -> tuple[torch.Tensor, list[torch.Tensor], list[torch.Tensor]]:
    """Its logits, the last states of its recurrent layers, and the keys of those that attend."""
    if model.config.model_type == "xlstm":  # whose cache has place for heads of 64 numbers or more alone
        states = []
        hooks = [
            block.register_forward_hook(lambda *call: states.append(call[2][1])) for block in model.backbone.blocks
        ]
        logits = model(tokens, use_cache=False).logits
        for hook in hooks:
            hook.remove()
        # Ours has the keys' scale in the state, and the normaliser as its last column.
        joined = [torch.cat([C, n[..., None]], dim=-1) * n.shape[-1] ** -0.5 for C, n, _ in states]
        return logits, joined, []
    found = model(tokens, use_cache=True)
    layers = found.past_key_values.layers
    states = [layer.recurrent_states[0] for layer in layers if getattr(layer, "recurrent_states", None) is not None]
    keys = [layer.keys for layer in layers if getattr(layer, "keys", None) is not None]
    if model.config.model_type == "kimi_linear":  # which carries the latent, and the part that heads share
        keys = [
            part.self_attn.expand_kv(layer.keys, layer.values)[0]
            for part, layer in zip(model.model.layers, layers, strict=True)
            if getattr(layer, "keys", None) is not None
        ]
    return found.logits, [state for state in states if state is not None], [each for each in keys if each.numel()]
