"""Figure 1a and 9: how many examples it takes to copy strings of L letters."""

import math
from collections.abc import Sequence
from dataclasses import replace

from interp.base import words
from interp.base.censored import Ratio, ratio
from interp.experiments.claim import Claim, Curve, Ends, Judged, Plot, above, nothing
from interp.experiments.grid import Arm, Grid
from interp.experiments.kept import Found
from interp.experiments.paper import rates
from interp.experiments.paper.curves import by_arm, curve, fastest, is_recurrent, middle, needed
from interp.experiments.paper.models import AVERAGED, RATES, arms, averaged_rates, further
from interp.experiments.paper.rates import Trials
from interp.experiments.plan import RunPlan
from interp.experiments.reduce import Kept, best_rate
from interp.training.recipe import TrainConfig

LENGTHS = {"tiny": (2, 3), "laptop": (10, 20, 30), "paper": (50, 100, 200, 300)}
STEPS = {"tiny": 8, "laptop": 1200, "paper": 50_000}
EVERY = {"tiny": 4, "laptop": 25, "paper": 250}
TRIALS = Trials("averaged", AVERAGED)
"""The trials of this recipe, which the claim on objections shares."""


def recipe(size: str, length: int) -> TrainConfig:
    """Strings of 1 to L letters, at a rate that stays: the examples that are needed must not depend on an end.

    What is asked is the running average of the weights over the last fifty steps or so, which the noise of such a rate
    does not hold back.
    """
    return TrainConfig(
        steps=STEPS[size],
        length=(1, length),
        one_length=True,
        average=0.98,
        batch=8 if size == "tiny" else 64,
        final_fraction=1.0,
        warmup=50,
        evaluate_every=EVERY[size],
        evaluate_lengths=(length,),
        evaluate_strings=20 if size == "tiny" else 200,
        stop_length=length,
        stop_accuracy=0.95,
        checkpoint_every=max(100, EVERY[size]),
    )


