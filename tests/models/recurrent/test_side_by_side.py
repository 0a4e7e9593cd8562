"""Layers side by side read one stream; caps, centring norms and the order of gate and norm are their formulas."""

from copy import deepcopy
from itertools import product

import pytest
import torch
import torch.nn.functional as F

from interp.base.errors import UserError
from interp.measure.ablation.interventions import KINDS, intervention
from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import sweep
from interp.measure.circuits.decomposition import decompose_score
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.ov import decompose_logit, decompose_moved
from interp.measure.edit import Edit, Site
from interp.measure.language.runs import SharedRun
from interp.measure.values import Zero
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.hidden_attention.pattern import decompose
from interp.models.recurrent.family import family, kinds
from interp.models.recurrent.hybrid import HybridConfig
from interp.models.recurrent.mamba2.model import Mamba2Config
from interp.models.recurrent.matrix_config import MatrixConfig
from interp.models.recurrent.mixer import RecurrentState
from interp.models.recurrent.mlstm.model import MLSTMConfig
from interp.tasks import CopyTask
from interp.training.forced import predict

TASK = CopyTask(5)


@pytest.fixture
def model(recurrent):
    """Layer 0 an mLSTM, then attention and Mamba-2 side by side."""
    return recurrent("side by side")


@torch.no_grad()
def test_both_read_what_entered_the_first_and_the_mlp_what_both_wrote(model, tokens):
    cache = model.run_with_cache(tokens)[1]
    x, recurs = cache["blocks.1.hook_resid_pre"], model.blocks[2]
    out = recurs.mixer(recurs.norm(x))
    torch.testing.assert_close(cache["blocks.2.hook_mixer_out"], out)
    mid = x + cache["blocks.1.hook_attn_out"] + out
    torch.testing.assert_close(cache["blocks.2.hook_resid_mid"], mid)
    torch.testing.assert_close(cache["blocks.2.hook_resid_post"], mid + recurs.mlp(recurs.ln2(mid)))


@torch.no_grad()
def test_an_edit_of_what_enters_reaches_both_and_one_of_what_attention_writes_neither(model, tokens):
    names = ["blocks.1.attn.hook_q", "blocks.2.hook_mixer_in"]
    clean = model.run_with_cache(tokens, names_filter=names)[1]
    for at, reaches in (("blocks.1.hook_resid_pre", True), ("blocks.1.hook_attn_out", False)):
        with model.hooks(fwd_hooks=[(at, lambda x, **_: x + 1 + x.roll(1, -1))]):
            edited = model.run_with_cache(tokens, names_filter=names)[1]
        assert [not torch.equal(edited[name], clean[name]) for name in names] == [reaches] * 2


@torch.no_grad()
def test_capped_logits_are_c_tanh_of_those_before_over_c(model, tokens):
    logits, cache = model.run_with_cache(tokens)
    before = model.ln_final(cache["resid_post", 2]) @ model.W_U
    torch.testing.assert_close(cache["hook_uncapped"], before)
    torch.testing.assert_close(logits, 4 * (before / 4).tanh())
    assert model.cfg.output_logits_soft_cap == 4.0


@torch.no_grad()
def test_gates_are_capped_and_heads_centred_and_divided_step_by_step(recurrent, tokens):
    """The unstabilised equations (19-27) of an mLSTM, one position after another."""
    model = recurrent("side by side")
    mixer, cache = model.blocks[0].mixer, model.run_with_cache(tokens)[1]
    x, heads = cache["blocks.0.hook_mixer_in"], 2
    q, k, v = (F.linear(x, W.T).unflatten(-1, (heads, -1)) for W in (mixer.W_q, mixer.W_k, mixer.W_v))
    i, f = (2 * (F.linear(x, W.T, b) / 2).tanh() for W, b in ((mixer.W_i, mixer.b_i), (mixer.W_f, mixer.b_f)))
    C, n, m = torch.zeros(3, heads, 4, 6).double(), torch.zeros(3, heads, 4).double(), torch.zeros(3, heads).double()
    outs = []
    for t in range(tokens.shape[1]):
        keep, key = f[:, t].sigmoid(), k[:, t] / 2  # the square root of d_key
        C = keep[..., None, None] * C + (i[:, t].exp()[..., None] * key)[..., None] * v[:, t, :, None]
        n = keep[..., None] * n + i[:, t].exp()[..., None] * key
        m = torch.maximum(keep.log() + m, i[:, t])
        total = torch.maximum((n * q[:, t]).sum(-1).abs(), torch.ones(())) + 0.1 * m.exp()
        outs.append((C * q[:, t][..., None]).sum(-2) / total[..., None])
    y = torch.stack(outs, dim=1)
    torch.testing.assert_close(cache["blocks.0.mixer.hook_y"], y)
    centred = y - y.mean(-1, keepdim=True)
    normed = (centred / (centred.square().mean(-1, keepdim=True) + 1e-5).sqrt()).flatten(2) * mixer.norm.w
    gated = normed * F.linear(x, mixer.W_gate.T).sigmoid()
    torch.testing.assert_close(cache["blocks.0.mixer.hook_gated"], gated)


