"""Strings of a task as a data set: one row a string with its answer and where each letter is copied from, as Parquet.

The file says which task its strings are of, so that it is read back into a `Task` and a `Batch`; other tools read it as
any Parquet. Needs pyarrow, imported when it is asked for.
"""

import json
from pathlib import Path
from typing import Any

import torch

from interp.base.calls import checked_call
from interp.base.errors import InterpError, UserError
from interp.base.files import check_file, write_whole
from interp.base.paths import expanded
from interp.tasks.base import Batch, Task
from interp.tasks.registry import task_config, task_from_config

SCHEMA, KEY = "interp-strings/1", b"interp"
PARTS = ("tokens", "targets", "loss_mask", "answer", "source")
"""Parts of a batch, a list a row each."""


@checked_call
def write_strings(task: Task, batch: Batch, path: str | Path) -> Path:
    """Write strings to a Parquet file: `text`, `answer_text`, and tokens, targets, masks and sources by position.

    >>> task = interp.CopyTask(5)
    >>> path = interp.tasks.write_strings(task, task.sample(3, 4, generator=0), "strings.parquet")
    >>> interp.tasks.read_strings(path)[1].tokens.shape
    torch.Size([3, 10])

    Args:
        task: whose strings they are.
        batch: the strings; not packed ones.
        path: where to; it must end in .parquet.

    Returns: the path.

    Raises: UserError for another ending or packed strings; InterpError if it cannot be written.
    """
    import pyarrow
    from pyarrow import parquet

    path = expanded(path, "path")
    if path.suffix != ".parquet":
        raise UserError(f"path must end in .parquet; got {path.name}. Name the form by its ending.")
    if batch.segment is not None or batch.also is not None:
        raise UserError(
            "strings must stand one in a row, each letter with one source at most, to be written; got others. Sample "
            "them unpacked, from another task."
        )
    batch = batch.to("cpu")
    answers = [task.vocabulary.decode(row[mask]) for row, mask in zip(batch.targets, batch.answer, strict=True)]
    columns: dict[str, Any] = {"text": task.decode(batch.tokens), "answer_text": answers}
    columns |= {name: getattr(batch, name).tolist() for name in PARTS}
    about = json.dumps({"schema": SCHEMA, "task": task_config(task)})
    table = pyarrow.table(columns).replace_schema_metadata({KEY: about.encode()})
    return write_whole(path, lambda at: parquet.write_table(table, at))


@checked_call
def read_strings(path: str | Path) -> tuple[Task, Batch]:
    """Read what `write_strings` wrote.

    Returns: the task and the strings.

    Raises: UserError for a file that is not there, or holds no strings of a task; InterpError for a damaged one.

    >>> task = interp.CopyTask(5)
    >>> path = interp.tasks.write_strings(task, task.sample(3, 4, generator=0), "strings.parquet")
    >>> interp.tasks.read_strings(path)[0].n_letters
    5
    """
    from pyarrow import ArrowException, parquet

    path = expanded(path, "path")
    check_file(path, "a file of strings")
    try:
        table = parquet.read_table(path)
        about = json.loads((table.schema.metadata or {}).get(KEY, b"{}"))
    except (ArrowException, OSError, ValueError) as error:
        raise InterpError(
            f"{path} must be a whole Parquet file; got a damaged one ({type(error).__name__}). Write it again."
        ) from None
    missing = set(PARTS) - set(table.column_names)
    if not isinstance(about, dict) or about.get("schema") != SCHEMA or missing:
        raise UserError(f"{path} must hold strings of a task, schema {SCHEMA}; got another table. Use write_strings.")
    try:
        parts = {name: torch.tensor(table.column(name).to_pylist()) for name in PARTS}
    except (TypeError, ValueError, RuntimeError):
        raise InterpError(
            f"{path} must hold rows of one length; got a damaged file (rows differ). Write it again."
        ) from None
    return task_from_config(about["task"]), Batch(**parts)
