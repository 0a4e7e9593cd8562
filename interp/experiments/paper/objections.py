"""What critics of the paper say, each an arm: a wide model, other first weights, another convolution, another rate.

The models are those of `critics`. The single layer of convolved attention stands beside them and decides nothing.
"""

import math
from collections.abc import Sequence
from dataclasses import replace

from interp.base.censored import ratio
from interp.experiments.claim import Claim, Ends, Judged, Plot, above, nothing
from interp.experiments.grid import Arm, Grid
from interp.experiments.kept import Found
from interp.experiments.paper import rates
from interp.experiments.paper.critics import BASE, CONVOLVED, RATES, convolved, variants
from interp.experiments.paper.curves import curve, fastest, is_recurrent, middle, needed
from interp.experiments.paper.models import arms, averaged_rates
from interp.experiments.paper.samples import TRIALS, recipe, trial
from interp.experiments.plan import RunPlan
from interp.experiments.reduce import Kept, best_rate

LENGTH = {"tiny": 3, "laptop": 10, "paper": 100}


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """The critics' models and the transformers that they are held against, after trials of all at the same rates."""
    kinds = (*variants(size, RATES[size]), convolved(size, RATES[size]), *arms(size, BASE, RATES[size]))
    if size == "paper":
        return _plans(kinds, size, seeds)
    asked = tuple(replace(arm, rates=averaged_rates(arm.name, size)) for arm in kinds)
    return TRIALS.plans(kinds, trial(size)) + _plans(asked, size, seeds)


def _plans(kinds: tuple[Arm, ...], size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    name = f"objections/L{LENGTH[size]}"
    return Grid(name, kinds, "copy", recipe(size, LENGTH[size]), tuple(seeds)).plans()


def judge(found: Sequence[Found], size: str) -> Judged:
    """Hold the critics' fastest model against the fastest transformer, at equal examples."""
    length = LENGTH[size]
    trials, found = TRIALS.split(found)
    kept = best_rate(found, lambda one: -middle([needed(one)]) if not needed(one).censored else -1e18)
    held = {arm: k for arm, k in kept.items() if arm in BASE}
    critics = {arm: k for arm, k in kept.items() if is_recurrent(k.found[0])}
    shown = {
        "plots": _plots(kept, found) if size == "paper" else rates.plots(trials),
        "kept": tuple(map(str, kept.values())) if size == "paper" else TRIALS.notes(trials, kept),
        "notes": tuple(map(_note, kept.values())),
    }
    if not held or not critics:
        return Judged(**{**vars(nothing("one side has no run that ended well")), **shown})
    slow, fast = _fastest(critics), _fastest(held)
    if min(len(slow.found), len(fast.found)) < 2 or all(needed(one).censored for one in fast.found):
        return Judged(**{**vars(nothing("too few trainings got there to compare")), **shown})
    tried = rates.best(trials).get(slow.arm, slow)
    edge = tried.inside is False and not all(needed(one).censored for one in slow.found)
    times = ratio([needed(one) for one in slow.found], [needed(one) for one in fast.found])
    ends: Ends = (times.low, None if math.isinf(times.high) else times.high)
    how = "at least" if times.value is None else f"{times.value:.1f}, at least"
    return Judged(
        holds="unsure" if edge and above(ends, 1.0) == "yes" else above(ends, 1.0),
        quantity=f"examples of {slow.arm} over examples of {fast.arm}, until 95 % of strings of {length} letters are "
        f"copied",
        measured=times.value,
        interval=ends,
        says=f"The fastest of the critics' models, {slow.arm}, needs {how} {times.low:.1f} times the examples of "
        f"{fast.arm}." + (" Its best rate lies at the edge of those tried: another may be better." if edge else ""),
        **shown,
    )


def _fastest(kept: dict[str, Kept]) -> Kept:
    return kept[fastest({arm: [needed(one) for one in k.found] for arm, k in kept.items()})]


def _note(kept: Kept) -> str:
    each = [needed(one) for one in kept.found]
    got = sum(not one.censored for one in each)
    at = middle(each)
    when = "the median training never" if math.isinf(at) else f"after {at:,.0f} examples (median)"
    return f"{kept.arm}: {got} of {len(each)} trainings got there, {when}"


def _plots(kept: dict[str, Kept], found: Sequence[Found]) -> tuple[Plot, ...]:
    """Accuracy at the last evaluation, by learning rate: where each arm's window of rates lies."""
    curves = []
    for arm, k in kept.items():
        values = [
            [one.values["training"]["string_accuracy"][-1][-1] for one in found if _is(one, arm, rate)]
            for rate in k.rates
        ]
        curves.append(curve(arm, k.rates, values, bounded=True))
    title = "Strings copied when the training ended, by learning rate"
    return (Plot("rates", title, "learning rate", "share of strings", tuple(curves), log_x=True),)


def _is(found: Found, arm: str, rate: float) -> bool:
    return found.plan.arm == arm and found.plan.rate == rate


CLAIM = Claim(
    id="objections",
    title="The objections",
    where="Okpekpe & Orvieto 2025 and others",
    statement="Critics (Okpekpe & Orvieto 2025, Trockman et al. 2024, Arora et al. 2025): with the right learning "
    "rate, a wide state-space model, mimetic first weights or its convolution, or trained from the states of other "
    "strings, copies as soon as a transformer, so that the paper's comparison says little. The paper's side: "
    "transformers stay ahead.",
    rule="Examples until 95 % of strings are copied, each model at the learning rate that its trials choose, the "
    "critics' fastest model over the faster of RoPE and Hard-ALiBi: yes (the paper's side holds) if the whole 95 % "
    "interval of the ratio lies above 1, no (the critics are right) if below. Where the critics' fastest model is best "
    "at the edge of the rates that were tried, it is not yes.",
    plans=plans,
    judge=judge,
    means={
        "yes": "This contradicts the critics: at its best rate, none of their models learns as fast as the faster of "
        "RoPE and Hard-ALiBi.",
        "no": "This contradicts the paper: trained as its critics say, a state-space model learns faster.",
    },
    seeds=5,
    compares=lambda plan: plan.arm != CONVOLVED and not rates.is_trial(plan),
)
