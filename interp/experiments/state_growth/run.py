"""Does the saturation length grow with the state? A family of models that differ in its size, each trained as well.

Saturation must not be confused with a failure to generalise in length: all are trained on lengths beyond where they
stop, on equally many strings, each at the learning rate that serves it best, and measured within these lengths.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any, cast

import numpy as np
import torch
from scipy.stats import linregress
from scipy.stats import t as student

from interp.base.errors import UserError
from interp.base.provenance import provenance
from interp.base.stats import LEVEL
from interp.experiments.state_growth.result import Member, StateGrowth
from interp.loading import of_run
from interp.measure.state.bits import used_bits
from interp.measure.state.knee import knee
from interp.models import build
from interp.models.recurrent.model import RecurrentModel
from interp.models.surface import layers_with_heads
from interp.studies.attention.run import view_attention
from interp.studies.study import OnStep, silent
from interp.tasks.copy import CopyTask
from interp.training.kept_runs import kept_run
from interp.training.presets import PRESETS
from interp.training.recipe import TrainConfig
from interp.training.run_folder import Run, load_run

RECURRENT = ("mamba", "mamba2", "lstm")
"""Kinds of model with a state of a fixed size; presets have the same names."""


@dataclass(frozen=True)
class GrowthSettings:
    """Which family, how it is trained, how it is measured."""

    kind: str = "mamba"
    """Of model: one of `RECURRENT`."""
    vary: str = "d_state"
    """The field of its config in which the members differ."""
    values: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    """Those that reach a plateau; from 8 on, these Mambas use more bits if they are trained on longer strings."""
    others: Mapping[str, Any] = field(default_factory=dict)
    """Fields of its config that all members share, where they are not those of the kind's preset. Of Mamba these have
    mimetic first weights: from the authors' some trainings never begin to copy, whatever the size."""
    rates: tuple[float, ...] = (0.004, 0.008)
    """Learning rates that each member is trained at."""
    seeds: int = 2
    """Trainings at each rate; the best of all is taken, for the question is what the state can hold."""
    steps: int = 1200
    batch: int = 64
    longest: int = 24
    """Letters of the longest strings of training; the shortest have one. Up to 16, the larger of these Mambas copy
    nearly all, so that their bits do not stop."""
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

    def config(self, value: int) -> dict[str, Any]:
        """Of the member with this value: its kind's preset, but for what is varied and what all share."""
        return {**PRESETS[self.kind]()[0], "d_vocab": self.alphabet + 4, **self.others, self.vary: value}

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
    on_step: OnStep = silent,
) -> StateGrowth:
    """Train the family (what is kept from before is taken), and measure the bits that each member uses, by length.

    Args:
        settings: see `GrowthSettings`.
        device: where they are trained and measured.
        seed: of weights, strings and bootstrap.
        retrain: train them anew.
        progress: show a bar for each training.
        on_step: told what is being done.

    Raises: UserError for a kind without a state, a field that it does not have, or fewer than two values.
    """
    settings = settings or GrowthSettings()
    if len(set(settings.values)) < 2 or not settings.rates or settings.seeds < 1 or len(settings.lengths) < 3:
        raise UserError(
            f"growth takes two sizes, a learning rate, a seed and strings of up to 6 letters or more; got "
            f"{settings.values}, {settings.rates}, {settings.seeds} and {settings.longest}."
        )
    if settings.kind not in RECURRENT:
        raise UserError(f"a {settings.kind} carries no state of a size of its own; take mamba, mamba2 or lstm.")
    for value in settings.values:
        build(settings.config(value))  # refused before any work
    members, best = [], []
    for value in sorted(set(settings.values)):
        on_step(f"{settings.kind} with {settings.vary} {value}")
        trainings = product(settings.rates, range(seed, seed + settings.seeds))
        runs = [_trained(settings, value, rate, each, device, retrain, progress) for rate, each in trainings]
        best.append(max(runs, key=_letters_right))
        members.append(_member(settings, value, runs, best[-1], seed))
    on_step("where the smallest and the largest look")
    (exponent, interval), (bare, bare_interval), (bits_exponent, bits_interval) = exponents(members)
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
        bare_exponent=bare,
        bare_exponent_interval=bare_interval,
        bits_exponent=bits_exponent,
        bits_exponent_interval=bits_interval,
        notes=_notes(settings, members),
        attention=tuple(
            view_attention(of_run(best[at], f"{settings.kind}, {members[at].name}"), length=settings.longest, seed=seed)
            for at in (0, -1)
            if layers_with_heads(best[at].model)
        ),
    )
    return replace(found, verdict=growth_verdict(found))


