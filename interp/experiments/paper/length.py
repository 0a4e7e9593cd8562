"""Figure 1b: trained on short strings until they are copied, asked on longer ones."""

from collections.abc import Sequence
from dataclasses import replace

from interp.experiments.claim import Claim, Judged
from interp.experiments.kept import Found
from interp.experiments.paper import rates
from interp.experiments.paper.beyond import Beyond, at_best_rates, compare
from interp.experiments.paper.critics import convolved
from interp.experiments.paper.curves import is_recurrent
from interp.experiments.paper.models import CHOSEN, RATES, arms
from interp.experiments.paper.rates import Trials
from interp.experiments.plan import RunPlan
from interp.training.recipe import TrainConfig

SIZES = {
    "tiny": Beyond((1, 3), (2, 3, 6), 6, steps=4, strings=10, batch=8),
    "laptop": Beyond((1, 10), (5, 10, 12, 15, 20, 30, 50, 100, 200, 500, 1000), 20, steps=2000, strings=64),
    "paper": Beyond((1, 50), (25, 50, 75, 100, 200, 500, 1000), 100, steps=50_000, strings=1280),
}


TRIALS = Trials("rates", CHOSEN)
"""The trials of all claims whose trainings have a rate that falls to their end."""


def trial(size: str) -> TrainConfig:
    """A training at a rate that stays, on short strings."""
    longest = SIZES[size].trained[1]
    return TrainConfig(
        steps=8 if size == "tiny" else 800,
        batch=8 if size == "tiny" else 64,
        length=(1, longest),
        final_fraction=1.0,
        evaluate_every=4 if size == "tiny" else 50,
        evaluate_lengths=(longest,),
        evaluate_strings=20 if size == "tiny" else 200,
    )


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """Every kind of model, and the trials of their rates: at the paper's size every claim tries every rate."""
    kinds = (*arms(size, rates=RATES[size]), convolved(size, RATES[size]))
    return (() if size == "paper" else TRIALS.plans(kinds, trial(size))) + trainings(size, seeds)


def trainings(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """Every kind of model, on as many examples."""
    return SIZES[size].plans("length", "copy", size, seeds)


def further(size: str, seeds: Sequence[int], families: Sequence[str]) -> tuple[RunPlan, ...]:
    """Recurrent families that the paper did not have, on as many examples."""
    return SIZES[size].further("length", "copy", size, seeds, families)


def judge(found: Sequence[Found], size: str) -> Judged:
    """Hold Hard-ALiBi against the best recurrent model at twice the trained length."""
    trials, found = TRIALS.split(found)
    judged = compare(
        found,
        SIZES[size],
        lambda one: one.plan.arm == "hard-alibi",
        is_recurrent,
        ("Hard-ALiBi", "recurrent models"),
        "Strings copied, by length",
    )
    if size == "paper":
        return judged
    told = TRIALS.notes(trials, at_best_rates(found, SIZES[size]))
    return replace(judged, plots=(*rates.plots(trials), *judged.plots), kept=told)


CLAIM = Claim(
    id="length",
    title="Length generalisation",
    where="Figure 1b",
    statement="Trained on up to 50 letters until all copy these, state-space models drop to zero almost immediately "
    "beyond, RoPE, NoPE and ALiBi fall off gradually, and Hard-ALiBi is almost perfect to 1,000.",
    rule="Of the trainings that copy 95 % of the longest trained strings: the share of strings right at twice that "
    "length, Hard-ALiBi less the best recurrent model; yes if the whole 95 % interval (Welch's t over trainings, no "
    "narrower than the strings allow) lies above 0, no if below.",
    plans=plans,
    further=further,
    judge=judge,
    means={
        "yes": "As in the paper, Hard-ALiBi copies on where recurrent models do not.",
        "no": "This contradicts the paper: a recurrent model copies longer strings than Hard-ALiBi.",
    },
    seeds=5,
    compares=lambda plan: (
        not rates.is_trial(plan) and (plan.arm == "hard-alibi" or plan.model["kind"] != "transformer")
    ),
)
