"""`RunPlan`: one run as a document that can be saved, edited and given back: model, task, recipe, what is measured."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from interp.base.codec import checked, from_plain, to_plain
from interp.base.errors import UserError
from interp.base.files import json_text, read_json
from interp.tasks import task_config, task_from_spec
from interp.tasks.base import Task
from interp.training.recipe import TrainConfig

SCHEMA = "interp-plan/1"
PLANTED = "planted"
"""Kind of a model that is built by hand: {"kind": "planted", "spec": "ngram?n=3"}; it is not trained."""


@checked
@dataclass(frozen=True)
class Measurement:
    """One thing that is measured of the model of a run, on which strings."""

    kind: str
    """Measurement: one of `interp.experiments.measures.MEASURES`."""
    task: str = "own"
    """The strings, as `interp.tasks.task_from_spec` reads it, in the token ids of the run's own task; own: that."""
    lengths: tuple[int, ...] = ()
    strings: int = 200
    """Strings of each length."""
    seed: int = 1
    """Seed of the strings, which are drawn apart from those of the training."""

    @property
    def name(self) -> str:
        """What its numbers are found by: its kind, and its task where that is not the run's own."""
        return self.kind if self.task == "own" else f"{self.kind}:{self.task}"


@checked
@dataclass(frozen=True)
class RunPlan:
    """What one run is: everything that its numbers depend on, and a name for people.

    Raises: UserError for a planted model that is to be trained, or another that is not.
    """

    name: str
    """Name for people: `samples/mamba/L10/rate0.004/seed0`. Two plans that differ in nothing else are the same run."""
    arm: str
    """Which curve it belongs to: mamba, rope, ..."""
    model: Mapping[str, Any]
    """Kind and fields, as `interp.models.build` takes them; or a planted model."""
    task: str
    """What it is trained on, as `interp.tasks.task_from_spec` reads it."""
    training: TrainConfig | None
    """The recipe; its seed is also that of the first weights. None for a planted model."""
    measures: tuple[Measurement, ...] = ()

    def __post_init__(self) -> None:
        if (self.model.get("kind") == PLANTED) != (self.training is None):
            raise UserError(
                f"training must be a recipe, or null of a planted model; got {self.model.get('kind')} "
                f"{'with' if self.training else 'without'} a recipe."
            )

    @property
    def planted(self) -> bool:
        """Whether its model is built by hand."""
        return self.model.get("kind") == PLANTED

    @property
    def seed(self) -> int:
        """Seed of the training; 0 of a planted model."""
        return self.training.seed if self.training else 0

    @property
    def rate(self) -> float:
        """Peak of the learning rate; 0 of a planted model."""
        return self.training.learning_rate if self.training else 0.0

    def make_task(self) -> Task:
        """The task that it is trained on."""
        return task_from_spec(self.task)

    def document(self) -> dict[str, Any]:
        """The plan as JSON values; `from_document` is the way back."""
        return {"schema": SCHEMA, **to_plain(self)}

    def essence(self) -> dict[str, Any]:
        """What its numbers depend on, every field written out: what a default is today belongs to it."""
        return {
            "schema": SCHEMA,
            "model": whole_config(self.model),
            "task": task_config(self.make_task()),
            "training": self.training and self.training.to_dict(),
            "measures": to_plain(self.measures),
        }

    @property
    def digest(self) -> str:
        """Names the run: the same for equal plans, whatever they are called."""
        text = json.dumps(json.loads(json.dumps(self.essence())), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:24]

    def with_seed(self, seed: int) -> "RunPlan":
        """The same run with another training seed."""
        return self if self.training is None else replace(self, training=replace(self.training, seed=seed))


def whole_config(model: Mapping[str, Any]) -> dict[str, Any]:
    """Every field of a model's config, those that are at their defaults, too; no weights are drawn.

    Raises: UserError for an unknown kind or field.
    """
    if model.get("kind") == PLANTED:
        return dict(model)
    from interp.models import classes

    fields = dict(model)
    _, config_class = classes(kind := fields.pop("kind", None))
    read = getattr(config_class, "from_dict", None)
    config = read(fields) if read else from_plain(config_class, fields)
    write = getattr(config, "to_dict", None)
    return {"kind": kind, **(write() if write else to_plain(config))}


def from_document(document: Any, what: str = "a plan") -> RunPlan:
    """Read what `RunPlan.document` wrote.

    Raises: UserError for another schema, an unknown field, or a value that does not fit.
    """
    if not isinstance(document, dict) or document.get("schema") != SCHEMA:
        found = document.get("schema") if isinstance(document, dict) else type(document).__name__
        raise UserError(f"{what} must be a document of schema {SCHEMA}; got {found}. Write one with --explain.")
    return from_plain(RunPlan, {name: value for name, value in document.items() if name != "schema"})


def read_plan(path: Path) -> RunPlan:
    """Read a plan from a file. Raises: as `from_document`; UserError if there is no such file."""
    return from_document(read_json(path, "a plan"), str(path))


def plan_text(plan: RunPlan) -> str:
    """The document as text, to be saved and edited."""
    return json_text(plan.document())
