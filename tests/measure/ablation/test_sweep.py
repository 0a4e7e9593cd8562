"""Many ablations in one pass equal one run each, which equals the formula put in place by hand."""

import itertools
from dataclasses import replace

import pytest
import torch

from interp.measure.ablation.context import visible
from interp.measure.ablation.interventions import KINDS, intervention
from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import PerStringScores, letters_right, sweep
from interp.measure.values import Mean, Zero
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask

TASK = CopyTask(5)
SHAPES = {
    "attention only, windows": {"windows": (2, 9, None), "position": "hard-alibi"},
    "mlp after attention": {"d_mlp": 20, "position": "alibi"},
    "mlp beside attention": {"d_mlp": 20, "parallel": True, "position": "rope", "rotary_dim": 4},
    "learned positions, no norm": {"d_mlp": 20, "normalization": None, "position": "learned", "n_ctx": 20},
    "learned norm": {"normalization": "LN", "position": "nope"},
}
SETS = [(), *((f"L{layer}H{head}",) for layer in range(3) for head in range(3))]
SPANNING = [(), ("L2H0", "L2H2"), ("L0H1", "L1H0", "L1H2"), ("L1H0", "L2H0", "L2H1"), ("L0H0", "L2H2")]
SETS += SPANNING[1:]


def random_model(**shape) -> HookedTransformer:
    config = TransformerConfig(n_layers=3, n_heads=3, d_model=12, d_head=6, d_vocab=TASK.vocabulary.size, **shape)
    return HookedTransformer(config, seed=1).double()


def batch(generator: torch.Generator, lengths: int | tuple[int, int] = (4, 8), n: int = 7) -> Batch:
    return TASK.sample(n, lengths, generator)


