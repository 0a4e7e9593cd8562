"""The same questions to hybrids, Mamba and Mamba-2 as to transformers; an LSTM, which has no heads, says so."""

from dataclasses import replace

import pytest
import torch

from interp.base.errors import UserError
from interp.loading import Loaded, load
from interp.measure.ablation.ablate import ablate, ablation_study
from interp.measure.ablation.interventions import intervention
from interp.measure.ablation.sets import Ablation, HeadSet
from interp.measure.ablation.sweep import sweep
from interp.measure.heads.effective_n import causal_n
from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.values import Zero
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.planted import planted_copier
from interp.models.recurrent.hybrid import HookedHybrid, HybridConfig
from interp.studies.heads.result import HashHeadStudy
from interp.studies.heads.run import hash_head_study
from interp.studies.heads.settings import HeadStudySettings
from interp.tasks.copy import CopyTask

SETTINGS = HeadSettings(longest=4, strings=12)
TASK = CopyTask(5)
MAMBA = {"d_state": 3, "dt_min": 0.2, "dt_max": 1.0}  # steps long enough that states are written and forgotten
SHAPES = {
    "hybrid": {
        "layers": ("mamba", "attention", "mamba2", "attention"),
        "attention": {"n_heads": 2},
        "mamba": MAMBA,
        "mamba2": {"d_head": 8, **MAMBA},
    },
    "rich": {
        "kind": "hybrid",
        "layers": ("gated_deltanet", "attention", "mamba", "attention"),
        "gated_deltanet": {"n_heads": 2},
        "attention": {"n_heads": 4, "n_key_value_heads": 2, "qk_norm": "head", "attention_gate": True}
        | {"position": "rope", "rotary_dim": 2, "norm_after": True, "score_cap": 3.0},
        "mamba": MAMBA,
        **{"d_mlp": (8, 6, 0, 5), "gated_mlp": True, "activation": "silu"},
    },
    "mamba": {"n_layers": 2, **MAMBA},
    "mamba2": {"n_layers": 2, "d_head": 8, **MAMBA},
}
ATTENTION = ["L1H0", "L1H1", "L3H0", "L3H1"]
RECURRENT = ["L0H0", "L2H0", "L2H1", "L2H2", "L2H3"]


def model_of(kind, **more):
    return build({"kind": kind, "d_model": 16, "d_vocab": TASK.vocabulary.size, **SHAPES.get(kind, {}), **more}, seed=1)


def score(model, alphabet):
    return score_heads(model, CopyTask(alphabet), (14, 20), torch.Generator().manual_seed(0), SETTINGS)


@pytest.fixture(scope="module")
def twins():
    """A planted copier as a transformer, and the same weights in a hybrid of attention; what is planted; the scores."""
    model, planting = planted_copier(3, 8, random_heads=1, shuffle=True, seed=2)
    shape = model.config
    attention = {name: getattr(shape, name) for name in ("n_heads", "d_head", "position", "windows", "n_ctx")}
    config = HybridConfig(
        layers=("attention", "attention"),
        d_model=shape.d_model,
        d_vocab=shape.d_vocab,
        attention=attention,
        normalization=None,
        tied=False,
    )
    twin = HookedHybrid(config)
    twin.load_state_dict(model.state_dict())
    return model, twin, planting, score(model, 8)


def test_a_planted_copier_is_found_in_a_hybrid_as_it_is_in_a_transformer(twins):
    _, twin, planting, scores = twins
    same = score(twin, 8)
    assert set(same.of_role("lookup")) == {head.name for head in planting.with_role("lookup")}
    assert {head.n for head in same.heads if head.role == "lookup"} == {3}
    assert set(same.of_role("gather")) == {head.name for head in planting.with_role("gather")}
    for head, other in zip(scores.heads, same.heads, strict=True):
        # p and q rest on untrained models, whose weights the two kinds draw in ways of their own
        assert replace(head, p_value=0.0, q_value=0.0) == replace(other, p_value=0.0, q_value=0.0)
    assert same.notes == ()


