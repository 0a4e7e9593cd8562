import copy
import math
import pickle
import subprocess
import sys
from dataclasses import replace

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from interp.models import build
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.base import Batch
from interp.training.data import count_examples, draw, share
from interp.training.recipe import TrainConfig
from interp.training.step import decaying_parameters, decays, make_optimizer, summed_loss, take_step


class Fixed(nn.Module):
    """Says the same logits at every position of every string."""

    def __init__(self, logits: torch.Tensor) -> None:
        super().__init__()
        self.logits = nn.Parameter(logits)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        return self.logits.expand(*tokens.shape, -1)


def test_a_model_that_knows_nothing_pays_log_vocabulary_for_each_trained_token(task, recipe) -> None:
    batch = draw(task, recipe, 0)
    loss = summed_loss(Fixed(torch.zeros(10)), batch)
    assert loss.item() == pytest.approx(batch.loss_mask.sum().item() * math.log(10), rel=1e-6)


def test_only_the_answer_and_the_end_token_carry_loss(task, generator) -> None:
    """L letters, each at its own price, and the end token; the source, though it is predicted too, is free."""
    logits = torch.randn(10, generator=generator(1))
    batch = task.sample(1, 5, generator(2))
    price = -logits.log_softmax(-1)
    letters = batch.tokens[0, 1:6]
    expected = price[letters].sum() + price[task.vocabulary.eos]
    assert summed_loss(Fixed(logits), batch).item() == pytest.approx(expected.item(), rel=1e-6)


def test_a_string_cut_at_the_edge_of_its_context_carries_no_loss(task, recipe) -> None:
    config = replace(recipe, context=20, hard_letters=None)
    batch = draw(task, config, 0)
    ends = (batch.targets == task.vocabulary.eos) & batch.loss_mask
    assert count_examples(batch) == ends.sum() > len(batch)
    prices = summed_loss(Fixed(torch.zeros(10)), batch).item() / math.log(10)
    last_end = (batch.targets == task.vocabulary.eos).int().cumsum(1)
    after = last_end == last_end[:, -1:]
    assert not batch.loss_mask[after & (batch.targets != task.vocabulary.eos)].any()
    assert prices == pytest.approx(batch.loss_mask.sum().item(), rel=1e-6)


def test_strings_packed_apart_are_trained_as_if_alone(task, tiny, generator) -> None:
    """Isolation must reach the model: the loss of a context is the sum of the losses of its strings."""
    model = tiny(0)
    one, two = task.sample(1, 4, generator(0)), task.sample(1, 6, generator(1))

    def joined(name: str) -> torch.Tensor:
        return torch.cat([getattr(one, name), getattr(two, name)], dim=1)

    segment = torch.cat([torch.zeros_like(one.tokens), torch.ones_like(two.tokens)], dim=1)
    packed = Batch(**{name: joined(name) for name in ("tokens", "targets", "loss_mask", "answer", "source")})
    alone = summed_loss(model, one) + summed_loss(model, two)
    assert summed_loss(model, replace(packed, segment=segment)).item() == pytest.approx(alone.item(), rel=1e-5)
    assert summed_loss(model, packed).item() != pytest.approx(alone.item(), rel=1e-3)


def test_half_of_a_hard_batch_has_few_letters_and_the_other_half_is_plain(task, recipe) -> None:
    config = replace(recipe, batch=64, length=30)

    def distinct(step: int) -> torch.Tensor:
        letters = draw(task, config, step).tokens[:, 1:31]
        return torch.tensor([len(row.unique()) for row in letters])

    assert (distinct(config.hard_from - 1) > 3).all()
    hard = distinct(config.hard_from)
    assert (hard[::2] == 3).all()
    assert (hard[1::2] > 3).all()
    subsets = {tuple(row.unique().tolist()) for row in draw(task, config, config.hard_from).tokens[::2, 1:31]}
    assert len(subsets) > 10  # of 20, over 32 strings


def test_the_strings_of_a_step_depend_on_seed_and_step_alone(task, recipe) -> None:
    again, later, other = draw(task, recipe, 7), draw(task, recipe, 8), draw(task, replace(recipe, seed=4), 7)
    first = draw(task, recipe, 7)
    assert torch.equal(first.tokens, again.tokens)
    assert not torch.equal(first.tokens, later.tokens)
    assert not torch.equal(first.tokens, other.tokens)


def test_weight_decay_spares_norms_biases_embeddings_and_what_is_marked(tiny) -> None:
    model = tiny(0)
    names = [name for name, parameter in model.named_parameters() if decays(name, parameter)]
    leaves = {name.rsplit(".", 1)[-1] for name in names}
    assert leaves == {"W_QKV", "W_O", "W_U"}
    layers = nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3))
    layers[0].weight._no_weight_decay = True
    assert not any(decays(name, parameter) for name, parameter in layers.named_parameters())


