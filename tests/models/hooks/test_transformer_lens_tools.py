"""TransformerLens's own tools, run on our models, say what our models do."""

import pytest
import torch
from transformer_lens import patching
from transformer_lens.head_detector import detect_head
from transformer_lens.model_protocol import TransformerLensModel, TransformerLensModelWithWeights
from transformer_lens.tools.analysis.attribution_patching import (
    EdgeAttributionConfig,
    Node,
    attribution_patch,
    faithfulness,
)
from transformer_lens.tools.analysis.direct_logit_attribution import direct_logit_attribution
from transformer_lens.tools.analysis.logit_lens import logit_lens

SHAPES = {
    "attention only": {},
    "attention only, LN": {"normalization": "LN"},
    "MLP, LN, learned": {"d_mlp": 8, "normalization": "LN", "position": "learned", "windows": None},
    "parallel, rotary": {"d_mlp": 8, "parallel": True, "position": "rope", "windows": None},
    "no norm": {"d_mlp": 8, "normalization": None},
}


@pytest.fixture(params=SHAPES)
def model(tiny, request):
    return tiny(**SHAPES[request.param])


@pytest.fixture(autouse=True)
def quiet(monkeypatch):
    monkeypatch.setenv("TQDM_DISABLE", "1")


def constants(model):
    """What the logits hold beside the stream: b_U, and the final norm's shift."""
    shift = getattr(model.ln_final, "b", None)
    return model.b_U if shift is None else model.b_U + shift @ model.W_U


# ---------------------------------------------------------------------- surface


def test_the_model_has_the_protocols_and_its_config_says_its_shape(model):
    assert isinstance(model, TransformerLensModel) and isinstance(model, TransformerLensModelWithWeights)
    cfg, config = model.cfg, model.config
    assert (cfg.n_layers, cfg.n_heads, cfg.d_model, cfg.d_head, cfg.d_vocab, cfg.n_ctx) == (2, 4, 16, 4, 11, 40)
    assert (cfg.d_mlp, cfg.attn_only, cfg.normalization_type) == (config.d_mlp, config.d_mlp == 0, config.normalization)
    assert cfg.device == "cpu" and cfg.dtype == torch.float64 and cfg.n_key_value_heads == 4
    assert model.to_tokens(torch.arange(3)).shape == (1, 3)
    with pytest.raises(ValueError, match="must be a tensor of token ids; got str 'abc'"):
        model.to_tokens("abc")


def test_weights_by_their_names_reproduce_queries_keys_values_and_outputs(model, tokens):
    _, cache = model.run_with_cache(tokens)
    attn = model.blocks[1].attn
    x = cache["blocks.1.ln1.hook_normalized"] if model.config.normalization else cache["blocks.1.hook_resid_pre"]
    for letter in "QKV":
        weight, bias = getattr(attn, f"W_{letter}"), getattr(attn, f"b_{letter}")
        expected = torch.einsum("bpm,hmd->bphd", x, weight) + bias
        torch.testing.assert_close(cache[f"blocks.1.attn.hook_{letter.lower()}"], expected)
    written = torch.einsum("bphd,hdm->bpm", cache["z", 1], attn.W_O) + attn.b_O
    torch.testing.assert_close(cache["attn_out", 1], written)
    bias = model.blocks[0].attn.b_O + (model.blocks[0].mlp.b_out if model.config.d_mlp else 0)
    torch.testing.assert_close(model.accumulated_bias(1), bias)
    torch.testing.assert_close(model.accumulated_bias(1, mlp_input=True), bias + attn.b_O)
    torch.testing.assert_close(model.accumulated_bias(2, include_mlp_biases=False), model.blocks[0].attn.b_O + attn.b_O)


# ---------------------------------------------------------------------- ActivationCache


