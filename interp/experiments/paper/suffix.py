"""Figure 5: what follows a key that comes after the string."""

from collections.abc import Sequence

from interp.experiments.claim import Claim, Judged
from interp.experiments.kept import Found
from interp.experiments.paper.beyond import Beyond, compare
from interp.experiments.paper.curves import is_recurrent
from interp.experiments.plan import RunPlan

SIZES = {
    "tiny": Beyond((4, 5), (4, 5, 8), 8, steps=4, strings=10, batch=8),
    "laptop": Beyond((4, 12), (6, 12, 15, 20, 30, 50, 100), 30, steps=1500, strings=200),
    "paper": Beyond((5, 30), (15, 30, 50, 70, 100), 100, steps=50_000, strings=1280),
}
TASK = "ngram?n=2&answer=1"


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """Every kind of model, on as many examples."""
    return SIZES[size].plans("suffix", TASK, size, seeds)


def further(size: str, seeds: Sequence[int], families: Sequence[str]) -> tuple[RunPlan, ...]:
    """Recurrent families that the paper did not have, on as many examples."""
    return SIZES[size].further("suffix", TASK, size, seeds, families)


def judge(found: Sequence[Found], size: str) -> Judged:
    """Hold the best transformer against the best recurrent model, beyond training."""
    return compare(
        found,
        SIZES[size],
        lambda one: not is_recurrent(one),
        is_recurrent,
        ("transformers", "recurrent models"),
        "Suffix keys looked up, by length",
    )


CLAIM = Claim(
    id="suffix",
    title="Suffix lookup",
    where="Figure 5",
    statement="Where the key comes after the string, transformers trained on up to 30 letters lose little to 100, and "
    "state-space models are poor beyond the lengths of their training.",
    rule="Of the trainings that answer 95 % of the longest trained strings: the share of strings right beyond training "
    "(two and a half to three times as long), the best transformer less the best recurrent model; yes if the whole 95 "
    "% interval (Welch's t over trainings, no narrower than the strings allow) lies above 0, no if below.",
    plans=plans,
    further=further,
    judge=judge,
    means={
        "yes": "As in the paper, transformers look on where recurrent models do not.",
        "no": "This contradicts the paper: a recurrent model generalises better than every transformer.",
    },
)
