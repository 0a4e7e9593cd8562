"""The critics' models beyond the lengths of their training: does any of them copy on?"""

from collections.abc import Sequence
from statistics import fmean
from typing import Any

from interp.experiments.claim import Claim, Judged
from interp.experiments.grid import Grid
from interp.experiments.kept import Found
from interp.experiments.paper.beyond import compare
from interp.experiments.paper.critics import CONVOLVED, convolved, variants
from interp.experiments.paper.curves import by_arm, is_recurrent, learned, share
from interp.experiments.paper.length import SIZES
from interp.experiments.paper.models import arms, rates_of
from interp.experiments.plan import RunPlan
from interp.experiments.reduce import difference_interval

PASSING = "mamba, state passing"
PLAIN = "mamba, mimetic weights"
ASKED = (PLAIN, "mamba, wide, one layer", "mamba, narrow, deep", "mamba, convolution of 1", PASSING)
"""The critics' models that somebody says generalise."""


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """The critics' models, at the rate of the plain one, on as many examples as those of the claim on length."""
    beyond = SIZES[size]
    asked = tuple(arm for arm in variants(size, rates_of("mamba", size)) if arm.name in ASKED)
    grid = (*asked, convolved(size, rates_of(CONVOLVED, size)), *arms(size, ("hard-alibi",)))
    return Grid("stretched", grid, "copy", beyond.recipe(), tuple(seeds), beyond.measures()).plans()


def judge(found: Sequence[Found], size: str) -> Judged:
    """Hold Hard-ALiBi against the critics' best model at twice the trained length."""
    beyond = SIZES[size]
    recurrent_or_hard = [one for one in found if one.plan.arm != CONVOLVED]
    judged = compare(
        recurrent_or_hard,
        beyond,
        lambda one: one.plan.arm == "hard-alibi",
        is_recurrent,
        ("Hard-ALiBi", "the critics' models"),
        "Strings copied, by length",
    )
    more = compare(found, beyond, lambda _: True, lambda _: True, ("", ""), "Strings copied, by length")
    shown: dict[str, Any] = {
        "plots": more.plots,
        "kept": more.kept,
        "notes": (*more.notes, *_passing(found, beyond.at, beyond.strings)),
    }
    missing = _untaught(found)
    if judged.holds == "yes" and missing:
        shown["holds"] = "unsure"
        shown["says"] = f"{judged.says} But these did not learn the trained lengths, so that they are not tested: "
        shown["says"] += f"{'; '.join(missing)}."
    return Judged(**{**vars(judged), **shown})


def _untaught(found: Sequence[Found]) -> tuple[str, ...]:
    """The critics' models of which fewer than two trainings learned the task: nothing is known of how they go on."""
    return tuple(arm for arm, runs in by_arm(found).items() if arm in ASKED and sum(map(learned, runs)) < 2)


def _passing(found: Sequence[Found], at: int, strings: int) -> tuple[str, ...]:
    """What state passing adds, beside the same model without it."""
    groups = by_arm(found)
    if not {PASSING, PLAIN} <= set(groups):
        return ()
    values = [[share(one, "accuracy", at) for one in groups[arm]] for arm in (PASSING, PLAIN)]
    gap, ends = difference_interval(*values, strings=strings)
    interval = "" if ends is None else f" [{ends[0]:.2f}, {ends[1]:.2f}]"
    return (
        f"state passing copies {fmean(values[0]):.2f} of strings of {at} letters, the same model without it "
        f"{fmean(values[1]):.2f}: {gap:+.2f}{interval}",
    )


CLAIM = Claim(
    id="stretched",
    title="The objections, beyond the trained lengths",
    where="Buitrago Ruiz & Gu 2025 and others",
    statement="Critics (Buitrago Ruiz & Gu, Okpekpe & Orvieto, Trockman et al.): state-space models fail on longer "
    "strings because they were never trained on the states that these lead to, or were too narrow, or were started "
    "badly; trained otherwise, they generalise. The paper's side: Hard-ALiBi stays ahead of all of them.",
    rule="As for length generalisation, with the critics' models in place of the paper's: of the trainings that copy "
    "95 % of the longest trained strings, the share of strings right at twice that length, Hard-ALiBi less the "
    "critics' best; yes (the paper's side holds) if the whole 95 % interval (Welch's t over trainings, no narrower "
    "than the strings allow) lies above 0, no if below. Where a model of the critics' has fewer than two trainings "
    "that learned, it is not refuted, and the answer is not yes.",
    plans=plans,
    judge=judge,
    means={
        "yes": "This contradicts the critics: trained as they say, no model copies on as Hard-ALiBi does.",
        "no": "This contradicts the paper: trained as its critics say, a state-space model copies longer strings than "
        "Hard-ALiBi.",
    },
    compares=lambda plan: plan.arm != CONVOLVED,
)
