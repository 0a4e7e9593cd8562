"""Tasks as JSON, so that a run folder says what its model was asked."""

import dataclasses
from typing import Any

from interp.base.errors import UserError, unknown
from interp.tasks.base import Task
from interp.tasks.copy import CopyTask
from interp.tasks.ngram import NgramLookup
from interp.tasks.vocabulary import Vocabulary

KINDS: dict[str, type[Task]] = {"copy": CopyTask, "ngram": NgramLookup}


def task_config(task: Task) -> dict[str, Any]:
    """The task as plain JSON values: its `kind` and its fields.

    Raises: UserError for a task of a kind that is not registered in `KINDS`.
    """
    for kind, cls in KINDS.items():
        if type(task) is cls:
            return {"kind": kind} | _plain(task)
    raise unknown("task", type(task).__name__, [cls.__name__ for cls in KINDS.values()])


def task_from_config(config: dict[str, Any]) -> Task:
    """The task that `task_config` described.

    Raises: UserError for an unknown kind or field, or a value that the task refuses.
    """
    fields = dict(config)
    kind = fields.pop("kind", None)
    if kind not in KINDS:
        raise unknown("task", str(kind), KINDS)
    if isinstance(fields.get("vocab"), dict):
        fields["vocab"] = _vocabulary(fields["vocab"])
    return _make(KINDS[kind], fields, f"the task {kind!r}")


def _vocabulary(fields: dict[str, Any]) -> Vocabulary:
    letter_ids = fields.get("letter_ids")
    return _make(Vocabulary, fields | {"letter_ids": letter_ids and tuple(letter_ids)}, "a vocabulary")


def _make(cls: type, fields: dict[str, Any], what: str) -> Any:
    known = [field.name for field in dataclasses.fields(cls)]
    for name in fields:
        if name not in known:
            raise unknown(f"field of {what}", name, known)
    try:
        return cls(**fields)
    except TypeError as error:
        raise UserError(f"{what} cannot be made of {fields}: {error}.") from error


def _plain(value: Any) -> dict[str, Any]:
    """Fields by name; tuples as the lists that JSON has for them."""
    pairs = ((field.name, getattr(value, field.name)) for field in dataclasses.fields(value))
    return {name: _plain_item(item) for name, item in pairs}


def _plain_item(item: Any) -> Any:
    if dataclasses.is_dataclass(item):
        return _plain(item)
    return list(item) if isinstance(item, tuple) else item