def test_decompositions_add_up_to_the_stream(model, tokens):
    _, cache = model.run_with_cache(tokens)
    stream = cache["resid_post", 1]
    torch.testing.assert_close(cache.decompose_resid().sum(0), stream)
    torch.testing.assert_close(cache.accumulated_resid()[-1], stream)
    torch.testing.assert_close(cache.accumulated_resid(incl_mid=True)[1], cache["resid_mid", 0])
    heads, labels = cache.stack_head_results(return_labels=True)
    assert labels[:4] == ["L0H0", "L0H1", "L0H2", "L0H3"] and heads.shape == (8, 3, 12, 16)
    rest = cache.decompose_resid(mode="mlp").sum(0) + model.accumulated_bias(2, include_mlp_biases=False)
    torch.testing.assert_close(heads.sum(0) + rest, stream)
    torch.testing.assert_close(cache.stack_head_results(incl_remainder=True).sum(0), stream)
    torch.testing.assert_close(cache.get_full_resid_decomposition(expand_neurons=False).sum(0), stream)
    if model.config.d_mlp:
        neurons = cache.stack_neuron_results(2, pos_slice=-1)
        written = cache["mlp_out", 0] + cache["mlp_out", 1] - model.blocks[0].mlp.b_out - model.blocks[1].mlp.b_out
        torch.testing.assert_close(neurons.sum(0), written[:, -1])


def test_layer_norm_applied_to_the_parts_adds_up_to_layer_norm_of_the_whole(tiny, tokens):
    for shape in ("attention only", "MLP, LN, learned"):
        model = tiny(**SHAPES[shape])
        _, cache = model.run_with_cache(tokens)
        parts = cache.apply_ln_to_stack(cache.decompose_resid(), layer=-1).sum(0)
        if model.config.normalization == "LN":
            parts = parts * model.ln_final.w + model.ln_final.b
        torch.testing.assert_close(parts, cache["ln_final.hook_normalized"])
        parts = cache.apply_ln_to_stack(cache.decompose_resid(1), layer=1).sum(0)
        if model.config.normalization == "LN":
            parts = parts * model.blocks[1].ln1.w + model.blocks[1].ln1.b
        torch.testing.assert_close(parts, cache["blocks.1.ln1.hook_normalized"])


def test_logit_attributions_add_up_to_the_logits(model, tokens):
    logits, cache = model.run_with_cache(tokens)
    answers = tokens.roll(-1, 1)
    total = cache.logit_attrs(cache.decompose_resid(), answers).sum(0)
    torch.testing.assert_close(total + constants(model)[answers], logits.gather(2, answers[..., None])[..., 0])
    total = cache.logit_attrs(cache.stack_head_results(incl_remainder=True), 4, incorrect_tokens=7).sum(0)
    difference = logits[..., 4] - logits[..., 7]
    torch.testing.assert_close(total + constants(model)[4] - constants(model)[7], difference)


@pytest.mark.parametrize("unit", ["component", "head", "layer"])
def test_direct_logit_attribution_adds_up_to_the_last_logit(model, tokens, unit):
    result = direct_logit_attribution(model, tokens, answer_tokens=4, unit=unit, pos=-1)
    parts = result.attribution[-1] if unit == "layer" else result.attribution.sum(0)
    torch.testing.assert_close(parts + constants(model)[4], model(tokens)[:, -1, 4])
    count = {
        "component": 3 + 2 * (model.config.d_mlp > 0) + (model.config.position == "learned"),
        "head": 9,
        "layer": 5,
    }
    assert len(result.labels) == count[unit]


def test_the_logit_lens_ends_in_the_models_own_prediction(model, tokens):
    result = logit_lens(model, tokens, return_type="logits", positions=None)
    torch.testing.assert_close(result.values[-1], model(tokens))
    early = model(tokens, stop_at_layer=1)
    torch.testing.assert_close(result.values[1], model.ln_final(early) @ model.W_U + model.b_U)
    assert logit_lens(model, tokens, targets=[3], incl_mid=True, positions=None).rank_trajectory().shape == (5, 3, 12)


# ---------------------------------------------------------------------- detect_head, on heads that are known


def attends_by_position(model, layer, head, back):
    """Make one head attend `back` positions back (to the first where there is none), by learned positions."""
    attn = model.blocks[layer].attn
    with torch.no_grad():
        n, d = model.config.n_ctx, model.config.d_head
        model.pos_embed.W_pos.zero_()
        model.pos_embed.W_pos[:, :n].copy_(torch.eye(n, dtype=model.dtype))
        attn.W_QKV[:, :2, head] = 0
        attn.b_QKV[:2, head] = 0
        for position in range(n):
            attn.W_QKV[position, 1, head, position] = 100.0
            attn.W_QKV[min(position + back, n - 1), 0, head, position] = 100.0
        assert d >= n


