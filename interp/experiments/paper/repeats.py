"""Figure 4: an n-gram that stands twice, and from which n on the copy goes wrong."""

from collections.abc import Sequence

from interp.base.estimates import proportion_interval
from interp.experiments.claim import Claim, Judged, Plot, above, nothing
from interp.experiments.grid import Grid
from interp.experiments.kept import Found
from interp.experiments.paper.curves import curve
from interp.experiments.paper.models import arms
from interp.experiments.plan import Measurement, RunPlan
from interp.training.recipe import TrainConfig

LENGTH = {"tiny": (10, 2), "laptop": (30, 7), "paper": (50, 8)}
"""Letters of the strings, and the longest repeat that is planted."""
HALF = 0.5


def recipe(size: str) -> TrainConfig:
    """The preset's recipe: after some step, half of each batch is strings of few letters, which force long keys."""
    if size == "tiny":
        return TrainConfig(steps=4, batch=8, length=(6, 10), evaluate_lengths=(10,), evaluate_strings=8)
    if size == "laptop":
        return TrainConfig(steps=400, length=(20, 30), hard_letters=4, hard_from=100)
    return TrainConfig(steps=20_000, length=(1, 50), evaluate_every=1000, evaluate_lengths=(50,), checkpoint_every=1000)


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """Hard-ALiBi alone, as in the paper."""
    strings = 10 if size == "tiny" else 200
    measures = [Measurement("repeats", lengths=LENGTH[size], strings=strings)]
    measures += [] if size == "tiny" else [Measurement("heads")]
    rates = {"laptop": (8e-3,)}.get(size)
    grid = Grid("repeats", arms(size, ("hard-alibi",), rates), "copy", recipe(size), tuple(seeds), tuple(measures))
    return grid.plans()


def judge(found: Sequence[Found], size: str) -> Judged:
    """Hold the n at which copies go wrong against the n of the heads that the detector finds in the same model."""
    del size
    pairs = [(step(one), one.values["heads"]["n"]) for one in found if "heads" in one.values]
    shown = {"plots": _plots(found), "notes": tuple(_note(one) for one in found)}
    told = [(one, other) for one, other in pairs if one is not None and other is not None]
    if len(told) < 2:
        why = f"of {len(pairs)} trainings {len(told)} show a step and lookup heads whose n is told"
        return Judged(**{**vars(nothing(why)), **shown})
    same = sum(one == other for one, other in told)
    low, high = proportion_interval(same, len(told))
    ends = low, high
    return Judged(
        holds=above(ends, HALF),
        quantity="share of trainings in which copies go wrong at the n that the detector finds",
        measured=same / len(told),
        interval=ends,
        says=f"In {same} of {len(told)} trainings planted repeats break the copy from the very n on that the detector "
        f"finds in the heads: {', '.join(f'{a} and {b}' for a, b in told)}.",
        **shown,
    )


def step(found: Found) -> int | None:
    """The first k at which fewer strings are right than halfway from k = 1 down to the longest repeat; None without."""
    numbers = found.values["repeats"]
    right = [count / numbers["strings"] for count in numbers["right"]]
    if right[1] - right[-1] < HALF / 2:
        return None
    middle = (right[1] + right[-1]) / 2
    return next(k for k, value in enumerate(right) if k >= 1 and value < middle)


def _note(found: Found) -> str:
    heads = found.values.get("heads", {})
    behaviour = found.values["repeats"]["n"]
    return (
        f"seed {found.plan.seed}: whole copies step at {step(found)}, the letter behind the repeat at {behaviour}, "
        f"lookup heads {', '.join(heads.get('lookup', ())) or 'not looked for'} with n {heads.get('n')}"
    )


def _plots(found: Sequence[Found]) -> tuple[Plot, ...]:
    k = found[0].values["repeats"]["k"]
    whole = [[one.values["repeats"]["right"][i] / one.values["repeats"]["strings"] for one in found] for i in k]
    letter = [[one.values["repeats"]["at_repeat"][i] for one in found] for i in k]
    curves = (
        curve("whole string", k, whole, bounded=True),
        curve("letter behind the repeat", k, letter, bounded=True),
    )
    return (Plot("repeats", "Accuracy with a repeat of k letters planted", "letters of the repeat", "share", curves),)


CLAIM = Claim(
    id="repeats",
    title="Planted repeats",
    where="Figure 4",
    statement="A Hard-ALiBi model copies strings with a repeated n-gram as well as others for n up to 4, and goes "
    "wrong from 5 on: it retrieves by something like 5-grams.",
    rule="For each training: the k from which copies with a maximal repeat of k letters go wrong (halfway down), "
    "against the n of the lookup heads that the detector finds in the same model; by whether the whole 95 % interval "
    "(Clopper-Pearson) of the share of trainings in which they are equal lies above one half (yes) or below it (no). "
    "Trainings without a step, or without lookup heads whose n is told, do not count. Six that agree are the fewest "
    "that can say yes.",
    plans=plans,
    judge=judge,
    means={
        "yes": "As in the paper, what breaks the copy is a repeated n-gram, and n is that of the heads.",
        "no": "This contradicts the paper's reading: the n at which copies break is not that of the lookup heads.",
    },
    seeds=6,
)
