"""Models without a lookup head are told as having none: untrained, trained on another task, planted to do otherwise.

A few by default; `pytest -s --runslow` asks 264 of them, each of a seed of its own, and prints the shares that
docs/validation.md holds.
"""

import random
from collections import defaultdict
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest
import torch

from interp.base.estimates import proportion_interval
from interp.measure.heads.gather import effects_on
from interp.measure.heads.score import HeadSettings, score_heads
from interp.measure.heads.strings import Strings
from interp.models import build
from interp.models.heads import HeadTable
from interp.models.planted import draw, plant
from interp.tasks.base import Batch, Task
from interp.tasks.copy import CopyTask
from interp.tasks.recall import Recall
from interp.tasks.reverse import ReverseCopy
from interp.tasks.selective import SelectiveCopy
from interp.training.loop import train
from interp.training.recipe import TrainConfig

SPAN = (24, 32)
SETTINGS = HeadSettings(strings=24)
UNTRAINED = ("learned", "rope", "nope", "alibi", "hard-alibi", "nape", "mamba", "mamba2", "hybrid")
"""Position encodings of transformers, and other families."""
TAUGHT = ("reverse", "selective", "recall", "unrelated", "next")
"""What a model learned instead: the last two are asked as copies are, and answered by letters that have nothing to do
with the right ones, or by the next one of the alphabet."""
PLANTED = ("by-distance", "by-count", "nothing", "next-letter", "unread", "suppressor-alone")
"""Kinds of circuits without a lookup head."""


@dataclass(frozen=True)
class Answered(CopyTask):
    """Copies, read as they are and answered otherwise."""

    unrelated: bool = False

    def sample(self, n: int, length: Any, generator: torch.Generator | int) -> Batch:
        generator = torch.Generator().manual_seed(generator) if isinstance(generator, int) else generator
        batch = super().sample(n, length, generator)
        ids = self.vocabulary.ids(torch.arange(self.n_letters))
        number = torch.zeros(int(batch.tokens.max()) + 1, dtype=torch.long).scatter(0, ids, torch.arange(len(ids)))
        right = number[batch.targets.clamp(max=len(number) - 1)]
        drawn = torch.randint(self.n_letters, right.shape, generator=generator)
        other = ids[drawn if self.unrelated else (right + 1) % self.n_letters]
        return replace(batch, targets=torch.where(batch.answer, other, batch.targets))


def untrained(kind: str, seed: int) -> tuple[Any, Task]:
    """A model of a random shape with its first weights, some of them scaled up: sharp heads are lucky more often."""
    dice = random.Random(f"untrained:{kind}:{seed}")
    task = CopyTask(dice.choice((4, 8, 13, 26)))
    model = build({**shape(kind, dice), "d_vocab": task.vocabulary.size}, seed=900_000 + seed)
    if (louder := dice.choice((1.0, 1.0, 3.0))) > 1:
        with torch.no_grad():
            for name, weight in model.named_parameters():
                if name.endswith(("W_Q", "W_K", "W_E")):
                    weight *= louder
    return model, task


def shape(kind: str, dice: random.Random) -> dict[str, Any]:
    """Fields of a config: layers, heads, widths, norm, MLP, and variants of attention."""
    n_layers, norm = dice.choice((1, 2, 2, 3, 4)), dice.choice((None, "LNPre", "LN", "RMS"))
    if kind in ("mamba", "mamba2"):
        return {"kind": kind, "n_layers": min(n_layers, 3), "d_model": dice.choice((32, 64))}
    if kind == "hybrid":
        layers = (*(dice.choice(("mamba", "attention")) for _ in range(min(n_layers, 3))), "attention")
        return {"kind": kind, "layers": layers, "d_model": 32, "attention": {"n_heads": dice.choice((2, 4))}}
    n_heads = dice.choice((1, 2, 4, 8))
    d_model = n_heads * dice.choice((4, 8, 16))
    fields = {"n_layers": n_layers, "n_heads": n_heads, "d_model": d_model, "normalization": norm, "position": kind}
    fields |= {"d_mlp": dice.choice((0, 0, 2)) * d_model, "parallel": dice.random() < 0.2, "n_ctx": 128}
    fields |= {
        "pattern": dice.choice(("softmax", "softmax", "entmax")),
        "score_scale": dice.choice((None, None, "log-n", "ssmax")),
    }
    if kind == "hard-alibi":
        fields["windows"] = tuple(dice.choice((2, 3, 5, None)) for _ in range(n_heads))
    return {"kind": "transformer", **fields}