def trial(size: str) -> TrainConfig:
    """Half as long as the trainings that follow, and to its end."""
    length = min(LENGTHS[size])
    return replace(recipe(size, length), steps=STEPS[size] // 2, stop_length=None)


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """Every kind of model at every length, and the trials of their rates."""
    if size == "paper":  # every kind is trained at every rate
        return _plans(arms(size), size, seeds)
    asked = tuple(replace(arm, rates=averaged_rates(arm.name, size)) for arm in arms(size))
    return TRIALS.plans(arms(size, rates=RATES[size]), trial(size)) + _plans(asked, size, seeds)


def of_further(size: str, seeds: Sequence[int], families: Sequence[str]) -> tuple[RunPlan, ...]:
    """Recurrent families that the paper did not have, at every length."""
    return _plans(further(families, size), size, seeds)


def _plans(arms: tuple[Arm, ...], size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    return tuple(
        plan
        for length in LENGTHS[size]
        if arms
        for plan in Grid(f"samples/L{length}", arms, "copy", recipe(size, length), tuple(seeds)).plans()
    )


def length_of(found: Found) -> int:
    """The longest strings that a run was trained on."""
    training = found.plan.training
    return training.lengths[1] if training else 0


def judge(found: Sequence[Found], size: str) -> Judged:
    """Hold the fastest transformer against the fastest recurrent model, at the greatest length."""
    trials, found = TRIALS.split(found)
    longest = max(LENGTHS[size])
    best = {length: _best([one for one in found if length_of(one) == length]) for length in LENGTHS[size]}
    found = [one for each in best.values() for kept in each.values() for one in kept.found]
    kept = best[longest]
    trained = {arm: one for length in sorted(best) for arm, one in best[length].items()}  # of the greatest length last
    groups = {
        recurrent: {
            arm: [needed(x) for x in k.found] for arm, k in kept.items() if is_recurrent(k.found[0]) == recurrent
        }
        for recurrent in (False, True)
    }
    shown = {
        "plots": (*rates.plots(trials), *_plots(found, size)),
        "kept": tuple(map(str, kept.values())) if size == "paper" else TRIALS.notes(trials, trained),
        "notes": _letters(found),
    }
    if not groups[False] or not groups[True]:
        return Judged(
            **{
                **vars(nothing(f"transformers or recurrent models have no run of {longest} letters that ended well")),
                **shown,
            }
        )
    slow, fast = (fastest(groups[side]) for side in (True, False))
    if min(len(groups[True][slow]), len(groups[False][fast])) < 2:
        return Judged(**{**vars(nothing("a ratio needs two trainings on either side")), **shown})
    if all(x.censored for x in groups[False][fast]):
        return Judged(**{**vars(nothing(f"no transformer copies {longest} letters in {STEPS[size]:,} steps")), **shown})
    times = ratio(groups[True][slow], groups[False][fast])
    ends: Ends = (times.low, None if math.isinf(times.high) else times.high)
    return Judged(
        holds=above(ends, 1.0),
        quantity=f"examples of {slow} over examples of {fast}, until 95 % of strings of {longest} letters are copied",
        measured=times.value,
        interval=ends,
        says=_says(times, slow, fast, longest),
        **shown,
    )


def _best(found: Sequence[Found]) -> dict[str, Kept]:
    """The rate of each kind of model at which its trainings need fewest examples."""
    return best_rate(found, lambda one: -needed(one).most if not needed(one).censored else -math.inf)


def _says(times: Ratio, slow: str, fast: str, longest: int) -> str:
    if times.value is None:
        return (
            f"To copy {longest} letters a recurrent model needs at least {times.low:.1f} times the examples of {fast}, "
            f"the fastest transformer: no training of any got there. {slow} came nearest."
        )
    high = "no upper end" if math.isinf(times.high) else f"{times.high:.1f}"
    return (
        f"To copy {longest} letters {slow}, the fastest recurrent model, needs {times.value:.1f} [{times.low:.1f}, "
        f"{high}] times the examples of {fast}, the fastest transformer."
    )


def _letters(found: Sequence[Found]) -> tuple[str, ...]:
    """Who got there; and whether the jump is in the strings alone: when 95 % of letters are right, when of strings."""
    notes = []
    for length in sorted({length_of(one) for one in found}):
        for arm, runs in by_arm(one for one in found if length_of(one) == length).items():
            each = {metric: [needed(x, metric) for x in runs] for metric in ("string_accuracy", "letter_accuracy")}
            got = sum(not x.censored for x in each["string_accuracy"])
            letters, strings = (
                "never" if math.isinf(middle(each[metric])) else f"after {middle(each[metric]):,.0f} examples"
                for metric in ("letter_accuracy", "string_accuracy")
            )
            got = f"{length} letters, {arm}: {got} of {len(runs)} trainings got there"
            notes.append(f"{got}; 95 % of letters {letters}, 95 % of strings {strings} (median)")
    return tuple(notes)


def _plots(found: Sequence[Found], size: str) -> tuple[Plot, ...]:
    lengths = LENGTHS[size]
    arms_of = by_arm(found)
    counts = tuple(_needed_curve(arm, runs, lengths) for arm, runs in arms_of.items())
    ended = tuple(_ended_curve(arm, runs, lengths) for arm, runs in arms_of.items())
    longest = [one for one in found if length_of(one) == max(lengths)]
    learning = tuple(_learning(arm, runs, "string_accuracy") for arm, runs in by_arm(longest).items())
    letters = tuple(_learning(arm, runs, "letter_accuracy") for arm, runs in by_arm(longest).items())
    of = f"{words.count(max(lengths), 'letter')}"
    return (
        Plot("needed", "Examples until 95 % of strings are copied", "letters", "examples", counts, log_y=True),
        Plot("ended", "Strings that are copied when the training ends", "letters", "share of strings", ended),
        Plot("strings", f"Strings of {of} that are copied", "examples", "share of strings", learning, log_x=True),
        Plot("letters", f"Letters right, in strings of {of}", "examples", "share of letters", letters, log_x=True),
    )


def _needed_curve(arm: str, runs: Sequence[Found], lengths: Sequence[int]) -> Curve:
    """The mean of those that got there, at lengths where all did."""
    values = []
    for length in lengths:
        each = [needed(one) for one in runs if length_of(one) == length]
        values.append([] if any(one.censored for one in each) else [one.most for one in each])
    return curve(arm, lengths, values)


def _ended_curve(arm: str, runs: Sequence[Found], lengths: Sequence[int]) -> Curve:
    """String accuracy at the last evaluation: at the target, or after as many examples as every training has."""
    values = [
        [one.values["training"]["string_accuracy"][-1][-1] for one in runs if length_of(one) == length]
        for length in lengths
    ]
    return curve(arm, lengths, values, bounded=True)


def _learning(arm: str, runs: Sequence[Found], metric: str) -> Curve:
    """Accuracy by examples; a training that stopped at its target stays there."""
    grid = sorted({at for one in runs for at in one.values["training"]["evaluated_at"]})
    values = []
    for at in grid:
        row = []
        for one in runs:
            log = one.values["training"]
            seen = [a[-1] for e, a in zip(log["evaluated_at"], log[metric], strict=True) if e <= at]
            row.append(seen[-1] if seen else 0.0)
        values.append(row)
    return curve(arm, grid, values, bounded=True)


CLAIM = Claim(
    id="samples",
    title="Samples to learn",
    where="Figures 1a and 9",
    statement="Trained to copy strings of up to 300 letters, transformers need about a hundred times fewer examples "
    "than the best state-space model; an LSTM does not learn at that length.",
    rule="Examples until 95 % of strings of the greatest length are copied, the fastest recurrent model over the "
    "fastest transformer: yes if the whole 95 % interval of the ratio lies above 1, no if below. Trainings that never "
    "get there count as censored.",
    plans=plans,
    further=of_further,
    judge=judge,
    means={
        "yes": "As in the paper, the fastest transformer learns to copy from fewer examples than any recurrent model.",
        "no": "This contradicts the paper: here a recurrent model learns from fewer examples than every transformer.",
    },
    seeds=5,
    compares=lambda plan: not rates.is_trial(plan),
)
