"""How long runs will take: from what runs like them took, or else from a few steps of each, measured now."""

import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import replace

import torch

from interp.experiments.kept import Found
from interp.experiments.plan import RunPlan
from interp.models import build
from interp.training.data import draw, share
from interp.training.passing import make_passing
from interp.training.recipe import TrainConfig
from interp.training.step import make_optimizer, take_step

STEPS = 2
"""Steps that are measured, behind one that is not."""


def likeness(plan: RunPlan) -> str:
    """What runs must share to take equally long: everything but rate and seed."""
    essence = plan.essence()
    training = essence["training"]
    if training:
        essence["training"] = {k: v for k, v in training.items() if k not in ("learning_rate", "seed")}
    return json.dumps(essence, sort_keys=True, default=str)


def seconds_of(plans: Sequence[RunPlan], known: Iterable[Found]) -> dict[str, float]:
    """Estimate the processor time of each plan, by digest.

    Args:
        plans: the runs.
        known: what others have found, with the time that it took.
    """
    took: dict[str, list[float]] = {}
    for found in known:
        if found.failed is None and found.seconds:
            took.setdefault(likeness(found.plan), []).append(sum(found.seconds.values()))
    guessed: dict[str, float] = {}
    seconds = {}
    for plan in plans:
        like = likeness(plan)
        if like in took:
            seconds[plan.digest] = sum(took[like]) / len(took[like])
            continue
        if like not in guessed:
            guessed[like] = _measured(plan)
        seconds[plan.digest] = guessed[like]
    return seconds


def _measured(plan: RunPlan) -> float:
    """The time of all steps and evaluations, from a few steps: an evaluation's string costs a third of a training's."""
    if plan.training is None:
        return 1.0
    recipe = plan.training
    step = step_seconds(plan, recipe)
    mean = sum(recipe.lengths) / 2
    letters = sum(length * recipe.evaluate_strings for length in recipe.evaluate_lengths)
    evaluation = step / 3 * letters / (recipe.batch * mean)
    measuring = sum(
        step / 3 * m.strings * length / (recipe.batch * mean) for m in plan.measures for length in m.lengths
    )
    return step * recipe.steps + evaluation * (recipe.steps / recipe.evaluate_every) + measuring


def step_seconds(plan: RunPlan, recipe: TrainConfig) -> float:
    """Measure the processor time of a training step, on one thread."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    if recipe.one_length and not recipe.phases:  # few steps would have lengths of their own: the mean stands for them
        recipe = replace(recipe, length=sum(recipe.lengths) // 2, one_length=False)
    try:
        model, task = build(dict(plan.model), seed=0), plan.make_task()
        model.train()
        optimizer = make_optimizer(model, recipe)
        passing = make_passing(model, task, recipe)
        answers_only = plan.model.get("kind") == "transformer"
        start = 0.0
        for number in range(STEPS + 1):
            if number == 1:
                start = time.process_time()
            rows = share(draw(task, recipe, number), answers_only=answers_only)
            take_step(model, optimizer, rows, recipe, number, passing(number))
        return (time.process_time() - start) / STEPS
    finally:
        torch.set_num_threads(before)