def test_its_ablation_says_the_same_of_both(twins):
    model, twin, _, scores = twins
    strings = CopyTask(8).sample(24, 12, torch.Generator().manual_seed(3))
    first, second = (ablation_study(m, CopyTask(8).vocabulary, scores, strings) for m in (model, twin))
    assert [a.name for a in first] == [a.name for a in second]
    for a, b in zip(first, second, strict=True):
        assert a.string_accuracy_after == b.string_accuracy_after
        assert [(c.name, c.pool, c.string_accuracy) for c in a.controls] == [
            (c.name, c.pool, c.string_accuracy) for c in b.controls
        ]
    together = next(a for a in second if a.group == "all")
    assert together.string_accuracy_before > 0.8
    assert together.string_accuracy_after == 0


@pytest.mark.parametrize("kind", SHAPES)
def test_an_untrained_model_has_no_lookup_head(kind):
    scores = score(model_of(kind), 5)
    assert {head.role for head in scores.heads} == {"none"}
    hidden = [head.name for head in scores.heads if head.kind == "hidden attention"]
    assert hidden
    assert all(name in scores.notes[0] for name in hidden)


def test_heads_are_named_by_layer_where_layers_have_different_numbers_of_them():
    hybrid = model_of("hybrid", layers=("mamba", "attention", "mamba2", "attention", "lstm"))
    table = HeadTable.of(hybrid)
    assert table.names == tuple(sorted(ATTENTION + RECURRENT))
    assert [head.name for head in table.editable] == [head.name for head in table.of_kind("attention")] == ATTENTION
    assert [(head.layer, head.index) for head in table.parse(["L3H1", "L0H0", "L2H3"])] == [(3, 1), (0, 0), (2, 3)]
    for missing in ("L4H0", "L0H1", "L1H2"):  # an LSTM layer, one head of Mamba, two of attention
        with pytest.raises(UserError, match=missing):
            table.parse([missing])


