"""What a view shows is what the model computes: patterns, answers and states, clean and ablated."""

import numpy as np
import pytest
import torch

from interp.base.errors import UserError
from interp.measure.ablation.ablate import ablate
from interp.measure.ablation.interventions import intervention
from interp.measure.ablation.sets import Ablation, named_sets
from interp.measure.attention.views import check_size, state_strips, view_variants, viewed_heads
from interp.measure.values import Zero
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.hidden_attention.pattern import hidden_pattern
from interp.models.planted import planted_copier
from interp.tasks.copy import CopyTask

TASK = CopyTask(8)


@pytest.fixture(scope="module")
def planted():
    """A model, its gather heads and its lookup head."""
    model, truth = planted_copier(n=2, alphabet=8)
    table = HeadTable.of(model)
    of_role = {role: [table[h.name] for h in truth.heads if h.role == role] for role in ("gather", "lookup")}
    return model, tuple(of_role["gather"]), of_role["lookup"][0]


def decode(token):
    return TASK.vocabulary.decode(token)


def test_the_clean_variant_is_the_models_own_pattern_and_answer(planted, generator):
    model, _, _ = planted
    batch, shown = TASK.sample(3, 6, generator()), HeadTable.of(model).heads
    (clean,) = view_variants(model, batch, shown, decode)
    logits, cache = model.run_with_cache(batch.tokens[:1])
    for index, head in enumerate(shown):
        expected = cache[f"blocks.{head.layer}.attn.hook_pattern"][0, head.index]
        np.testing.assert_allclose(clean.pattern[index], expected.numpy(), atol=1e-6)
    right = logits[0].softmax(dim=-1).gather(1, batch.targets[0][:, None])[:, 0]
    np.testing.assert_allclose(clean.probability, right.detach().numpy(), atol=1e-6)
    assert clean.predicted == tuple(decode(t[None]) for t in logits[0].argmax(dim=-1))
    assert (clean.name, clean.of, clean.ablated, clean.kind, clean.signed) == ("clean", 0, (), "", False)


def test_an_ablated_variant_is_a_run_with_that_output_taken_away(planted, generator):
    """Zeroing what a gather head writes changes what the lookup head in the layer above looks at."""
    model, (gather, *_), lookup = planted
    batch, shown = TASK.sample(3, 6, generator()), HeadTable.of(model).heads
    clean, without = view_variants(model, batch, shown, decode, {"without": Ablation((gather,), Zero())})

    def zero(z, **_):
        z = z.clone()
        z[:, :, gather.index] = 0
        return z

    name = f"blocks.{lookup.layer}.attn.hook_pattern"
    with model.hooks([(gather.output_hook, zero)]):
        _, cache = model.run_with_cache(batch.tokens[:1], names_filter=[name])
    at = shown.index(lookup)
    np.testing.assert_allclose(without.pattern[at], cache[name][0, lookup.index].numpy(), atol=1e-6)
    assert np.abs(without.pattern[at] - clean.pattern[at]).max() > 0.3
    assert (without.of, without.kind, without.ablated) == (0, "zero", (gather.name,))


def test_means_are_taken_over_all_strings_and_not_the_shown_one_alone(generator):
    model, gather = (
        build({"kind": "transformer", "d_model": 16, "n_heads": 2, "d_vocab": 12, "position": "nope"}, seed=2),
        "L0H1",
    )
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(8)  # sharp enough that the second layer sees the first
    batch = TASK.sample(8, 6, generator())
    way = intervention("mean", batch, generator())
    _, of_all = view_variants(model, batch, HeadTable.of(model).heads, decode, {"a": Ablation((gather,), way)})
    _, of_one = view_variants(
        model, batch.rows(slice(0, 1)), HeadTable.of(model).heads, decode, {"a": Ablation((gather,), way)}
    )
    assert np.abs(of_all.pattern - of_one.pattern).max() > 1e-3


def test_hidden_attention_is_seen_as_signed_sums_and_as_shares(generator):
    shape = {"kind": "hybrid", "layers": ("mamba2", "attention"), "d_model": 16, "d_vocab": 12}
    model = build({**shape, "mamba2": {"d_head": 8, "d_state": 4}, "attention": {"n_heads": 2}}, seed=3)
    batch, shown = TASK.sample(1, 5, generator()), HeadTable.of(model).heads
    signed, shares = view_variants(model, batch, shown, decode)
    assert [(v.name, v.signed) for v in (signed, shares)] == [("clean, signed sums", True), ("clean, shares", False)]
    for variant, summary in ((signed, "sum"), (shares, "norm")):
        expected = hidden_pattern(model, batch.tokens, 0, summary)[0].numpy()
        np.testing.assert_allclose(variant.pattern[: len(expected)], expected, atol=1e-6)
    assert signed.pattern.min() < 0 <= shares.pattern.min()
    np.testing.assert_array_equal(signed.pattern[-2:], shares.pattern[-2:])  # an attention layer has but one pattern


@pytest.mark.parametrize(("kind", "quantity"), [("mamba", "state"), ("lstm", "c")])
def test_a_strip_is_the_norm_of_the_state_behind_each_position(kind, quantity, generator):
    model = build({"kind": kind, "d_model": 16, "d_vocab": 12}, seed=1)
    batch = TASK.sample(2, 5, generator())
    name = f"blocks.1.mixer.hook_{quantity}"
    state = model.run_with_cache(batch.tokens, names_filter=[name])[1][name]
    strips = state_strips(model, batch)
    assert [strip.name for strip in strips] == ["layer 0: norm of the state", "layer 1: norm of the state"]
    np.testing.assert_allclose(strips[1].value, state[0].flatten(1).norm(dim=1).detach().numpy(), rtol=1e-5)


def test_a_transformer_has_no_state_to_draw(planted, generator):
    assert state_strips(planted[0], TASK.sample(1, 5, generator())) == ()


def test_each_head_comes_with_its_cost_if_it_was_taken_away_alone(planted, generator):
    model, gathers, lookup = planted
    strings = TASK.sample(12, 5, generator())
    results = ablate(model, TASK.vocabulary, strings, named_sets((lookup, gathers[0])), "zero")
    known = {head.name: head for head in viewed_heads(model, HeadTable.of(model).heads, None, results)}
    alone = {result.name: result for result in results}
    for name in (lookup.name, gathers[0].name):
        cost = known.pop(name).cost
        assert (cost.before, cost.after) == (alone[name].string_accuracy_before, alone[name].string_accuracy_after)
        assert (cost.kind, cost.interval) == ("zero", alone[name].interval)
    assert all(head.cost is None and head.found is None for head in known.values())


def test_patterns_too_large_for_a_page_are_refused_and_the_size_that_fits_is_told():
    check_size(8, 4096, 1)
    with pytest.raises(UserError, match=r"Use at most 4096 tokens"):
        check_size(8, 4097, 1)


def test_nothing_is_left_on_the_model(planted, generator):
    model, gathers, _ = planted
    batch = TASK.sample(2, 6, generator())
    before = model(batch.tokens)
    view_variants(model, batch, HeadTable.of(model).heads, decode, {"a": Ablation(gathers, Zero())})
    torch.testing.assert_close(model(batch.tokens), before, rtol=0, atol=0)
