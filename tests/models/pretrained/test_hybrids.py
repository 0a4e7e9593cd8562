"""Tiny random hybrids, saved by transformers itself, are the truth: their logits, states and generations."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

import interp
from interp.base.errors import UserError
from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import sweep
from interp.measure.circuits.ov import decompose_logit
from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.state.matrices import effective_state_size
from interp.measure.values import Zero
from interp.models.hidden_attention.pattern import decompose
from interp.models.pretrained.hybrids.kinds import KINDS
from interp.models.pretrained.hybrids.reading import open_hybrid
from interp.models.recurrent.hybrid import HookedHybrid
from tests.models.pretrained.hybrid_shapes import DELTA, MORE, PATTERN, SHAPES, answers, made  # noqa: TID251

transformers = pytest.importorskip("transformers")


@pytest.fixture(scope="module")
def saved(tmp_path_factory) -> Any:
    """Makes a model of transformers of a name in `SHAPES` once, saved by itself: the model and its folder."""
    kept: dict[str, tuple[Any, Path]] = {}

    def get(name: str) -> tuple[Any, Path]:
        if name not in kept:
            folder = tmp_path_factory.mktemp("hybrid")
            model = made((SHAPES | MORE)[name])
            model.save_pretrained(folder)
            kept[name] = model, folder
        return kept[name]

    return get


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(0, 34, (3, 19), generator=torch.Generator().manual_seed(1))


def changed(folder: Path, target: Path, weights: dict[str, Any] | None = None, **config: Any) -> Path:
    """A copy of a model with other fields in its config, or other tensors; None takes a tensor away."""
    fields = json.loads((folder / "config.json").read_text()) | config
    (target / "config.json").write_text(json.dumps(fields))
    tensors = load_file(folder / "model.safetensors") | (weights or {})
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, target / "model.safetensors")
    return target


def refusal(folder: Path) -> str:
    with pytest.raises(UserError) as caught:
        interp.load(f"hf:{folder}")
    message = str(caught.value)
    assert "\n" not in message and message.endswith(".")
    return message


@pytest.mark.parametrize("name", [*SHAPES, *(pytest.param(name, marks=pytest.mark.slow) for name in MORE)])
@torch.no_grad()
def test_logits_states_and_steps_are_those_of_transformers(name, saved, tokens):
    theirs, folder = saved(name)
    ours, known = open_hybrid(folder)
    assert type(ours) is HookedHybrid and ours.dtype == torch.float32 and not ours.training
    logits, states, keys = answers(theirs, tokens)
    assert logits.std() > 0.2
    past = ours.new_past()
    torch.testing.assert_close(ours(tokens, past=past), logits, atol=1e-5, rtol=1e-5)
    assert len(states) == len(ours.recurrent_layers) > 0
    for layer, state in zip(ours.recurrent_layers, states, strict=True):
        torch.testing.assert_close(past[layer].parts["h"], state, atol=1e-5, rtol=1e-5)
    assert len(keys) == len(ours.attention_layers) and (keys or "xlstm" in name)
    for layer, of_theirs in zip(ours.attention_layers, keys, strict=True):
        each = past[layer].keys.shape[2] // of_theirs.shape[1]
        want = of_theirs.transpose(1, 2).repeat_interleave(each, dim=2)
        torch.testing.assert_close(past[layer].keys, want, atol=1e-5, rtol=1e-5)
    stepped = ours.new_past()
    steps = torch.cat([ours(token, past=stepped) for token in tokens.split([4, *[1] * 15], dim=1)], dim=1)
    torch.testing.assert_close(steps, ours(tokens), atol=1e-5, rtol=1e-5)
    assert known.special == ((1,), (2,), ()) and known.d_vocab == 34


@torch.no_grad()
def test_logits_of_layers_side_by_side_are_the_sum_of_what_all_of_them_write(saved, tokens):
    theirs, folder = saved("falcon")
    query, token = torch.tensor([18, 4, 9]), torch.tensor([3, 0, 33])
    found = decompose_logit(open_hybrid(folder)[0], tokens, query, token)
    want = theirs(tokens).logits[torch.arange(3), query, token].double()
    torch.testing.assert_close(found.total, want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("kind", ["recurrence", "attention"])
@torch.no_grad()
def test_layers_of_one_kind_alone_are_read_too(kind, tokens, tmp_path):
    types = ["linear_attention" if kind == "recurrence" else "full_attention"] * 2
    theirs = made(("Qwen3_5Text", "Qwen3_5", DELTA | {"head_dim": 8, "layer_types": types, "num_hidden_layers": 2}))
    theirs.save_pretrained(tmp_path)
    ours = open_hybrid(tmp_path)[0]
    assert (ours.attention_layers, ours.recurrent_layers) == (((), (0, 1)) if kind == "recurrence" else ((0, 1), ()))
    torch.testing.assert_close(ours(tokens), theirs(tokens, use_cache=False).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["qwen3.5", "olmo hybrid", "bamba", "nemotron biases", "falcon"])
@torch.no_grad()
def test_generations_are_those_of_transformers_and_a_model_saves_its_own(name, saved, tokens, tmp_path):
    theirs, folder = saved(name)
    ours, prompt = open_hybrid(folder)[0], tokens[:, :5]
    mask = torch.ones_like(prompt)
    want = theirs.generate(prompt, attention_mask=mask, max_new_tokens=8, do_sample=False, eos_token_id=None)
    assert torch.equal(ours.generate(prompt, 8), want)
    again = HookedHybrid.from_pretrained(ours.save_pretrained(tmp_path / "own"))
    assert torch.equal(again(tokens), ours(tokens)) and again.config == ours.config


@torch.no_grad()
def test_of_a_model_that_also_sees_pictures_the_text_is_read(tokens, tmp_path):
    vision = {"depth": 1, "hidden_size": 8, "num_heads": 2, "intermediate_size": 8, "out_hidden_size": 16}
    text = DELTA | {"head_dim": 8}
    config = transformers.Qwen3_5Config(text_config=text, vision_config=vision | {"num_position_embeddings": 4})
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = transformers.Qwen3_5ForConditionalGeneration(config).eval()
        for parameter in theirs.parameters():
            parameter.add_(0.15 * torch.randn(parameter.shape))
    theirs.save_pretrained(tmp_path)
    assert any("visual" in name for name in load_file(tmp_path / "model.safetensors"))
    torch.testing.assert_close(open_hybrid(tmp_path)[0](tokens), theirs(tokens).logits, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", ["qwen3.5", "nemotron", "falcon", "kimi"])
@torch.no_grad()
def test_one_in_memory_is_opened_as_the_one_on_the_disk(name, saved, tokens):
    theirs, folder = saved(name)
    before = theirs(tokens).logits
    opened: Any = interp.open(theirs).model
    assert torch.equal(opened(tokens), open_hybrid(folder)[0](tokens)) and torch.equal(theirs(tokens).logits, before)


@pytest.mark.parametrize("name", ["nemotron", "mamba"])
@pytest.mark.filterwarnings("error")
def test_one_that_was_set_to_sample_is_opened_in_silence_and_its_settings_stay(name, capfd):
    """transformers does not save such a model, and writes into the config of one that it saves."""
    theirs = made(
        (SHAPES | {"mamba": ("Mamba", "Mamba", {"hidden_size": 16, "vocab_size": 34, "state_size": 4})})[name]
    )
    theirs.generation_config.temperature = 0.5  # which must not be set where nothing is sampled
    theirs.config.max_length = 50  # which is refused in a config
    before = theirs.config.to_dict(), theirs.generation_config.to_dict()
    capfd.readouterr()
    interp.open(theirs)
    assert capfd.readouterr() == ("", "") and transformers.utils.logging.is_progress_bar_enabled()
    assert (theirs.config.to_dict(), theirs.generation_config.to_dict()) == before and theirs.config.max_length == 50


@pytest.mark.parametrize(
    ("dtype", "within"), [("float16", 0.02), ("bfloat16", 0.16)]
)  # 20 times the relative rounding of a number; logits are around 0.4
@pytest.mark.parametrize("name", ["qwen3-next", "nemotron"])
@torch.no_grad()
def test_in_half_precision_logits_are_those_in_single_but_for_rounding(name, dtype, within, saved, tokens):
    theirs, folder = saved(name)
    model: Any = interp.load(f"hf:{folder}?dtype={dtype}").model
    past = model.new_past()
    logits = torch.cat([model(part, past=past) for part in tokens.split([4, 1, 14], dim=1)], dim=1)
    assert logits.dtype == model.dtype == getattr(torch, dtype)
    away = (logits.float() - theirs(tokens).logits).abs().amax(dim=-1)
    assert 0 < away.median() < within  # in single positions rounding may choose other experts


RELEASED_XLSTM = {
    **{"add_embedding_dropout": False, "add_forward_backend_padding": False, "add_post_blocks_norm": True},
    **{"add_post_norm": False, "add_qk_norm": False, "cell_norm_eps": 1e-2, "force_bos_token_insert": True},
    **{"igate_bias_init_range": -10.0, "mlstm_round_up_to_multiple_of": 64, "add_out_norm": True, "head_dim": 8},
    **{"autocast_kernel_dtype": "bfloat16", "chunk_size": 64, "chunkwise_kernel": "chunkwise--triton_xl_chunk"},
    **{"inference_state_dtype": "float32", "max_inference_chunksize": 16384, "mode": "inference", "use_bias": False},
    **{"norm_reduction_force_float32": True, "return_last_states": True, "weight_mode": "single"},
    **{"sequence_kernel": "native_sequence__triton", "step_kernel": "triton", "torch_dtype": "float32"},
}
"""What the config of the released xLSTM-7b says besides its sizes; there `cell_norm_eps` is 1e-6, as its `norm_eps`."""


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("qwen3.5", {"attn_output_gate": True, "mtp_num_hidden_layers": 1, "mlp_only_layers": [], "auto_map": {}}),
        ("qwen3-next", {"full_attention_interval": 4, "use_sliding_window": False, "rope_scaling": None}),
        ("bamba", {"attn_rotary_emb": 2, "use_mamba_kernels": True, "auto_map": {"AutoConfig": "config.Bamba"}}),
        ("jamba", {"mamba_inner_layernorms": True, "sliding_window": None, "n_ctx": 64}),
        ("jamba", {"calc_logits_for_entire_prompt": False, "num_logits_to_keep": 1}),
        ("falcon", {"mamba_use_mlp": True, "mlp_expansion_factor": 8, "attn_layer_indices": None, "head_dim": 4}),
        ("falcon", {"time_step_floor": 1e-4, "time_step_max": 0.1, "time_step_min": 1e-3, "time_step_rank": "auto"}),
        ("xlstm", {"chunkwise_kernel": "chunkwise--triton_xl_chunk", "step_kernel": "triton", "head_dim": 8}),
        ("nemotron", {"norm_eps": 1e-5, "rope_theta": 10000, "partial_rotary_factor": 1.0, "sliding_window": None}),
        ("nemotron", {"num_nextn_predict_layers": 1, "n_routed_experts": 16, "n_group": 4, "moe_latent_size": 8}),
        ("kimi", {"mla_use_nope": True, "moe_router_activation_func": "sigmoid", "moe_layer_freq": 1}),
        ("kimi", {"use_grouped_topk": True, "rope_theta": 1e4, "rope_scaling": None, "num_nextn_predict_layers": 0}),
        ("xlstm", RELEASED_XLSTM),
        ("xlstm", {"chunk_size": 16, "mode": "train", "norm_reduction_force_float32": False, "auto_map": {}}),
        ("nemotron", {"rms_norm_eps": 1e-5, "time_step_rank": 256, "attention_head_dim": 6}),
    ],
)
@torch.no_grad()
def test_fields_of_released_checkpoints_that_change_nothing_are_passed_over(name, fields, saved, tokens, tmp_path):
    folder = saved(name)[1]
    assert torch.equal(open_hybrid(changed(folder, tmp_path, **fields))[0](tokens), open_hybrid(folder)[0](tokens))


YARN = {"rope_type": "yarn", "rope_theta": 1e4, "factor": 2.0, "original_max_position_embeddings": 32}


@pytest.mark.parametrize(
    ("name", "config", "message"),
    [
        ("qwen3.5", {"rope_parameters": YARN}, "rope_parameters must be those of a plain rotation, as ours is; got"),
        ("qwen3.5", {"hidden_act": "gelu"}, "hidden_act must be silu or swish, as models of this kind are read here"),
        ("qwen3.5", {"attn_output_gate": False}, "attn_output_gate must be True, as models of this kind are read"),
        ("qwen3-next", {"use_sliding_window": True}, "use_sliding_window must be False, as models of this kind"),
        ("bamba", {"attn_rotary_emb": 4}, "attn_rotary_emb must be 2, as models of this kind are read here; got 4"),
        ("jamba", {"mamba_inner_layernorms": False}, "mamba_inner_layernorms must be True, as models of this kind"),
        ("qwen3.5", {"sinks": 4}, "sinks must be left out, as models of this kind are read here; got 4"),
        ("olmo hybrid", {"quantization_config": {"bits": 4}}, "quantization_config must be left out"),
        ("olmo hybrid", {"linear_conv_kernel_dim": 1}, "linear_conv_kernel_dim must be at least 2; got 1"),
        ("bamba", {"rms_norm_eps": "small"}, "cannot"),
        (
            "nemotron",
            {"sliding_window": 4},
            "sliding_window must be left at None, as models of this kind",
        ),
        ("nemotron", {"layers_block_type": ["moe", *PATTERN[1:]]}, "must have every moe behind a Mamba-2"),
        ("nemotron", {"norm_eps": 0.1}, "norm_eps must be 1e-05, as models of this kind are read here; got 0.1"),
        ("nemotron experts", {"n_group": 2}, "topk_group must be 2, as models of this kind are read here; got 1"),
        (
            "nemotron",
            {"layers_block_type": ["mlp", *PATTERN]},
            "must have every mlp behind a Mamba-2",
        ),
        ("nemotron", {"time_step_limit": [0.1, 1.0]}, "time_step_limit must be left at"),
        ("xlstm", {"use_bias": True}, "use_bias must be False, as models of this kind are read here; got True"),
        ("xlstm", {"weight_mode": "fused"}, "weight_mode must be single, as models of this kind are read here"),
        ("xlstm", {"tie_word_embeddings": True}, "tie_word_embeddings must be False, as models of this kind"),
        ("xlstm", {"add_qk_norm": True}, "add_qk_norm must be False, as models of this kind are read here; got True"),
        ("xlstm", {"add_post_norm": True}, "add_post_norm must be False, as models of this kind are read here"),
        ("xlstm", {"add_post_blocks_norm": False}, "add_post_blocks_norm must be True, as models of this kind"),
        ("xlstm", {"cell_norm_eps": 0.1}, "cell_norm_eps must be 0.01, as models of this kind are read here; got"),
        ("xlstm", {"head_dim": 16}, "head_dim must be 8, as models of this kind are read here; got 16"),
        ("xlstm", {"num_blocks": 3}, "num_blocks must be 2, as models of this kind are read here; got 3"),
        ("xlstm", {"qk_dim_factor": 0.2}, "qk_dim_factor must give each of 2 heads a whole number"),
        ("xlstm", {"gate_soft_cap": 0.0}, "gate_cap must be a positive number, or None for no bound; got 0.0"),
        ("kimi", {"q_lora_rank": 4}, "q_lora_rank must be None, as models of this kind are read here; got 4"),
        ("kimi", {"num_expert_group": 5}, "topk_group must be 5, as models of this kind are read here; got 1"),
        ("kimi", {"mla_use_nope": False}, "mla_use_nope must be True, as models of this kind are read here"),
        ("falcon", {"mlp_multipliers": [1.0]}, "mlp_multipliers must be a list of 2 finite numbers other than 0; got"),
        ("falcon", {"key_multiplier": None}, "key_multiplier must be a finite number other than 0; got None"),
        ("falcon", {"mamba_use_mlp": False}, "mamba_use_mlp must be True, as models of this kind are read here"),
        ("falcon", {"rope_parameters": YARN}, "rope_parameters must be those of a plain rotation, as ours is; got"),
    ],
)
def test_what_a_config_says_that_is_not_read_is_refused_by_name(name, config, message, saved, tmp_path):
    assert message in refusal(changed(saved(name)[1], tmp_path, **config))


def test_weights_that_lack_are_left_over_or_have_another_shape_are_refused_by_name(saved, tmp_path):
    _, folder = saved("qwen3.5")
    name = "model.layers.1.self_attn.q_proj.weight"
    weights = [{name: None}, {name: torch.ones(3, 16)}, {"model.layers.7.mlp.gate.weight": torch.ones(2)}]
    messages = [
        "got none for " + name,
        "must have the shape [64, 16] that the config asks for; got [3, 16]",
        "rs.7.mlp",
    ]
    for tensors, message in zip(weights, messages, strict=True):
        assert message in refusal(changed(folder, tmp_path, tensors))


@pytest.mark.parametrize(
    "name", ["qwen3.5", "jamba experts", "xlstm", "falcon", pytest.param("kimi", marks=pytest.mark.slow)]
)
def test_heads_ablations_hidden_attention_and_states_are_measured(name, saved):
    loaded = interp.load(f"hf:{saved(name)[1]}")
    model: Any = loaded.model
    task, generator = loaded.task, torch.Generator().manual_seed(0)
    scores = score_heads(model, task, (14, 20), generator, HeadSettings(longest=3, strings=8))
    assert {head.role for head in scores.heads} == {"none"}, "its weights are random"
    kinds = {"attention"} if model.attention_layers else set()
    assert {head.kind for head in scores.heads} == kinds | {"hidden attention"}
    batch = task.sample(3, 6, generator)
    layer, heads = (*model.attention_layers, 1)[0], model.attention.most_heads if kinds else 2
    names = [f"L{layer}H{head}" for head in range(heads)]
    ablations = [Ablation((), Zero()), *(Ablation((each,), Zero()) for each in (*names, "L0H0"))]
    losses = sweep(model, batch, task.vocabulary, ablations).loss
    assert ((losses - losses[0]).abs().amax(dim=1) > 1e-6).tolist() == [False] + [True] * (heads + 1)
    for at in model.recurrent_layers[:2]:
        found, point = decompose(model, batch.tokens, at), f"blocks.{at}.mixer.hook_y"
        written = model.run_with_cache(batch.tokens, names_filter=point)[1][point].flatten(2)
        again = torch.einsum("bcqk,bkc->bqc", found.alpha, found.inputs) + found.remainder
        torch.testing.assert_close(again, written, atol=1e-5 * float(written.abs().max()), rtol=0)
    sizes = effective_state_size(model, batch.tokens, model.recurrent_layers[0], [4, 8]).rank
    assert sizes.shape[:2] == (3, 2) and sizes.min() >= 1


def test_every_kind_is_tried_here():
    tried = {getattr(transformers, f"{shape[0]}Config").model_type for shape in SHAPES.values()}
    assert tried == set(KINDS) - {"qwen3_5", "qwen3_5_moe"}  # of which the first is tried with its pictures
