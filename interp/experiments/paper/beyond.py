"""What three claims share: a task learned on short strings, asked on longer ones."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from interp.experiments.claim import Judged, Plot, above, nothing
from interp.experiments.grid import Arm, Grid
from interp.experiments.kept import Found
from interp.experiments.paper.curves import accuracy_curve, learned, letter_curve, share
from interp.experiments.paper.models import arms, further
from interp.experiments.plan import Measurement, RunPlan
from interp.experiments.reduce import Kept, best_rate, difference_interval
from interp.training.recipe import TrainConfig


@dataclass(frozen=True)
class Beyond:
    """How long strings are, in training and beyond, at one size."""

    trained: tuple[int, int]
    asked: tuple[int, ...]
    """Lengths that are measured, the longest trained one among them."""
    at: int
    """The length at which the claim is decided, beyond training."""
    steps: int
    strings: int = 100
    batch: int = 64

    def recipe(self) -> TrainConfig:
        """As many examples for every model."""
        return TrainConfig(
            steps=self.steps,
            batch=self.batch,
            length=self.trained,
            warmup=50,
            evaluate_every=max(1, self.steps // 4),
            evaluate_lengths=(self.trained[1],),
            evaluate_strings=self.strings,
            checkpoint_every=max(1, self.steps // 4),
        )

    def measures(self) -> tuple[Measurement, ...]:
        """Accuracy at all lengths, and what the model carries."""
        return (
            Measurement("accuracy", lengths=self.asked, strings=self.strings),
            Measurement("state", lengths=(self.trained[1],)),
        )

    def plans(self, name: str, task: str, size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
        """Every kind of model that the paper has."""
        return self._plans(name, task, arms(size), seeds)

    def further(
        self, name: str, task: str, size: str, seeds: Sequence[int], families: Sequence[str]
    ) -> tuple[RunPlan, ...]:
        """Recurrent families that the paper did not have."""
        return self._plans(name, task, further(families, size), seeds)

    def _plans(self, name: str, task: str, arms: tuple[Arm, ...], seeds: Sequence[int]) -> tuple[RunPlan, ...]:
        return Grid(name, arms, task, self.recipe(), tuple(seeds), self.measures()).plans() if arms else ()


Side = Callable[[Found], bool]


def at_best_rates(found: Sequence[Found], beyond: Beyond) -> dict[str, Kept]:
    """Keep the runs of each kind of model at the rate that serves it best on the longest trained strings."""
    return best_rate(found, lambda x: share(x, "accuracy", beyond.trained[1]))


def compare(
    found: Sequence[Found], beyond: Beyond, one: Side, other: Side, names: tuple[str, str], title: str
) -> Judged:
    """Hold the best arm of one side against the best of the other, at a length beyond training.

    Only trainings that learned the task count; which arm is best is read at that length.

    Args:
        found: runs that ended well.
        beyond: lengths.
        one: which runs are expected to be better.
        other: than which.
        names: what the two sides are called.
        title: of the figure.
    """
    kept = at_best_rates(found, beyond)
    shown = {"plots": _plots(kept, title), "kept": tuple(map(str, kept.values())), "notes": _notes(kept, beyond)}
    sides = [_best(kept, side, beyond.at) for side in (one, other)]
    for side, name in zip(sides, names, strict=True):
        if side is None:
            why = f"fewer than two trainings of each kind ({name}) learned strings of {beyond.trained[1]} letters"
            return Judged(**{**vars(nothing(why)), **shown})
    better, worse = (side for side in sides if side is not None)
    values = [[share(x, "accuracy", beyond.at) for x in side] for side in (better, worse)]
    gap, interval = difference_interval(*values, strings=beyond.strings)
    arms_of = better[0].plan.arm, worse[0].plan.arm
    ends = "" if interval is None else f" [{interval[0]:.2f}, {interval[1]:.2f}]"
    return Judged(
        holds=above(interval, 0.0),
        quantity=f"share of strings of {beyond.at} letters, {arms_of[0]} less {arms_of[1]}",
        measured=gap,
        interval=interval,
        says=f"Trained on up to {beyond.trained[1]} letters and asked {beyond.at}, {arms_of[0]} has "
        f"{sum(values[0]) / len(values[0]):.2f} of the strings right and {arms_of[1]} "
        f"{sum(values[1]) / len(values[1]):.2f}: a difference of {gap:.2f}{ends}.",
        **shown,
    )


def _best(kept: dict[str, Kept], side: Side, at: int) -> list[Found] | None:
    """The trainings that learned the task, of the arm that is best at a length; None where no arm has two."""
    choices = [[x for x in k.found if learned(x)] for k in kept.values() if side(k.found[0])]
    choices = [runs for runs in choices if len(runs) >= 2]
    return max(choices, key=lambda runs: sum(share(x, "accuracy", at) for x in runs) / len(runs), default=None)


def _notes(kept: dict[str, Kept], beyond: Beyond) -> tuple[str, ...]:
    return tuple(
        f"{arm}: {sum(map(learned, k.found))} of {len(k.found)} trainings copy 95 % of strings of "
        f"{beyond.trained[1]} letters"
        for arm, k in kept.items()
    )


def _plots(kept: dict[str, Kept], title: str) -> tuple[Plot, ...]:
    strings = tuple(accuracy_curve(arm, k.found, "accuracy") for arm, k in kept.items())
    letters = tuple(letter_curve(arm, k.found, "accuracy") for arm, k in kept.items())
    return (
        Plot("strings", title, "letters of the string", "share of strings", strings, log_x=True),
        Plot("letters", f"{title}: letters", "letters of the string", "share of letters", letters, log_x=True),
    )