def taught(kind: str, seed: int, steps: int = 120) -> tuple[Any, Task]:
    """A small transformer after a short training on another task, and the task of copying in its letters."""
    dice = random.Random(f"taught:{kind}:{seed}")
    letters = dice.choice((8, 13, 26)) if kind != "recall" else 26
    tasks = {"reverse": ReverseCopy, "selective": SelectiveCopy, "recall": Recall, "next": Answered}
    task = Answered(letters, unrelated=True) if kind == "unrelated" else tasks[kind](alphabet=letters)
    n_heads = dice.choice((2, 4))
    fields = {"n_layers": 2, "n_heads": n_heads, "d_model": 16 * n_heads, "n_ctx": 160}
    fields |= {"position": dice.choice(("learned", "rope", "alibi", "hard-alibi")), "d_mlp": dice.choice((0, 32))}
    model = build({"kind": "transformer", "d_vocab": task.vocabulary.size, **fields}, seed=950_000 + seed)
    recipe = TrainConfig(steps=steps, batch=32, length=(4, 10), learning_rate=8e-3, evaluate_lengths=(10,),
        evaluate_strings=8, evaluate_every=1000, warmup=10, seed=seed)  # fmt: skip
    train(model, task, recipe, progress=False)
    return model.eval(), CopyTask(letters)


def otherwise(kind: str, seed: int) -> tuple[Any, Task]:
    """A planted circuit that does not look up."""
    circuit = draw(kind, 5000 + seed)
    return plant(circuit)[0], CopyTask(circuit.alphabet)


def drawn(untrained_each: int, taught_each: int, planted_each: int) -> list[tuple[str, Any, str, int]]:
    """Which models are asked: (group, how it is made, kind, seed), each of a seed of its own."""
    every = [("untrained", untrained, kind, untrained_each) for kind in UNTRAINED]
    every += [("taught", taught, kind, taught_each) for kind in TAUGHT]
    every += [("planted", otherwise, kind, planted_each) for kind in PLANTED]
    asked = [(group, make, kind) for group, make, kind, count in every for _ in range(count)]
    return [(*case, seed) for seed, case in enumerate(asked)]


def told(case):
    """Heads that are flagged, and those with a role."""
    _, make, kind, seed = case
    model, task = make(kind, seed)
    scores = score_heads(model, task, SPAN, seed, SETTINGS, seed)
    return [h.name for h in scores.heads if h.flagged], [h.name for h in scores.heads if h.role != "none"]


QUICK = ("rope", "hybrid", "reverse", "by-count", "unread")


@pytest.mark.parametrize("case", [c for c in drawn(1, 1, 1) if c[2] in QUICK], ids=lambda case: case[2])
def test_a_model_of_another_kind_has_no_head_with_a_role(case):
    assert told(case)[1] == []


@pytest.mark.slow
def test_models_without_a_lookup_head_have_a_role_no_more_often_than_the_level():
    flagged, roles, models = defaultdict(list), defaultdict(list), defaultdict(int)
    for case in drawn(16, 12, 10):
        group, _, kind, seed = case
        of_model = told(case)
        for name in (group, f"  {kind}"):
            models[name] += 1
            for found, heads in zip((flagged, roles), of_model, strict=True):
                found[name] += [(kind, seed, heads)] * bool(heads)
    print()
    for name, count in models.items():
        share = proportion_interval(len(roles[name]), count)
        counts = f"{len(flagged[name])} flagged, {len(roles[name])} with a role, of {count}"
        print(f"{name:16} {counts}, 95 % [{share.low:.3f}, {share.high:.3f}]", *roles[name])
    for group in ("untrained", "taught", "planted"):
        assert len(roles[group]) <= SETTINGS.level * models[group]


@pytest.mark.slow
def test_heads_of_untrained_models_change_each_others_scores_by_more_than_the_gather_floor():
    """An untrained head's scores are noise, of which each earlier head makes up a part: no floor can come from that."""
    largest = []
    for kind in UNTRAINED:
        for seed in range(12):
            model, task = untrained(kind, seed)
            table = HeadTable.of(model)
            last = [head for head in table if head.layer == table.heads[-1].layer]
            if kind in ("mamba", "mamba2") or len(last) == len(table):
                continue
            strings = Strings(task, SPAN, torch.Generator().manual_seed(seed), SETTINGS, torch.device("cpu"))
            largest.append(float(effects_on(model, strings.ordinary(), last)[0].mean(dim=1).max()))
    print(
        f"\nlargest effect on the last layer's heads, {len(largest)} models:",
        np.quantile(largest, (0, 0.25, 0.5, 0.75, 1)),
    )
    assert np.median(largest) > SETTINGS.gather_floor