def growth_verdict(growth: StateGrowth) -> str:
    """Whether it grows, whichever way it comes out."""
    bent = [member for member in growth.members if member.saturation_length.value is not None]
    if not bent:
        return f"No member of the family ({growth.swept}) has a bend within {growth.trained[1]} letters."
    ends = [f"{m.name}: {m.saturation_length.value:.1f} letters, {m.most_bits:.0f} bits" for m in (bent[0], bent[-1])]
    spoken = f"Saturation over {growth.swept}: {'; '.join(dict.fromkeys(ends))}."
    open_ended = [member.name for member in growth.members if member.saturation_length.value is None]
    if open_ended:
        spoken += f" Of {', '.join(open_ended)} no plateau is seen within {growth.trained[1]} letters."
    if growth.exponent is None or growth.exponent_interval is None:
        return f"{spoken} Too few members bend to say how it grows."
    low, high = growth.exponent_interval
    grows = "grows with" if low > 0 else "falls with" if high < 0 else "does not clearly change with"
    spoken += (
        f" Over the {len(bent)} that bend the saturation length {grows} the state: as its size to the power "
        f"{growth.exponent:.2f} [{low:.2f}, {high:.2f}], where 1 would be in proportion."
    )
    if growth.bare_exponent is None or growth.bare_exponent_interval is None:
        return spoken
    low, high = growth.bare_exponent_interval
    bare = f"{growth.bare_exponent:.2f} [{low:.2f}, {high:.2f}]"
    return f"{spoken} Without the windows of their convolutions in the size: {bare}."


Exponent = tuple[float | None, tuple[float, float] | None]


def exponents(members: Sequence[Member]) -> tuple[Exponent, Exponent, Exponent]:
    """Of the saturation length as a power of the numbers of state, with the windows and without, and of the most bits
    used; with their intervals.

    All of the members that bend: the most bits of one that does not are those of the longest strings. None for fewer
    than three; without windows, also where there are none to leave out.
    """
    bent = [member for member in members if member.saturation_length.value is not None]
    sizes = [member.state_floats for member in bent]
    bare = [member.state_floats - member.window_floats for member in bent]
    lengths = [cast(float, member.saturation_length.value) for member in bent]
    without = _exponent(bare, lengths) if bare != sizes else (None, None)
    return _exponent(sizes, lengths), without, _exponent(sizes, [member.most_bits for member in bent])


def _exponent(sizes: Sequence[int], values: Sequence[float]) -> Exponent:
    """The slope of log values over log sizes by least squares, and its interval from how far members lie off the line.

    Members are few, and other trainings or a law that is no power move them further than other strings do: an interval
    over strings would be much too narrow.
    """
    if len(sizes) < 3 or len(set(sizes)) < 2:
        return None, None
    line: Any = linregress(np.log(sizes), np.log(values))
    half = float(student.ppf((1 + LEVEL) / 2, len(sizes) - 2) * line.stderr)
    return float(line.slope), (float(line.slope) - half, float(line.slope) + half)


def _trained(
    settings: GrowthSettings, value: int, rate: float, seed: int, device: Any, retrain: bool, progress: bool
) -> Run:
    training = replace(settings.training, learning_rate=rate, seed=seed)
    place = f"families/{settings.kind}-{settings.vary}-{value}-rate{rate:g}"
    task = CopyTask(settings.alphabet)
    folder = kept_run(place, settings.config(value), task, training, device=device, retrain=retrain, progress=progress)
    return load_run(folder, str(device))


def _letters_right(run: Run) -> float:
    """At the last evaluation, over all lengths."""
    return float(run.log.letter_accuracy[-1].mean())


def _member(settings: GrowthSettings, value: int, runs: list[Run], best: Run, seed: int) -> Member:
    """Measured on the best of its trainings."""
    model = cast(RecurrentModel, best.model)
    generator = torch.Generator(model.device).manual_seed(seed + 1)
    bits = used_bits(model, CopyTask(settings.alphabet), settings.lengths, settings.strings, generator, seed)
    most = bits.draws.max(axis=0)
    sizes = {name: int(np.prod(shape)) for name, shape in model.state_shapes().items()}
    low, high = np.quantile(most, [(1 - LEVEL) / 2, (1 + LEVEL) / 2])
    return Member(
        name=f"{settings.vary} {value}",
        config=json.loads(json.dumps(model.config_dict())),
        state_floats=sum(sizes.values()),
        window_floats=sum(size for name, size in sizes.items() if name.endswith(".window")),
        n_parameters=model.n_parameters,
        rates=tuple(run.config.learning_rate for run in runs),
        seeds=tuple(run.config.seed for run in runs),
        rate_accuracy=tuple(map(_letters_right, runs)),
        rate=best.config.learning_rate,
        used=bits,
        saturation_length=knee(bits),
        most_bits=max(bits.total),
        most_bits_interval=(float(low), float(high)),
    )


def _notes(settings: GrowthSettings, members: list[Member]) -> tuple[str, ...]:
    spread = ", ".join(f"{m.name}: {min(m.rate_accuracy):.2f} to {max(m.rate_accuracy):.2f}" for m in members)
    notes = (
        f"each member is the best of {len(members[0].rates)} trainings ({settings.seeds} at each of "
        f"{len(settings.rates)} rates) by its letter accuracy; their intervals are over strings, that of the exponent "
        "is over members",
        "numbers of state are all that the recurrent layers carry, windows of convolutions with it",
        f"letter accuracy over the trainings of each: {spread}",
    )
    unseen = "; ".join(f"{m.name}: {m.saturation_length.note}" for m in members if m.saturation_length.value is None)
    return (*notes, f"no bend within {settings.longest} letters: {unseen}") if unseen else notes
