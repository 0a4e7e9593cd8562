"""Writing files so that each is whole or absent, and reading them back with a clear word when they are not."""

import json
import math
import os
import tempfile
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from safetensors import SafetensorError

from interp.base.errors import InterpError, UserError

Write = Callable[[Path], object]
"""Fills the file at a path."""


def write_whole(path: Path, write: Write) -> Path:
    """Let `write` fill a temporary file beside `path`, then rename it over `path`, or leave `path` as it was.

    Raises: InterpError if the file cannot be written (no space, no permission).
    """
    write_together({path: write})
    return path


def write_together(writes: Mapping[Path, Write]) -> None:
    """`write_whole` for files that belong together: none is renamed into place before all are on the disk.

    Raises: InterpError if one of them cannot be written.
    """
    with ExitStack() as cleanup:
        filled = {}
        for path, write in writes.items():
            try:
                filled[path] = temporary = _temporary_beside(path)
                cleanup.callback(temporary.unlink, missing_ok=True)
                write(temporary)
                temporary.chmod(0o644)  # mkstemp made it private
                with temporary.open("rb") as written:
                    os.fsync(written.fileno())
            except (OSError, SafetensorError) as error:  # safetensors wraps the errors of the disk in its own
                raise _cannot_write(path, error) from error
        for path, temporary in filled.items():
            try:
                temporary.replace(path)
            except OSError as error:
                raise _cannot_write(path, error) from error


def write_text(path: Path, text: str) -> Path:
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> Path:
    return write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Strict JSON, indented. Numbers that are not finite become null: JSON has no word for them."""
    return json.dumps(finite(value), indent=1, allow_nan=False) + "\n"


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file; `what` names it in the error.

    Raises: UserError if it is not there, InterpError if it is damaged.
    """
    try:
        return json.loads(Path(path).read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"{what} was looked for at {path}, and there is no such file.") from error
    except (OSError, ValueError) as error:
        raise InterpError(f"{what} at {path} cannot be read: {error}.") from error


def finite(value: Any) -> Any:
    """JSON values with None for each number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def _temporary_beside(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    return Path(name)


def _cannot_write(path: Path, error: Exception) -> InterpError:
    why = getattr(error, "strerror", None) or error
    return InterpError(f"{path} could not be written ({why}); what was there before is unchanged.")
