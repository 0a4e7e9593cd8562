"""How long a study of heads will take, said before it starts: from measured runs of the very model on a few strings."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from time import monotonic
from typing import Any

import torch

from interp.base.seeds import own_generator
from interp.loading import Loaded
from interp.measure.ablation.sets import Ablation
from interp.measure.ablation.sweep import sweep
from interp.measure.heads.lookup import look
from interp.measure.heads.settings import HeadSettings
from interp.measure.values import Mean
from interp.models.heads import HeadTable
from interp.models.hooks.model import HookedModel
from interp.models.surface import Model, device, untrained_like
from interp.studies.scoring import probed
from interp.studies.study import OnStep
from interp.tasks.probes.planted_repeats import planted_repeats

STRINGS = 8
"""Strings that a measured run takes, after a first one that warms up."""
WRITTEN = 4
"""Letters that are written freely to see how long one takes."""
WORTH_TELLING = 20.0
"""Seconds from which on an estimate is told."""


@dataclass(frozen=True)
class Amount:
    """How much a study does, whatever it finds."""

    heads: HeadSettings
    n_strings: int
    """Strings for each point of the two curves of effective n."""
    lengths: Sequence[int]
    """Lengths at which accuracy is measured."""
    accuracy_strings: int
    free_up_to: int
    ablation_strings: int


@dataclass
class Countdown:
    """Tells `on_step` each part as it begins and, of a study that is long, how long the rest will take.

    Args:
        parts: seconds that each part is expected to take, in order.
        on_step: told "ablations, about 120 s to go in all".
    """

    parts: Mapping[str, float]
    on_step: OnStep
    clock: Callable[[], float] = monotonic
    _begun: list[str] = field(default_factory=list)
    _start: float = 0.0

    def begin(self, part: str) -> None:
        """Announce a part. What was expected of the parts before it is corrected by what they took."""
        now = self.clock()
        self._start = self._start if self._begun else now
        done, self._begun = sum(self.parts.get(name, 0.0) for name in self._begun), [*self._begun, part]
        left = sum(seconds for name, seconds in self.parts.items() if name not in self._begun[:-1])
        if done:
            left *= max(1.0, (now - self._start) / done)
        told = f", about {_time(left)} to go in all" if self.worth_telling and part in self.parts else ""
        self.on_step(part + told)

    @property
    def worth_telling(self) -> bool:
        """Whether the whole takes so long that it is told."""
        return sum(self.parts.values()) >= WORTH_TELLING


def estimate(loaded: Loaded, amount: Amount, seed: int = 0, clock: Callable[[], float] = monotonic) -> dict[str, float]:
    """Estimate the seconds of each part of a study of heads, from runs of the model on a few strings.

    What heads with a role add (who feeds them, ablations beside controls) is left out: they are not known yet.

    Args:
        loaded: the model.
        amount: how much is measured.
        seed: of the strings.
        clock: seconds that pass; of the processor, where other work is not to count.
    """
    model: Any = loaded.model
    task, draw = loaded.task, own_generator("estimate", seed)
    longest, span = probed(loaded, amount.heads.longest)
    k = torch.arange(STRINGS) % (longest + 1)
    probe = planted_repeats(task, k, span, draw, exclusive=True, context=longest).to(device(model))

    def timed(run: Callable[[], Any]) -> float:
        run()
        before = clock()
        run()
        return clock() - before

    with torch.no_grad():
        looking = timed(lambda: look(model, probe)) / STRINGS
        plain = timed(lambda: model(probe.batch.tokens)) / STRINGS
    heads = amount.heads
    fresh = heads.null_draws * timed(lambda: untrained_like(model, seed)) if heads.null_draws else 0.0
    probes = (longest + 1 + heads.null_draws + 1) * heads.strings
    return {
        "scoring heads": fresh + probes * looking,
        "effective n": 3 * (longest + 1) * amount.n_strings * plain,
        "accuracy by length": _accuracy(loaded, amount, draw, timed),
        "ablations": _ablations(loaded, amount, draw, timed),
    }


def says(parts: Mapping[str, float]) -> str:
    """Return the estimate in words: the whole, and each part that takes a twentieth of it or more."""
    whole = sum(parts.values())
    listed = [f"{name} {_time(seconds)}" for name, seconds in parts.items() if seconds >= whole / 20]
    return (
        f"about {_time(whole)} in all, as runs on {STRINGS} strings took ({', '.join(listed)}); heads with a role take "
        f"longer, and fewer strings (--heads.strings, --ablation-strings, --accuracy-strings) less"
    )


def _accuracy(loaded: Loaded, amount: Amount, draw: torch.Generator, timed: Callable[..., float]) -> float:
    model: Any = loaded.model
    total = 0.0
    with torch.no_grad():
        for length in amount.lengths:
            some = min(2, amount.accuracy_strings)
            batch = loaded.task.sample(some, length, draw).to(device(model))
            total += timed(lambda tokens=batch.tokens: model(tokens)) / some * amount.accuracy_strings
            if isinstance(model, HookedModel) and length <= amount.free_up_to:
                strings = loaded.task.sample(amount.accuracy_strings, length, draw).to(device(model))
                prompt = strings.tokens[:, : length + 2]
                one = timed(lambda prompt=prompt: model.generate(prompt, WRITTEN)) / WRITTEN
                total += one * length
    return total


def _ablations(loaded: Loaded, amount: Amount, draw: torch.Generator, timed: Callable[..., float]) -> float:
    """Each head of our own models is ablated alone; of others, only those with a role."""
    model: Model = loaded.model
    table = HeadTable.of(model)
    if not isinstance(model, HookedModel):
        return 0.0
    some = min(STRINGS, amount.ablation_strings)
    length = loaded.trained_lengths[1] if loaded.trained_lengths else probed(loaded, amount.heads.longest)[1][1]
    batch = loaded.task.sample(some, length, draw).to(device(model))
    chosen = [table.heads[i * (len(table) - 1) // 4] for i in range(5)]  # an early head's run takes longer than a late
    asked = [Ablation((head,), Mean()) for head in chosen]
    each = timed(lambda: sweep(model, batch, loaded.task.vocabulary, asked)) / (some * len(asked))
    return each * amount.ablation_strings * len(table)


def _time(seconds: float) -> str:
    if seconds < 100:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 6000 else f"{seconds / 3600:.1f} h"