def assert_same(one: PerStringScores, other: PerStringScores) -> None:
    torch.testing.assert_close(one.loss, other.loss, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(one.logit_difference, other.logit_difference, rtol=1e-6, atol=1e-6)
    torch.testing.assert_close(one.letter_correct, other.letter_correct)
    assert torch.equal(one.string_correct, other.string_correct)


@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_many_ablations_at_once_equal_one_run_each_for_every_kind_and_every_set(shape, generator):
    model, strings = random_model(**shape), batch(generator())
    ablations = []
    for kind in KINDS:
        replacement = intervention(kind, strings, generator(1))
        ablations += [Ablation(heads, replacement) for heads in SETS]
    slow = sweep(model, strings, TASK.vocabulary, ablations, slow=True)
    assert_same(sweep(model, strings, TASK.vocabulary, ablations), slow)
    changed = ((slow.loss - slow.loss[0]).abs().amax(dim=1) > 1e-6).view(len(KINDS), len(SETS))
    assert not changed[:, 0].any()
    assert changed[:4, 1:].all()
    assert changed[4:].any(dim=1).all()


def test_cutting_the_work_into_small_pieces_changes_nothing(generator):
    model, strings = random_model(d_mlp=20, position="nope"), batch(generator(), n=4)
    for kind in ("mean", "edge-control"):
        replacement = intervention(kind, strings, generator(1))
        ablations = [Ablation(heads, replacement) for heads in SPANNING]
        whole = sweep(model, strings, TASK.vocabulary, ablations)
        assert_same(sweep(model, strings, TASK.vocabulary, ablations, floats_at_once=1), whole)
        assert_same(sweep(model, strings, TASK.vocabulary, ablations, floats_at_once=8_000), whole)
        assert_same(sweep(model, strings, TASK.vocabulary, ablations, slow=True, floats_at_once=1), whole)


def test_one_run_is_the_model_with_the_heads_output_replaced_by_its_mean(generator):
    model, strings = random_model(d_mlp=20, position="nope"), batch(generator(), lengths=6)
    name = "blocks.1.attn.hook_z"
    _, cache = model.run_with_cache(strings.tokens, names_filter=name)

    def replace(z, hook):  # noqa: ARG001
        z[:, :, 2] = cache[name][:, :, 2].mean(dim=(0, 1))
        return z

    logits = model.run_with_hooks(strings.tokens, fwd_hooks=[(name, replace)])
    right = (logits.argmax(dim=-1) == strings.targets)[:, 7:]
    expected = -logits.log_softmax(dim=-1).gather(2, strings.targets[..., None])[:, 7:13, 0].mean(dim=1)
    for slow in (True, False):
        found = sweep(model, strings, TASK.vocabulary, [Ablation(("L1H2",), Mean())], slow=slow)
        torch.testing.assert_close(found.loss[0].double(), expected, rtol=1e-5, atol=0)
        torch.testing.assert_close(found.letter_correct[0].double(), right[:, :6].double().mean(dim=1))


def test_an_ablation_without_heads_is_the_model_as_it_is(generator):
    model, strings = random_model(position="nope"), batch(generator())
    plain = model(strings.tokens)
    found = sweep(model, strings, TASK.vocabulary, [Ablation((), Zero())])
    asked = strings.answer
    loss = -plain.log_softmax(dim=-1).gather(2, strings.targets[..., None])[..., 0]
    torch.testing.assert_close(found.loss[0].double(), (loss * asked).sum(1) / asked.sum(1), rtol=1e-5, atol=0)


def test_isolated_packed_strings_are_ablated_in_isolation(generator):
    one, two = batch(generator(), 4), batch(generator(1), 4)
    packed = Batch(
        *(
            torch.cat([a, b], dim=1)
            for a, b in zip(vars(one).values(), vars(two).values(), strict=True)
            if a is not None
        )
    )
    length = one.tokens.shape[1]
    source = torch.cat([one.source, torch.where(two.source < 0, -1, two.source + length)], dim=1)
    segment = torch.arange(2).repeat_interleave(length).expand_as(source)
    packed = Batch(packed.tokens, packed.targets, packed.loss_mask, packed.answer, source, segment)
    model = random_model(position="rope")
    for kind in ("zero", "edges"):
        ablations, apart = [], []
        for strings, out in ((packed, ablations), (one, apart), (two, apart)):
            replacement = intervention(kind, strings, generator())
            out.append(sweep(model, strings, TASK.vocabulary, [Ablation(("L0H1", "L1H2"), replacement)]).loss)
        torch.testing.assert_close(ablations[0], (apart[0] + apart[1]) / 2)


def test_a_packed_number_that_comes_back_is_hidden_from_ablations_as_from_the_model():
    strings = batch(torch.Generator().manual_seed(0))
    again = torch.tensor([0] * 3 + [1] * 2 + [0] * (strings.tokens.shape[1] - 5)).expand_as(strings.tokens)
    model = random_model()
    seen = visible(model, replace(strings, segment=again))[0]
    hook = "blocks.0.attn.hook_pattern"
    pattern = model.run_with_cache(strings.tokens, names_filter=hook, segment=again)[1][hook]
    assert torch.equal(seen.expand_as(pattern), pattern > 0)


def test_ablations_run_on_the_meta_device(generator):
    model, strings = random_model(d_mlp=20, position="rope"), batch(generator())
    ablations = []
    for kind in KINDS:
        replacement = intervention(kind, strings.to("meta"), generator())
        ablations += [Ablation(heads, replacement) for heads in SPANNING[:3]]
    for slow in (False, True):
        found = sweep(model.to("meta"), strings.to("meta"), TASK.vocabulary, ablations, slow=slow)
        assert found.loss.device.type == "meta"
        assert found.string_correct.shape == (len(ablations), 7)


def test_no_gradient_is_kept_and_no_hook_survives(generator):
    model, strings = random_model(position="nope"), batch(generator())
    found = sweep(model, strings, TASK.vocabulary, [Ablation(heads, Zero()) for heads in SETS])
    assert not found.loss.requires_grad
    assert not list(itertools.chain(*(point.fwd_hooks for point in model.hook_dict.values())))


def test_letters_kept_apart_are_those_of_a_run_with_the_mean_put_in_by_hand(generator):
    model, strings = random_model(d_mlp=20, position="nope"), batch(generator(), lengths=6)
    heads = ("L0H1", "L2H2")
    _, cache = model.run_with_cache(strings.tokens)

    def put(layer, head):
        def hook(z, hook):  # noqa: ARG001
            z[:, :, head] = cache[f"blocks.{layer}.attn.hook_z"][:, :-1, head].mean(dim=(0, 1))  # the end is not used
            return z

        return f"blocks.{layer}.attn.hook_z", hook

    logits = model.run_with_hooks(strings.tokens, fwd_hooks=[put(0, 1), put(2, 2)])
    wanted = (logits.argmax(dim=-1) == strings.targets)[:, 7:13]  # $ x1..x6 | asks from place 7 on
    for floats in (None, 1):
        clean, found = letters_right(
            model, strings, [Ablation((), Mean()), Ablation(heads, Mean())], floats_at_once=floats
        )
        assert torch.equal(found, wanted)
        assert torch.equal(clean, (model(strings.tokens).argmax(dim=-1) == strings.targets)[:, 7:13])
    assert not torch.equal(clean, found)