@pytest.mark.parametrize("kind", ["mean", "resample", "edges"])
def test_many_ablations_of_a_hybrid_at_once_equal_one_run_each(kind, generator):
    model, strings = model_of("hybrid").double(), TASK.sample(3, (4, 6), generator())
    sets = [(), *((head,) for head in ATTENTION), ("L1H0", "L3H1"), ("L3H0", "L3H1")]
    if kind != "edges":
        sets += [(RECURRENT[0],), (RECURRENT[2],), ("L2H0", "L2H3"), ("L0H0", "L1H1", "L2H2", "L3H0")]
    replacement = intervention(kind, strings, generator(1))
    ablations = [Ablation(heads, replacement) for heads in sets]
    fast, slow = (sweep(model, strings, TASK.vocabulary, ablations, slow=slow) for slow in (False, True))
    torch.testing.assert_close(fast.loss, slow.loss, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(fast.logit_difference, slow.logit_difference, rtol=1e-6, atol=1e-6)
    assert torch.equal(fast.string_correct, slow.string_correct)
    changed = (slow.loss - slow.loss[0]).abs().amax(dim=1) > 1e-9
    assert not changed[0]
    assert changed[1:].all()


@pytest.mark.parametrize("kind", ["mean", "edges"])
def test_so_do_those_of_gated_and_normed_heads_that_share_their_keys(kind, generator):
    model, strings = model_of("rich").double(), TASK.sample(3, (4, 6), generator())
    sets = [(), ("L1H0",), ("L1H1",), ("L1H0", "L3H1"), ("L3H2",)] + [("L0H1",), ("L2H0", "L3H0")] * (kind == "mean")
    ablations = [Ablation(heads, intervention(kind, strings, generator(1))) for heads in sets]
    fast, slow = (sweep(model, strings, TASK.vocabulary, ablations, slow=slow) for slow in (False, True))
    torch.testing.assert_close(fast.loss, slow.loss, rtol=1e-6, atol=1e-6)
    assert ((slow.loss - slow.loss[0]).abs().amax(dim=1) > 1e-9).tolist() == [False] + [True] * (len(sets) - 1)


@pytest.mark.parametrize(
    ("head", "hook", "at"),
    [("L0H0", "blocks.0.mixer.hook_y", ...), ("L2H1", "blocks.2.mixer.hook_y", (slice(None), slice(None), 1))],
    ids=["all channels of a Mamba layer", "a head of Mamba-2"],
)
def test_a_recurrent_head_is_taken_away_where_its_layer_writes(head, hook, at, generator):
    model, strings = model_of("hybrid"), TASK.sample(4, 6, generator())

    def zero(y, **_):
        y = y.clone()
        y[at] = 0
        return y

    with torch.no_grad():
        logits = model.run_with_hooks(strings.tokens, fwd_hooks=[(hook, zero)])
    by_hand = logits.argmax(dim=-1)[strings.answer] == strings.tokens.roll(-1, 1)[strings.answer]
    swept = sweep(model, strings, TASK.vocabulary, [Ablation((head,), Zero())])
    assert swept.letter_correct.mean() == pytest.approx(by_hand.double().mean().item())


def test_edges_of_hidden_attention_are_not_cut(generator):
    model, strings = model_of("hybrid"), TASK.sample(4, 6, generator())
    with pytest.raises(UserError, match="L0H0"):
        sweep(model, strings, TASK.vocabulary, [Ablation(("L0H0",), intervention("edges", strings, generator()))])


@pytest.mark.parametrize("kind", SHAPES)
def test_a_whole_study_runs_and_is_kept(kind, tmp_path):
    settings = replace(HeadStudySettings.tiny(), heads=replace(SETTINGS, strings=8, untrained=2), ablation_strings=8)
    study = hash_head_study(Loaded(model_of(kind), TASK, {}), settings=settings)
    study.save(tmp_path)
    again = HashHeadStudy.load(tmp_path)
    assert again.heads == study.heads
    assert tuple(head.name for head in again.heads) == HeadTable.of(model_of(kind)).names
    assert again.verdict == study.verdict
    assert [variant.signed for variant in again.attention.variants] == [True, False]
    assert all(variant.pattern.shape[0] == len(again.attention.heads) for variant in again.attention.variants)


def test_an_lstm_says_that_it_has_no_heads():
    model = model_of("lstm")
    for ask in (
        lambda m: HeadTable.of(m).require(),
        lambda m: score(m, 5),
        lambda m: hash_head_study(Loaded(m, TASK, {})),
    ):
        with pytest.raises(UserError, match=r"no heads.*LSTM"):
            ask(model)


@pytest.mark.slow
def test_the_trained_hybrid_copies_by_its_attention_heads_and_not_without_them():
    loaded = load("hybrid", progress=False)
    model, task = loaded.model, loaded.task
    scores = score_heads(model, task, (22, 30), torch.Generator().manual_seed(0))
    lookups = [head for head in scores.heads if head.role == "lookup"]
    assert {head.kind for head in lookups} == {"attention"}
    assert {head.n for head in lookups} <= {4, 5, 6}
    assert max(head.score for head in lookups) > 0.9
    assert scores.of_role("gather") == ("L0H0",)  # the Mamba layer makes the keys
    assert causal_n(model, task, (22, 30), 8, 64, torch.Generator().manual_seed(1)).n in (4, 5)
    strings, chosen = task.sample(96, 20, torch.Generator().manual_seed(2)), tuple(h.name for h in lookups)
    head_sets = [HeadSet("all", "all", chosen), HeadSet("edges", "edges", chosen)]
    for result in ablate(model, task.vocabulary, strings, head_sets):
        assert result.string_accuracy_before > 0.95
        assert result.string_accuracy_after < 0.05
        edges = next(c for c in result.controls if c.name == "edges")
        assert edges.string_accuracy is not None
        assert edges.string_accuracy > 0.9
