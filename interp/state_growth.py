"""Does the saturation length grow with the state? A family of models that differ in its size, each trained as well.

Saturation must not be confused with a failure to generalise in length: all are trained on lengths beyond where they
stop, on equally many strings, each at the learning rate that serves it best, and measured within these lengths.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np
import torch

from interp.errors import UserError
from interp.measure.state.bits import used_bits
from interp.measure.state.knee import bend_of, knee
from interp.models.hooked import HookedModel
from interp.models.recurrent import RecurrentModel
from interp.profiles import Bits, Member, StateGrowth
from interp.provenance import provenance
from interp.stats import LEVEL
from interp.tasks.copy import CopyTask
from interp.training.config import TrainConfig
from interp.training.kept import kept_run
from interp.training.runs import Run, load_run

Curve = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True)
class GrowthSettings:
    """Which family, how it is trained, how it is measured."""

    kind: str = "mamba"
    """Of model: one of `interp.models.KINDS` that is recurrent."""
    vary: str = "d_state"
    """The field of its config in which the members differ."""
    values: tuple[int, ...] = (1, 2, 4, 8, 16)
    others: Mapping[str, str] = field(default_factory=lambda: {"initialization": "mimetic"})
    """Words of its config that all members share. From the authors' first weights some trainings never begin to copy,
    whatever the size; from mimetic ones all of those seen did."""
    rates: tuple[float, ...] = (0.004, 0.008)
    """Learning rates that each member is trained at."""
    seeds: int = 2
    """Trainings at each rate; the best of all is taken, for the question is what the state can hold."""
    steps: int = 1200
    batch: int = 64
    longest: int = 16
    """Letters of the longest strings of training; the shortest have one."""
    strings: int = 512
    """For each length that is measured."""
    alphabet: int = 26

    @classmethod
    def tiny(cls) -> "GrowthSettings":
        return cls(values=(1, 2), rates=(0.01,), seeds=1, steps=8, longest=6, strings=16)

    @property
    def lengths(self) -> tuple[int, ...]:
        """Measured lengths: every second one."""
        return tuple(range(2, self.longest + 1, 2))

    @property
    def training(self) -> TrainConfig:
        return TrainConfig(
            steps=self.steps,
            batch=self.batch,
            length=(1, self.longest),
            warmup=min(50, self.steps),
            evaluate_every=self.steps,
            evaluate_lengths=self.lengths,
            checkpoint_every=max(1, self.steps // 4),
        )


def growth_study(
    settings: GrowthSettings | None = None,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    retrain: bool = False,
    progress: bool = True,
    say: Callable[[str], None] = lambda _: None,
) -> StateGrowth:
    """Train the family (what is kept from before is taken), and measure the bits that each member uses, by length.

    Args:
        settings: see `GrowthSettings`.
        device: where they are trained and measured.
        seed: of weights, strings and bootstrap.
        retrain: train them anew.
        progress: show a bar for each training.
        say: told what is being done.

    Raises: UserError for a kind without a state, a field that it does not have, or fewer than two values.
    """
    settings = settings or GrowthSettings()
    if len(set(settings.values)) < 2 or not settings.rates or settings.seeds < 1 or len(settings.lengths) < 3:
        raise UserError(
            f"growth takes two sizes, a learning rate, a seed and strings of up to 6 letters or more; got "
            f"{settings.values}, {settings.rates}, {settings.seeds} and {settings.longest}."
        )
    members = []
    for value in sorted(set(settings.values)):
        say(f"{settings.kind} with {settings.vary} {value}")
        trainings = product(settings.rates, range(seed, seed + settings.seeds))
        runs = [_trained(settings, value, rate, each, device, retrain, progress) for rate, each in trainings]
        members.append(_member(settings, value, runs, seed))
    (exponent, interval), (bits_exponent, bits_interval) = exponents(members)
    found = StateGrowth(
        provenance=provenance(str(device), seed),
        verdict="",
        alphabet=settings.alphabet,
        trained=(1, settings.longest),
        examples=settings.steps * settings.batch,
        lengths=settings.lengths,
        members=tuple(members),
        swept=f"{settings.vary} of {settings.kind}",
        exponent=exponent,
        exponent_interval=interval,
        bits_exponent=bits_exponent,
        bits_exponent_interval=bits_interval,
        notes=_notes(settings, members),
    )
    return replace(found, verdict=growth_verdict(found))


def growth_verdict(growth: StateGrowth) -> str:
    """Whether it grows, whichever way it comes out."""
    bent = [member for member in growth.members if member.saturation_length.value is not None]
    if not bent:
        return f"No member of the family ({growth.swept}) has a bend within {growth.trained[1]} letters."
    ends = [f"{m.name}: {m.saturation_length.value:.1f} letters, {m.most_bits:.0f} bits" for m in (bent[0], bent[-1])]
    spoken = f"Saturation over {growth.swept}: {'; '.join(dict.fromkeys(ends))}."
    if growth.exponent is None or growth.exponent_interval is None:
        return f"{spoken} Too few members bend to say how it grows."
    low, high = growth.exponent_interval
    grows = "grows with" if low > 0 else "falls with" if high < 0 else "does not clearly change with"
    return (
        f"{spoken} The saturation length {grows} the state: as its size to the power {growth.exponent:.2f} "
        f"[{low:.2f}, {high:.2f}], where 1 would be in proportion."
    )


Exponent = tuple[float | None, tuple[float, float] | None]


def exponents(members: Sequence[Member]) -> tuple[Exponent, Exponent]:
    """Of the saturation length, and of the most bits used, as powers of the numbers of state; with their intervals.

    None for fewer than three members that have one.
    """
    of_length = _exponent(members, lambda bits, total: bend_of(bits.lengths, total))
    return of_length, _exponent(members, lambda _, total: float(total.max()))


def _trained(
    settings: GrowthSettings, value: int, rate: float, seed: int, device: Any, retrain: bool, progress: bool
) -> Run:
    config = {"kind": settings.kind, settings.vary: value, "d_vocab": settings.alphabet + 4, **settings.others}
    training = replace(settings.training, learning_rate=rate, seed=seed)
    place = f"families/{settings.kind}-{settings.vary}-{value}-rate{rate:g}"
    task = CopyTask(settings.alphabet)
    folder = kept_run(place, config, task, training, device=device, retrain=retrain, progress=progress)
    return load_run(folder, str(device))


def _member(settings: GrowthSettings, value: int, runs: list[Run], seed: int) -> Member:
    """Measured on the training whose last evaluation found the most letters right, over all lengths."""
    accuracy = [float(run.log.letter_accuracy[-1].mean()) for run in runs]
    best = int(np.argmax(accuracy))
    model: HookedModel = runs[best].model
    if not isinstance(model, RecurrentModel):
        raise UserError(f"a {settings.kind} carries no state of a size of its own; take mamba, mamba2, lstm or hybrid.")
    generator = torch.Generator(model.device).manual_seed(seed + 1)
    bits = used_bits(model, CopyTask(settings.alphabet), settings.lengths, settings.strings, generator, seed)
    most = bits.draws.max(axis=0)
    low, high = np.quantile(most, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Member(
        name=f"{settings.vary} {value}",
        config=json.loads(json.dumps(model.config_dict())),
        state_floats=sum(int(np.prod(shape)) for shape in model.state_shapes().values()),
        n_parameters=model.n_parameters,
        rates=tuple(run.config.learning_rate for run in runs),
        seeds=tuple(run.config.seed for run in runs),
        rate_accuracy=tuple(accuracy),
        rate=runs[best].config.learning_rate,
        used=bits,
        saturation_length=knee(bits),
        most_bits=max(bits.total),
        most_bits_interval=(float(low), float(high)),
    )


def _exponent(members: Sequence[Member], quantity: Callable[[Bits, Curve], float | None]) -> Exponent:
    """The slope of log quantity over log state size, and its interval over the members' resamples."""
    values = [quantity(member.used, np.array(member.used.total)) for member in members]
    there = [(member, value) for member, value in zip(members, values, strict=True) if value]
    if len(there) < 3:
        return None, None
    sizes = np.log([member.state_floats for member, _ in there])
    fitted = _slope(sizes, np.log([value for _, value in there]))
    draws = []
    for index in range(min(member.used.draws.shape[1] for member, _ in there)):
        drawn = [quantity(member.used, member.used.draws[:, index]) for member, _ in there]
        if all(drawn):
            draws.append(_slope(sizes, np.log(np.array(drawn, dtype=float))))
    if len(draws) < 2:
        return fitted, None
    low, high = np.quantile(draws, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return fitted, (float(low), float(high))


def _slope(x: Curve, y: Curve) -> float:
    return float(np.polyfit(x, y, 1)[0])


def _notes(settings: GrowthSettings, members: list[Member]) -> tuple[str, ...]:
    notes = [
        f"each member is the best of {len(members[0].rates)} trainings ({settings.seeds} seeds at each of "
        f"{len(settings.rates)} rates) by its letter accuracy; intervals are over strings, not over trainings"
    ]
    spread = ", ".join(f"{m.name}: {min(m.rate_accuracy):.2f} to {max(m.rate_accuracy):.2f}" for m in members)
    notes.append(f"letter accuracy over the trainings of each: {spread}")
    open_ended = [m.name for m in members if m.saturation_length.value is None]
    if open_ended:
        notes.append(
            f"no bend within {settings.longest} letters: {', '.join(open_ended)} "
            f"({members[[m.name for m in members].index(open_ended[0])].saturation_length.note})"
        )
    return tuple(notes)
