"""TransformerLens's own tools, run on recurrent models, say what the models do."""

import pytest
import torch
from transformer_lens import patching
from transformer_lens.model_protocol import TransformerLensModel, TransformerLensModelWithWeights
from transformer_lens.tools.analysis.direct_logit_attribution import direct_logit_attribution
from transformer_lens.tools.analysis.logit_lens import logit_lens

from interp.base.errors import UserError
from interp.models.recurrent.mixer import RecurrentBlock


@pytest.fixture
def model(recurrent, kind):
    return recurrent(kind, normalization="LN", **({"residual": True} if kind == "lstm" else {}))


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


def constants(model):
    """What the logits hold beside the stream: b_U, and the final norm's shift."""
    return model.b_U + model.ln_final.b @ model.W_U


def logits_of(model, tokens):
    """The logits that are a sum; a model that caps them does so behind."""
    if "hook_uncapped" not in model.hook_dict:
        return model(tokens)
    return model.run_with_cache(tokens, names_filter="hook_uncapped")[1]["hook_uncapped"]


def test_the_model_has_the_protocols_and_its_config_says_its_shape(model):
    assert isinstance(model, TransformerLensModel) and isinstance(model, TransformerLensModelWithWeights)
    cfg = model.cfg
    assert (cfg.n_layers, cfg.d_model, cfg.d_vocab) == (len(model.blocks), 16, 11)
    assert cfg.device == "cpu" and cfg.dtype == torch.float64
    assert cfg.attn_only == (cfg.d_mlp == 0) and cfg.d_mlp == model.mlp_width
    assert cfg.normalization_type == "LN"


def test_decompositions_add_up_to_the_stream(model, tokens):
    _, cache = model.run_with_cache(tokens)
    last = len(model.blocks) - 1
    stream = cache["resid_post", last]
    parts, labels = cache.decompose_resid(return_labels=True)
    torch.testing.assert_close(parts.sum(0), stream)
    of_layer = ["attn_out", "mlp_out"] if model.mlp_width else ["attn_out"]
    assert labels == ["embed", *(f"{layer}_{part}" for layer in range(last + 1) for part in of_layer)]
    torch.testing.assert_close(cache.accumulated_resid()[-1], stream)
    torch.testing.assert_close(cache.stack_activation("resid_pre")[0], cache["hook_embed"])
    name = "mixer_out" if all(isinstance(block, RecurrentBlock) for block in model.blocks) else "resid_post"
    torch.testing.assert_close(cache.stack_activation(name)[last], cache[f"blocks.{last}.hook_{name}"])


def test_a_model_whose_layers_replace_the_stream_has_no_parts(tokens, recurrent):
    _, cache = recurrent("lstm").run_with_cache(tokens)
    for taken_apart in (cache.decompose_resid, cache.get_full_resid_decomposition):
        with pytest.raises(UserError, match="model must add to its stream for that to be taken apart; got one whose"):
            taken_apart()
    torch.testing.assert_close(cache.accumulated_resid()[-1], cache["resid_post", -1])


def test_logit_attributions_add_up_to_the_logits(model, tokens):
    logits, cache = logits_of(model, tokens), model.run_with_cache(tokens)[1]
    answers = tokens.roll(-1, 1)
    total = cache.logit_attrs(cache.decompose_resid(), answers).sum(0)
    torch.testing.assert_close(total + constants(model)[answers], logits.gather(2, answers[..., None])[..., 0])


@pytest.mark.parametrize("unit", ["component", "layer"])
def test_direct_logit_attribution_adds_up_to_the_last_logit(model, tokens, unit):
    result = direct_logit_attribution(model, tokens, answer_tokens=4, unit=unit, pos=-1)
    parts = result.attribution[-1] if unit == "layer" else result.attribution.sum(0)
    torch.testing.assert_close(parts + constants(model)[4], logits_of(model, tokens)[:, -1, 4])


def test_the_logit_lens_ends_in_the_models_own_prediction(model, tokens):
    result = logit_lens(model, tokens, return_type="logits", positions=None)
    torch.testing.assert_close(result.values[-1], model(tokens))
    if len(model.blocks) > 1:
        early = model(tokens, stop_at_layer=1)
        torch.testing.assert_close(result.values[1], model.to_logits(early))


def test_the_bias_that_blocks_write_is_what_is_left_of_a_zero_input(recurrent, tokens):
    model = recurrent("mamba", bias=True)
    zero = [(f"blocks.{layer}.mixer.hook_gated", lambda x, **_: torch.zeros_like(x)) for layer in range(2)]
    with model.hooks(fwd_hooks=zero):
        stream = model(tokens, stop_at_layer=2) - model.W_E[tokens]
    torch.testing.assert_close(stream, model.accumulated_bias(2).expand_as(stream))


def test_patching_the_stream_restores_the_clean_answer_where_all_of_it_passes(model, tokens):
    corrupted = tokens.clone()
    corrupted[:, 2] = (corrupted[:, 2] + 1) % 11

    def answer(logits):
        return logits[:, -1, 4]

    logits, cache = model.run_with_cache(tokens)
    result = patching.get_act_patch_resid_pre(model, corrupted, cache, answer, reduce="none", baseline=True)
    restored, before = answer(logits).float(), answer(model(corrupted)).float()
    torch.testing.assert_close(result.values[0, 2], restored)  # the differing token itself
    assert torch.allclose(result.values[0, [0, 1, 3, 4]], before)
    swap = [("blocks.0.hook_resid_pre", lambda x, hook: x.index_copy(1, torch.tensor([2]), cache[hook.name][:, 2:3]))]
    torch.testing.assert_close(answer(model.run_with_hooks(corrupted, fwd_hooks=swap)).float(), result.values[0, 2])


def test_patching_a_state_restores_all_that_it_carries(recurrent, tokens):
    """Strings that differ before position 6 alone: of one layer without a convolution, the state there is the rest."""
    model = recurrent("mamba", n_layers=1, d_conv=1)
    corrupted = tokens.clone()
    corrupted[:, :6] = (corrupted[:, :6] + 1) % 11
    logits, cache = model.run_with_cache(tokens, names_filter="blocks.0.mixer.h.6")
    patch = [("blocks.0.mixer.h.6", lambda _, hook: cache[hook.name])]
    torch.testing.assert_close(model.run_with_hooks(corrupted, fwd_hooks=patch)[:, 6:], logits[:, 6:])
    assert not torch.allclose(model(corrupted)[:, 6:], logits[:, 6:])