def test_a_head_that_looks_one_back_is_found_as_a_previous_token_head(tiny):
    model = tiny(position="learned", windows=None, n_ctx=16, d_model=32, d_head=16, normalization=None)
    attends_by_position(model, 1, 2, back=1)
    tokens = torch.randint(0, 11, (15,), generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        model.W_E[:, :16] = 0
        model.blocks[0].attn.W_O.zero_()
        model.blocks[0].attn.b_O.zero_()
    scores = detect_head(model, tokens, "previous_token_head", exclude_current_token=True, exclude_bos=False)
    assert scores.argmax() == 6 and scores[1, 2] > 0.99 and scores.flatten().sort().values[-2] < 0.7


def test_a_head_that_looks_behind_the_last_occurrence_is_found_as_an_induction_head(tiny):
    """On a string of ten letters twice over, looking nine back is looking behind the last occurrence."""
    model = tiny(position="learned", windows=None, n_ctx=24, d_model=48, d_head=24, normalization=None)
    attends_by_position(model, 0, 1, back=9)
    tokens = torch.randperm(10, generator=torch.Generator().manual_seed(0)).repeat(2)
    with torch.no_grad():
        model.W_E[:, :24] = 0
    scores = detect_head(model, tokens, "induction_head", error_measure="mul")
    assert scores.argmax() == 1
    possible = (20 - 10) / 20  # it counts the rows of the first half, which have no target, too
    assert scores[0, 1] == pytest.approx(possible, abs=0.06)
    by_abs = detect_head(model, tokens, "induction_head", error_measure="abs")
    assert by_abs.argmax() == 1
    duplicates = detect_head(model, tokens, "duplicate_token_head")
    assert duplicates[0, 1] < 0.1


# ---------------------------------------------------------------------- patching


@pytest.fixture
def pair(tokens):
    """Clean and corrupted strings, which differ in one early token."""
    corrupted = tokens.clone()
    corrupted[:, 2] = (corrupted[:, 2] + 1) % 11
    return tokens, corrupted


def answer_logit(logits):
    return logits[:, -1, 4]


def test_patching_the_stream_restores_the_clean_answer_where_all_of_it_passes(model, pair):
    clean, corrupted = pair
    logits, cache = model.run_with_cache(clean)
    result = patching.get_act_patch_resid_pre(model, corrupted, cache, answer_logit, reduce="none", baseline=True)
    before = answer_logit(model(corrupted)).float()
    torch.testing.assert_close(result.baseline[0] if result.baseline.ndim == 2 else result.baseline, before)
    restored = answer_logit(logits).float()
    torch.testing.assert_close(result.values[0, 2], restored)  # the differing token itself
    assert torch.allclose(result.values[0, [0, 1, 3, 4]], before)  # places that do not differ
    assert not torch.allclose(result.values[1, -1], before)
    for values in (result.permutation_pvalue(n_permutations=50), result.stderr(), *result.bootstrap_ci(n_resamples=20)):
        assert values.shape == (2, 12) and values.isfinite().all()


def test_every_sweep_over_heads_and_blocks_agrees_with_a_patch_by_hand(model, pair):
    clean, corrupted = pair
    _, cache = model.run_with_cache(clean)
    metric = lambda logits: answer_logit(logits).mean()  # noqa: E731
    every = patching.get_act_patch_attn_head_all_pos_every(model, corrupted, cache, metric)
    assert every.shape == (5, 2, 4)
    for kind, name in enumerate(("z", "q", "k", "v", "pattern")):
        for layer, head in ((0, 3), (1, 1)):

            def swap(x, hook, head=head):
                x = x.clone()
                index = (slice(None), head) if hook.name.endswith("pattern") else (slice(None), slice(None), head)
                x[index] = cache[hook.name][index]
                return x

            by_hand = metric(model.run_with_hooks(corrupted, fwd_hooks=[(f"blocks.{layer}.attn.hook_{name}", swap)]))
            torch.testing.assert_close(every[kind, layer, head], by_hand.float())
    _, cache = model.run_with_cache(clean, names_filter=lambda name: "_result" not in name and "input" not in name)
    blocks = patching.get_act_patch_block_every(model, corrupted, cache, metric)
    assert blocks.shape == (3, 2, 12) and (blocks.std() > 0)


def test_a_direct_path_from_one_head_into_another_is_the_edge_and_no_more(model, pair):
    clean, corrupted = pair
    _, clean_cache = model.run_with_cache(clean)
    _, corrupted_cache = model.run_with_cache(corrupted)
    for part in "qkv":
        result = patching.get_act_patch_direct_path(
            model, corrupted, clean_cache, corrupted_cache, lambda x: answer_logit(x).mean(), 0, 3, part, verbose=False
        )
        change = clean_cache["z", 0][:, :, 3] - corrupted_cache["z", 0][:, :, 3]
        stream = corrupted_cache["resid_pre", 1] + change @ model.blocks[0].attn.W_O[3]
        own = getattr(model.blocks[1].attn, f"W_{part.upper()}")[2]
        vectors = model.blocks[1].ln1(stream) @ own + getattr(model.blocks[1].attn, f"b_{part.upper()}")[2]

        def rewrite(x, vectors=vectors, **_):
            x = x.clone()
            x[:, :, 2] = vectors
            return x

        by_hand = answer_logit(
            model.run_with_hooks(corrupted, fwd_hooks=[(f"blocks.1.attn.hook_{part}", rewrite)])
        ).mean()
        torch.testing.assert_close(result[1, 2], by_hand.float())
        assert not result[0].any()


def test_attribution_patching_is_the_gradient_times_the_difference(model, pair):
    clean, corrupted = pair
    scores = attribution_patch(model, clean, corrupted, lambda logits: answer_logit(logits).mean()).node_scores
    zs = {}
    for i in range(3):  # TransformerLens takes the mean over pairs
        _, there = model.run_with_cache(clean[i : i + 1], names_filter="blocks.0.attn.hook_z")
        step = torch.zeros((), dtype=torch.float64, requires_grad=True)
        for head, position in ((1, 4), (3, 2)):

            def along(x, hook, head=head, position=position, there=there, step=step):
                direction = torch.zeros_like(x)
                direction[:, position, head] = (there[hook.name] - x)[:, position, head].detach()
                return x + step * direction

            out = model.run_with_hooks(corrupted[i : i + 1], fwd_hooks=[("blocks.0.attn.hook_z", along)])
            (slope,) = torch.autograd.grad(answer_logit(out).mean(), step)
            zs.setdefault((head, position), []).append(slope)
    for (head, position), slopes in zs.items():
        node = Node("attn_head_out", position, layer=0, head=head)
        assert scores[node] == pytest.approx(float(torch.stack(slopes).mean()), rel=1e-5, abs=1e-9)
    written = [score for node, score in scores.items() if node.kind == "mlp_out"]
    assert len(written) == 24 and any(written) == (model.config.d_mlp > 0)


def test_edge_attribution_and_faithfulness_run_on_the_split_inputs(tiny, pair):
    for shape in SHAPES.values():
        model = tiny(**shape)
        clean, corrupted = (x[:1, :6] for x in pair)
        metric = lambda logits: answer_logit(logits).mean()  # noqa: E731
        result = attribution_patch(model, clean, corrupted, metric, EdgeAttributionConfig("edge"))
        edges = list(result.edge_scores)
        whole = faithfulness(model, clean, corrupted, metric, edges)
        assert whole.recovered == pytest.approx(1, abs=1e-6)
        assert faithfulness(model, clean, corrupted, metric, []).recovered == pytest.approx(0, abs=1e-6)
        assert not model.cfg.use_split_qkv_input and not model.cfg.use_attn_result


def test_switches_decide_what_is_cached_when_everything_is(tiny, tokens):
    model = tiny(d_mlp=8)
    names = {"hook_result": "attn_result", "hook_q_input": "split_qkv_input", "hook_mlp_in": "hook_mlp_in"}
    for name, switch in names.items():
        assert not any(key.endswith(name) for key in model.run_with_cache(tokens)[1])
        getattr(model, f"set_use_{switch}")(True)
        assert sum(key.endswith(name) for key in model.run_with_cache(tokens)[1]) == 2
        getattr(model, f"set_use_{switch}")(False)
