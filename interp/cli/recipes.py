"""What `interp train` trains: a preset, a kind of model or a run's config, and what was given to differ from it."""

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from interp.base.errors import UserError, shown
from interp.base.files import read_json
from interp.base.paths import expanded

if TYPE_CHECKING:
    from interp.tasks.base import Task
    from interp.training.recipe import TrainConfig

OF_TRANSFORMERS, OF_OTHERS = "hard-alibi", "mamba"
"""Presets whose task and recipe serve kinds of model that no preset is named after."""
PARTS = ("model", "task", "training")


def chosen(
    model: str, kind: str | None, config: str | None, given: tuple[str, ...], task: str | None
) -> "tuple[dict[str, Any], Task, TrainConfig]":
    """Put model, task and recipe together.

    Args:
        model: name of a preset.
        kind: of model, in place of the preset's; a preset of that name gives the rest.
        config: path of a JSON file as a run folder holds it, in place of both.
        given: fields of the model's config, `d_state=8`.
        task: as `interp.tasks.task_from_spec` reads it.

    Raises: UserError for a file or a field that cannot be read, or names that do not exist.
    """
    from interp.models import classes
    from interp.tasks import task_from_spec
    from interp.training.presets import PRESETS, preset

    if config is not None:
        fields, asked, training = _of_file(config)
    elif kind is None or kind in PRESETS:
        fields, asked, training = preset(kind or model)
    else:
        classes(kind)
        _, asked, training = preset(OF_TRANSFORMERS if kind == "transformer" else OF_OTHERS)
        fields = {"kind": kind}
    for text in given:
        fields = _with(fields, text)
    if task is not None:
        asked = task_from_spec(task)
        training = _for_task(training, asked)
        if not any(text.startswith("d_vocab=") for text in given):
            fields = fields | {"d_vocab": asked.vocabulary.size}
    return fields, asked, training


def _of_file(config: str) -> "tuple[dict[str, Any], Task, TrainConfig]":
    from interp.tasks import task_from_config
    from interp.training.recipe import TrainConfig

    path = expanded(config, "--config")
    described = read_json(Path(path), "a run's config")
    if not isinstance(described, dict) or not all(isinstance(described.get(part), dict) for part in PARTS):
        raise UserError(
            f"--config must be a JSON file with model, task and training, as a run folder holds it; got {path} without."
        )
    return described["model"], task_from_config(described["task"]), TrainConfig.from_dict(described["training"])


def _with(fields: dict[str, Any], text: str) -> dict[str, Any]:
    """The fields with one more, or another value: `d_state=8`; within another after a dot: `attention.n_heads=4`."""
    name, equals, value = text.partition("=")
    if not (equals and name):
        raise UserError(f"--set must be NAME=VALUE, as in d_state=8; got {shown(text)}.")
    outer, dot, inner = name.partition(".")
    if not dot:
        return fields | {name: _value(value)}
    within = fields.get(outer)
    return fields | {outer: _with(within if isinstance(within, dict) else {}, f"{inner}={value}")}


def _value(text: str) -> Any:
    """A number, a list, true, false or null as JSON writes it; anything else is text."""
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _for_task(training: "TrainConfig", task: "Task") -> "TrainConfig":
    """The recipe without hard strings, where a task cannot lay them out."""
    if task.lays_out_letters and task.uniform_letters:
        return training
    phases = tuple(replace(phase, hard_letters=None) for phase in training.phases)
    return replace(training, hard_letters=None, hard_from=0, phases=phases)