@pytest.mark.parametrize("where", ["before", None])
@torch.no_grad()
def test_the_gate_stands_behind_the_norm_or_alone(recurrent, where, tokens):
    mixer = (model := recurrent("mamba2", gate_norm=where)).blocks[0].mixer
    cache = model.run_with_cache(tokens)[1]
    y, z = cache["blocks.0.mixer.hook_y"].flatten(2), cache["blocks.0.mixer.hook_gate"]
    if where == "before":
        y = y / (y.square().mean(-1, keepdim=True) + 1e-5).sqrt() * mixer.norm.w
    torch.testing.assert_close(cache["blocks.0.mixer.hook_gated"], y * F.silu(z))


@torch.no_grad()
def test_hidden_attention_gives_the_output_under_every_option(recurrent, tokens):
    bare = recurrent("mamba2", gate_norm=None)
    rows = recurrent("gated_deltanet", decay_per_row=True, gate_activation="sigmoid")
    for model, layer in ((recurrent("side by side"), 0), (recurrent("side by side"), 2), (bare, 0), (rows, 0)):
        for through_conv, gated, direct in product((False, True), repeat=3):
            found = decompose(model, tokens, layer, through_conv=through_conv, gated=gated, direct=direct)
            again = torch.einsum("bcqk,bkc->bqc", found.alpha, found.inputs) + found.remainder
            torch.testing.assert_close(again, found.outputs, rtol=1e-10, atol=1e-10)
            own = f"blocks.{layer}.mixer.hook_{'gated' if gated else 'y'}"
            torch.testing.assert_close(found.outputs, model.run_with_cache(tokens)[1][own].flatten(2))
            if layer == 0 and gated and len(model.blocks) > 1:
                assert not found.remainder.any(), "all that a centring norm lets pass came through alpha"


@pytest.mark.parametrize("kind", [kind for kind in kinds() if issubclass(family(kind).config, MatrixConfig)])
@torch.no_grad()
def test_of_centred_heads_hidden_attention_brings_the_values_and_the_rest_their_mean(recurrent, kind, tokens):
    """Every family that has the option is exact, RWKV-7 too, where values pass the norm by."""
    model = recurrent(kind, head_norm=True, head_norm_centred=True, d_conv=1)
    stood = model.run_with_cache(tokens)[1]
    for gated, direct in product((False, True), repeat=2):
        found = decompose(model, tokens, 0, gated=gated, direct=direct)
        again = torch.einsum("bcqk,bkc->bqc", found.alpha, found.inputs) + found.remainder
        own = stood[f"blocks.0.mixer.hook_{'gated' if gated else 'y'}"].flatten(2)
        torch.testing.assert_close(again, own, rtol=1e-10, atol=1e-10)


def test_the_gradient_of_an_mlstm_that_adds_to_its_divisor_is_that_of_finite_differences(recurrent):
    """Without a norm of the heads' outputs, which would hide by how much each is divided."""
    mixer = recurrent("mlstm", normalizer_eps=0.1, head_norm=False).blocks[0].mixer
    x = torch.randn(1, 5, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(0), requires_grad=True)

    def halves(x):
        past = RecurrentState({})
        return torch.cat([mixer(part, past) for part in (x[:, :3], x[:, 3:])], dim=1)

    for run in (mixer, halves):
        assert torch.autograd.gradcheck(run, x, fast_mode=True)


def test_a_run_that_ends_early_leaves_nothing_in_the_model(model, tokens):
    def stop(_, **__):
        raise InterruptedError

    with pytest.raises(InterruptedError), model.hooks(fwd_hooks=[("blocks.1.hook_attn_out", stop)]):
        model(tokens)
    assert torch.equal(deepcopy(model)(tokens), model(tokens))
    kept = [name for name, module in model.named_modules() for each in vars(module).values() if torch.is_tensor(each)]
    assert not kept


@torch.no_grad()
def test_the_bias_that_experts_write_is_what_is_left_when_all_else_is_silent(model, tokens):
    silent = [
        (f"blocks.{at}", lambda x, **_: torch.zeros_like(x))
        for at in ("0.mixer.hook_gated", "1.attn.hook_z", "2.mixer.hook_gated", "2.mlp.hook_weights")
    ]
    silent.append(("blocks.2.mlp.shared.hook_post", lambda x, **_: torch.zeros_like(x)))
    with model.hooks(fwd_hooks=silent):
        stream = model(tokens, stop_at_layer=3) - model.W_E[tokens]
    torch.testing.assert_close(stream, model.accumulated_bias(3).expand_as(stream))
    mlp = model.blocks[2].mlp
    torch.testing.assert_close(model.blocks[2].written_bias(), mlp.b_up + mlp.shared.b_out)


