"""`presets`: what there is to load by name, how large it is, how well it copies, and whether it is trained already."""

from dataclasses import dataclass, replace
from pathlib import Path

from interp.base.calls import checked_call
from interp.models import build
from interp.training.kept_runs import kept_folder
from interp.training.presets import MEASURED, PRESETS, preset_place
from interp.training.run_folder import CONFIG


@dataclass(frozen=True)
class PresetFacts:
    """A preset, and what is known of it before it is trained."""

    name: str
    kind: str
    """Kind of model, as `interp.models.build` takes it."""
    layers: int
    parameters: int
    strings: int
    """Strings that it is trained on."""
    lengths: tuple[int, int]
    """Letters of the shortest and the longest of them."""
    accuracy: float
    """Share of strings of the longest trained length that are copied whole: at least this, measured."""
    cpu_seconds: float
    """Training time on one thread of a 2.6 GHz AMD EPYC."""
    kept: Path | None
    """Its run folder; None if it is not trained yet."""


@checked_call
def presets(seed: int = 0) -> tuple[PresetFacts, ...]:
    """List the presets.

    Args:
        seed: of the training, where it matters whether one is kept.

    Returns: facts about each, in the order of `interp.training.presets.PRESETS`.

    >>> [facts.name for facts in interp.presets() if facts.layers > 2]
    ['nope']
    """
    return tuple(_facts(name, seed) for name in PRESETS)


def _facts(name: str, seed: int) -> PresetFacts:
    config, task, training = PRESETS[name]()
    training = replace(training, seed=seed)
    model = build(config, seed=seed)
    folder = kept_folder(preset_place(name), model, task, training)
    return PresetFacts(
        name=name,
        kind=config["kind"],
        layers=model.cfg.n_layers,
        parameters=model.n_parameters,
        strings=training.steps * training.batch,
        lengths=training.lengths,
        accuracy=MEASURED[name].accuracy,
        cpu_seconds=MEASURED[name].cpu_seconds,
        kept=folder if (folder / CONFIG).is_file() else None,
    )
