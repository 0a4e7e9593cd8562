"""How a circuit formed: its heads at every step that the training kept."""

from collections.abc import Sequence
from typing import Any

from interp.loading import Loaded
from interp.measure.circuits.formation import formation_of, moment_of
from interp.models.heads import HeadTable
from interp.results.formation import Formation
from interp.results.heads import HeadScores
from interp.studies.study import OnStep
from interp.tasks.base import Batch
from interp.tasks.probes.probe import Probe
from interp.training.run_folder import kept_steps, load_run

PROBES = 16
"""Questions on which scores are taken apart at each step: means over heads and questions move little after a few."""


def formed(
    loaded: Loaded,
    strings: Batch,
    probe: Probe,
    scores: HeadScores,
    lookups: Sequence[str],
    letters: int,
    on_step: OnStep,
) -> Formation | None:
    """Measure a training's kept steps up to the model at hand; None where none were kept before it.

    Args:
        loaded: the model, of a run folder or a preset.
        strings: on which accuracy and loss are measured.
        probe: on which scores are taken apart.
        scores: of its heads, whose roles say which heads are followed.
        lookups: lookup heads of attention layers.
        letters: letters back that are kept apart.
        on_step: told what is being done.
    """
    if loaded.folder is None:
        return None
    step = loaded.description.get("step")
    last = load_run(loaded.folder, step=step if step in kept_steps(loaded.folder) else None).stamp
    before = [step for step in kept_steps(loaded.folder) if step < last.step]
    if not before:
        return None
    table, device = HeadTable.of(loaded.model), loaded.model.cfg.device or "cpu"
    gathers = [head.name for head in table.parse(scores.of_role("gather"))]
    runs = [load_run(loaded.folder, device, step) for step in before]
    models: list[tuple[int, int, Any]] = [(run.stamp.step, run.stamp.examples, run.model) for run in runs]
    models.append((last.step, last.examples, loaded.model))
    found, probe = [], probe.rows(slice(0, PROBES))
    for step, _, model in models:
        on_step(f"the circuit after step {step:,}")
        found.append(moment_of(model, strings, loaded.task.vocabulary, probe, list(lookups), gathers, letters))
    return formation_of([m[0] for m in models], [m[1] for m in models], list(lookups), gathers, found)
