"""Small random models of transformers' own classes: each opens and shows what transformers shows, or is refused."""

from itertools import product

import pytest
import torch
import transformers

import interp
from interp.base.errors import UserError
from interp.measure.edit import Edit, Site
from interp.measure.language.heads import copy_heads, head_curve
from interp.measure.language.runs import SharedRun
from interp.measure.values import Mean, Zero
from interp.models.heads import HeadTable
from interp.tasks.base import Batch

MARKS = {"bos_token_id": 59, "eos_token_id": 58, "pad_token_id": 58}
NAMED = MARKS | {"hidden_size": 32, "num_hidden_layers": 2, "vocab_size": 60}
HEADS = NAMED | {"num_attention_heads": 4, "intermediate_size": 48}
GROUPED = HEADS | {"num_key_value_heads": 2}
OLD = MARKS | {"n_embd": 32, "n_layer": 2, "n_head": 4, "vocab_size": 60, "n_positions": 64}
MAMBA_HEADS = {"mamba_n_heads": 8, "mamba_d_head": 8, "mamba_d_state": 8}
OPEN = {
    "GPT2LMHeadModel": OLD,
    "GPTNeoXForCausalLM": HEADS,
    "LlamaForCausalLM": GROUPED,
    "MistralForCausalLM": GROUPED | {"sliding_window": 6},
    "MixtralForCausalLM": GROUPED | {"num_local_experts": 2},
    "Qwen2ForCausalLM": GROUPED,
    "Qwen3ForCausalLM": GROUPED | {"head_dim": 8},
    "GemmaForCausalLM": GROUPED | {"head_dim": 8},
    "Gemma2ForCausalLM": GROUPED
    | {"head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8, "attn_logit_softcapping": 5.0},
    "Gemma3ForCausalLM": GROUPED | {"head_dim": 8, "sliding_window": 6, "query_pre_attn_scalar": 8},
    "PhiForCausalLM": HEADS,
    "Phi3ForCausalLM": GROUPED,
    "BloomForCausalLM": MARKS | {"vocab_size": 60, "hidden_size": 32, "n_layer": 2, "n_head": 4},
    "FalconForCausalLM": HEADS,
    "StableLmForCausalLM": GROUPED,
    "OlmoForCausalLM": GROUPED,
    "Olmo2ForCausalLM": GROUPED,
    "GraniteForCausalLM": GROUPED,
    "Starcoder2ForCausalLM": GROUPED,
    "SmolLM3ForCausalLM": GROUPED | {"no_rope_layers": [1, 0]},
    "CohereForCausalLM": GROUPED,
}
NOT_EDITED = {
    "GPTNeoForCausalLM": NAMED
    | {"num_layers": 2, "num_heads": 4, "attention_types": [[["global", "local"], 1]], "window_size": 4},
    "GPTJForCausalLM": OLD | {"rotary_dim": 4},
    "OPTForCausalLM": NAMED | {"num_attention_heads": 4, "ffn_dim": 48, "word_embed_proj_dim": 32},
}
"""Those whose patterns are shown but cannot be edited, and which say so."""
RECURRENT = {
    "MambaForCausalLM": NAMED | {"state_size": 8},
    "FalconMambaForCausalLM": NAMED | {"state_size": 8},
    "Mamba2ForCausalLM": NAMED | {"state_size": 8, "num_heads": 8, "head_dim": 8, "n_groups": 2},
    "JambaForCausalLM": GROUPED
    | {"mamba_d_state": 8, "mamba_dt_rank": 4, "num_experts": 2, "attn_layer_period": 2, "attn_layer_offset": 1},
    "BambaForCausalLM": GROUPED | MAMBA_HEADS | {"attn_layer_indices": [1], "mamba_n_groups": 1},
    "FalconH1ForCausalLM": GROUPED | MAMBA_HEADS | {"mamba_d_ssm": 64},
    "xLSTMForCausalLM": NAMED | {"hidden_size": 64, "num_heads": 2, "qk_dim_factor": 1.0},
}
REFUSED = {
    "RwkvForCausalLM": NAMED | {"attention_hidden_size": 32},
    "RecurrentGemmaForCausalLM": GROUPED
    | {"num_hidden_layers": 3, "lru_width": 32, "attention_window_size": 8, "head_dim": 8},
    "XLNetLMHeadModel": MARKS | {"vocab_size": 60, "d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 48},
}


def made(name: str, options: dict):
    """A model whose attention is far from even, so that what differs is seen to."""
    cls = getattr(transformers, name)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = cls._from_config(cls.config_class(**options), attn_implementation="eager").eval()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.ndim == 2:
                parameter.mul_(3)
    return model


def copies(n: int = 8) -> Batch:
    """Strings of random tokens, twice."""
    letters = torch.randint(0, 58, (3, n), generator=torch.Generator().manual_seed(1))
    whole = torch.cat([torch.full((3, 1), 59), letters, letters], dim=1)
    source = torch.full((3, 2 * n), -1)
    source[:, n:] = torch.arange(1, n + 1)
    return Batch(whole[:, :-1], whole[:, 1:], source >= 0, source >= 0, source)


@pytest.mark.parametrize("name", [*OPEN, *NOT_EDITED])
@torch.no_grad()
def test_a_transformer_opens_and_its_heads_are_those_of_transformers(name):
    model, batch = made(name, (OPEN | NOT_EDITED)[name]), copies()
    own = model(batch.tokens, output_attentions=True, use_cache=False)
    loaded = interp.open(model)
    logits = loaded.model.run_with_hooks(batch.tokens, return_type="logits")
    torch.testing.assert_close(logits, own.logits, atol=1e-4, rtol=1e-4)
    about = loaded.description
    assert about["rows_sum_to_one"] and about["edits_act"] == (name in OPEN)
    assert about["heads_per_layer"] == 4 and len(about["not_measured"]) == (name in NOT_EDITED)

    found = copy_heads(loaded.model, batch)
    source = batch.source.clamp(min=0)[:, None, :, None]
    want = [layer.gather(3, source.expand(-1, 4, -1, -1))[..., 0] for layer in own.attentions]
    asked = batch.answer[:, None].expand(-1, 4, -1)
    for place, value in enumerate(want):
        by_head = value.masked_fill(~asked, 0).sum(dim=(0, 2)) / batch.answer.sum()
        torch.testing.assert_close(
            torch.tensor(found.attention[4 * place : 4 * place + 4]), by_head.double(), atol=1e-5, rtol=1e-4
        )


@pytest.mark.parametrize("name", ["GPTNeoXForCausalLM", "LlamaForCausalLM", "Gemma2ForCausalLM", "GPTJForCausalLM"])
def test_heads_of_any_class_are_ablated_each_its_own(name):
    model, batch = interp.open(made(name, (OPEN | NOT_EDITED)[name])).model, copies()
    heads = ("L0H0", "L0H1", "L1H2")  # the first two share their keys in a model of grouped queries
    curve = head_curve(model, batch, heads, (0, 1, 3), draws=1)
    assert curve.clean.tolist() == curve.without[0].tolist() == curve.kept[2].tolist()
    assert curve.kept[0].tolist() == curve.without[2].tolist()


@pytest.mark.parametrize("name", OPEN)
@torch.no_grad()
def test_a_run_that_begins_at_the_first_ablated_layer_gives_what_a_whole_run_gives(name):
    model, tokens = interp.open(made(name, OPEN[name])).model, copies().tokens
    shared, heads = SharedRun.of(model, tokens, 9), HeadTable.of(model).heads
    assert shared.entering, "every run is whole"
    torch.testing.assert_close(shared.logits, model.run_with_hooks(tokens, return_type="logits")[:, 9:])
    for chosen, value in product((heads[-1:], heads[:1], (heads[0], heads[-1])), (Zero(), Mean())):
        hooks = [Edit(Site.of(head), value).hook(model) for head in chosen]
        whole = model.run_with_hooks(tokens, return_type="logits", fwd_hooks=hooks)[:, 9:]
        torch.testing.assert_close(shared.without(chosen, value), whole, rtol=1e-4, atol=1e-4)
        assert not torch.allclose(whole, shared.logits)
    assert shared.shares == {1: True}, "layer 0 has nothing before it"


@pytest.mark.parametrize("name", RECURRENT)
@torch.no_grad()
def test_a_recurrent_model_opens_as_ours(name):
    model, tokens = made(name, RECURRENT[name]), copies().tokens
    loaded = interp.open(model)
    torch.testing.assert_close(loaded.model(tokens), model(tokens).logits, atol=1e-4, rtol=1e-4)
    assert loaded.model.state_shapes()


@pytest.mark.parametrize("name", REFUSED)
def test_any_other_class_is_refused_by_its_name(name):
    model = made(name, REFUSED[name])
    with pytest.raises(UserError, match=rf"^the {name} in memory must show the causal attention of each of its heads"):
        interp.open(model)