@pytest.mark.parametrize("kind", ["mamba", "mamba2"])
def test_what_the_authors_train_without_weight_decay_has_none_in_any_copy(kind, tmp_path) -> None:
    """Rates, skips and the bias of the step size; in a copy, in a saved model and under `torch.compile` as well."""
    model = build({"kind": kind, "d_model": 16, "d_head": 8} if kind == "mamba2" else {"kind": kind, "d_model": 16})
    decaying = decaying_parameters(model)
    assert {name.rsplit(".", 1)[-1] for name in decaying} & {"A_log", "D", "b_dt"} == set() and len(decaying) > 6
    also = decaying_parameters(model, exempted=True) - decaying
    assert {name.rsplit(".", 1)[-1] for name in also} == {"A_log", "D"}
    saved = type(model).from_pretrained(model.save_pretrained(tmp_path))
    for other in (copy.deepcopy(model), saved, pickle.loads(pickle.dumps(model)), model.double()):
        assert decaying_parameters(other) == decaying
    compiled = decaying_parameters(torch.compile(model, backend="eager"))
    assert {name.removeprefix("_orig_mod.") for name in compiled} == decaying


def test_what_comes_before_the_answers_is_left_out_without_a_change_of_loss(task, recipe, tiny) -> None:
    model, batch = tiny(0), draw(task, recipe, 0)
    first = share(batch, answers_only=True).first
    assert first == batch.answer.sum(dim=1).min() + 1  # where the separator of the shortest string stands
    whole, short = summed_loss(model, batch), summed_loss(model, batch, first)
    assert short.item() == pytest.approx(whole.item(), rel=1e-6)


def test_a_step_is_adamw_on_the_clipped_mean_gradient(task, recipe, tiny) -> None:
    """The first step of AdamW worked by hand: w (1 - lr wd) - lr g / (|g| + eps), g clipped to norm 1."""
    model, reference = tiny(0), tiny(0)
    batch = draw(task, recipe, 0)
    loss, norm = take_step(model, make_optimizer(model, recipe), share(batch), recipe, 0)
    logits = reference(batch.tokens)
    expected = F.cross_entropy(logits[batch.loss_mask], batch.targets[batch.loss_mask])
    expected.backward()
    assert loss.item() == pytest.approx(expected.item(), rel=1e-6)
    total = torch.sqrt(sum(p.grad.square().sum() for p in reference.parameters()))
    assert norm.item() == pytest.approx(total.item(), rel=1e-5)
    rate, scale = recipe.learning_rate_at(0), min(1.0, recipe.clip / (total.item() + 1e-6))
    for (name, now), (_, before) in zip(model.named_parameters(), reference.named_parameters(), strict=True):
        g = before.grad * scale
        decay = 1 - rate * recipe.weight_decay * decays(name, before)
        torch.testing.assert_close(now, before * decay - rate * g / (g.abs() + 1e-8), rtol=1e-4, atol=1e-6)


def test_a_training_step_runs_on_the_meta_device(task, recipe) -> None:
    with torch.device("meta"):
        model = HookedTransformer(TransformerConfig(n_heads=4, d_model=32, d_vocab=10, windows=(2, 3, None, None)))
    batch = draw(task, recipe, 0)
    loss, _ = take_step(model, make_optimizer(model, recipe), share(batch, device="meta"), recipe, 0)
    assert loss.is_meta
    assert all(p.grad is not None and p.grad.is_meta for p in model.parameters())


def test_bf16_is_close_to_fp32_and_leaves_the_weights_in_fp32(task, recipe, tiny) -> None:
    batch = draw(task, recipe, 0)
    losses = []
    for precision in ("fp32", "bf16"):
        model = tiny(0)
        config = TrainConfig(precision=precision)
        losses.append(take_step(model, make_optimizer(model, config), share(batch), config, 0)[0].item())
        assert all(p.dtype == torch.float32 for p in model.parameters())
    assert losses[0] != losses[1]
    assert losses[1] == pytest.approx(losses[0], rel=2e-2)  # bf16 keeps 8 bits


COMPILED = """
from interp.models import build
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks import CopyTask
from interp.training.recipe import TrainConfig
from interp.training.loop import train

for compiled in (False, True):
    model = HookedTransformer(TransformerConfig(n_heads=4, d_model=32, d_vocab=10, windows=(2, 3, None, None)), seed=0)
    recipe = TrainConfig(steps=5, batch=8, warmup=2, length=(3, 6), evaluate_lengths=(4,), compile=compiled)
    print(*train(model, CopyTask(alphabet=6), recipe, progress=False).loss)
"""


@pytest.mark.slow
def test_a_compiled_training_learns_what_an_ordinary_one_does() -> None:
    """In a process of its own: the compiler cannot look through the checks of types that the tests switch on."""
    done = subprocess.run([sys.executable, "-c", COMPILED], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    plain, compiled = (list(map(float, line.split())) for line in done.stdout.splitlines())
    assert compiled == pytest.approx(plain, rel=1e-4)