@pytest.fixture
def copier():
    """As `model`, of the vocabulary of a task."""
    fields = {"layers": ("attention", "mamba2", "attention", "mamba2"), "beside": (1, 3), "d_mlp": (0, 8, 0, 8)}
    fields |= {"mamba2": {"d_head": 16, "d_state": 3, "dt_min": 0.2, "dt_max": 1.0}, "attention": {"n_heads": 2}}
    model = build({"kind": "hybrid", "d_model": 16, "d_vocab": TASK.vocabulary.size, **fields}, seed=1).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(1)))
    return model


@torch.no_grad()
def test_many_ablations_at_once_equal_one_run_each(copier, generator):
    strings, names = TASK.sample(3, (4, 6), generator()), HeadTable.of(copier).names
    assert names == tuple(f"L{layer}H{head}" for layer in range(4) for head in range(2))
    sets = [(), *((name,) for name in names), ("L0H1", "L1H0", "L3H1"), ("L1H1", "L2H0")]
    attending = [heads for heads in sets if not any(name.startswith(("L1", "L3")) for name in heads)]
    ablations = []
    for kind in KINDS:
        replacement = intervention(kind, strings, generator(1))
        of_kind = attending if kind.startswith("edge") else sets
        ablations += [Ablation(heads, replacement) for heads in of_kind]
    slow = sweep(copier, strings, TASK.vocabulary, ablations, slow=True)
    found = sweep(copier, strings, TASK.vocabulary, ablations)
    torch.testing.assert_close(found.loss, slow.loss, rtol=1e-6, atol=1e-6)
    assert ((slow.loss - slow.loss[0]).abs().amax(dim=1) > 1e-6)[1 : len(sets)].all()


@torch.no_grad()
def test_runs_that_begin_in_the_middle_begin_before_both(copier, generator):
    batch = TASK.sample(3, 6, generator())
    shared = SharedRun.of(copier, batch.tokens, 3)
    for head in HeadTable.of(copier).heads:
        hooks = [Edit(Site.of(head), Zero()).hook(copier)]
        whole = copier.run_with_hooks(batch.tokens, fwd_hooks=hooks)[:, 3:]
        torch.testing.assert_close(shared.without([head], Zero()), whole)
    read = predict(copier, batch, stop_at_error=True)
    seen = read >= 0
    assert torch.equal(read[seen], predict(copier, batch)[seen])


@torch.no_grad()
def test_logits_and_scores_are_sums_of_what_both_write(copier, generator):
    tokens = TASK.sample(3, 6, generator()).tokens
    query, key, token = torch.full((3,), 9), torch.full((3,), 4), torch.tensor([0, 2, 4])
    found = decompose_logit(copier, tokens, query, token)
    assert {"L1.mixer", "L0H0", "L1.mlp", "L3.mixer"} < set(found.writers) and (found.parts.abs() > 1e-6).all()
    torch.testing.assert_close(found.total, copier(tokens)[torch.arange(3), 9, token])
    score = decompose_score(copier, tokens, "L2H1", query, key)
    pre = copier.run_with_cache(tokens)[1]["blocks.2.attn.hook_attn_scores"]
    torch.testing.assert_close(score.total, pre[:, 1, 9, 4])
    moved = decompose_moved(copier, tokens, "L2H1", query, token)
    torch.testing.assert_close(moved.total, found.parts[:, found.writers.index("L2H1")])


def test_what_cannot_stand_side_by_side_or_be_taken_apart_is_refused(copier):
    for layer in (0, 2, 7):
        with pytest.raises(UserError, match=rf"recurrent layers, each behind an attention layer .*; got {layer}\."):
            HybridConfig(layers=("attention", "mamba", "mamba"), beside=(layer,))
    with pytest.raises(UserError, match="behind an attention layer without an MLP; got 1"):
        HybridConfig(layers=("attention", "mamba"), beside=(1,), d_mlp=4)
    with pytest.raises(
        UserError, match="for edges and paths, which a later layer reads; got layers 0 and 1 side by side"
    ):
        Graph.of(copier)
    for config, fields, message in (
        (HybridConfig, {"logit_cap": 0.0}, "logit_cap must be a positive number, or None for no bound; got 0.0"),
        (Mamba2Config, {"gate_norm": "around"}, "gate_norm"),
        (MLSTMConfig, {"gate_cap": -1.0}, "gate_cap must be a positive number, or None for no bound; got -1.0"),
        (MLSTMConfig, {"normalizer_eps": -1.0}, "normalizer_eps must be a finite number of at least 0; got -1.0"),
        (MLSTMConfig, {"head_norm_centred": True, "d_conv": 4}, "head_norm_centred must be False without head_norm"),
    ):
        with pytest.raises(UserError, match=message):
            config(**fields)


def test_configs_without_these_options_are_written_as_they_were():
    later = {"logit_cap", "beside", "gate_cap", "normalizer_eps", "head_norm_centred", "gate_norm"}
    for config in (HybridConfig(), Mamba2Config(), MLSTMConfig()):
        assert not later & config.to_dict().keys()
