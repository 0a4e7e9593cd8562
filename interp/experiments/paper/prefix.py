"""Figure 6: what follows a key that is known before the string is read."""

from collections.abc import Sequence

from interp.experiments.claim import Claim, Judged
from interp.experiments.kept import Found
from interp.experiments.paper.beyond import compare
from interp.experiments.paper.curves import is_recurrent
from interp.experiments.paper.suffix import SIZES
from interp.experiments.plan import RunPlan

TASK = "ngram?n=2&answer=1&key=prefix"


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """Every kind of model, on as many examples, as for the suffix keys."""
    return SIZES[size].plans("prefix", TASK, size, seeds)


def further(size: str, seeds: Sequence[int], families: Sequence[str]) -> tuple[RunPlan, ...]:
    """Recurrent families that the paper did not have, on as many examples."""
    return SIZES[size].further("prefix", TASK, size, seeds, families)


def judge(found: Sequence[Found], size: str) -> Judged:
    """Hold the best recurrent model against the better of NoPE and ALiBi, beyond training."""
    return compare(
        found,
        SIZES[size],
        is_recurrent,
        lambda one: one.plan.arm in ("nope", "alibi"),
        ("recurrent models", "NoPE and ALiBi"),
        "Prefix keys looked up, by length",
    )


CLAIM = Claim(
    id="prefix",
    title="Prefix lookup",
    where="Figure 6",
    statement="Where the key comes first, so that only what follows it must be remembered, state-space models "
    "generalise to longer strings perfectly, as Hard-ALiBi does, and beat NoPE and ALiBi.",
    rule="Of the trainings that answer 95 % of the longest trained strings: the share of strings right beyond "
    "training, the best recurrent model less the better of NoPE and ALiBi; yes if the whole 95 % interval (Welch's t "
    "over trainings, no narrower than the strings allow) lies above 0, no if below.",
    plans=plans,
    further=further,
    judge=judge,
    means={
        "yes": "As in the paper, recurrent models do better than NoPE and ALiBi where the key comes first.",
        "no": "This contradicts the paper: NoPE or ALiBi generalises better than every recurrent model.",
    },
    compares=lambda plan: plan.arm in ("nope", "alibi") or plan.model["kind"] != "transformer",
)
