"""Writing files so that each is whole or absent, and reading them back with a clear word when they are not.

Each file is filled under a temporary name beside its place and renamed when all of it is on the disk. The temporary
files of a writer that was killed are removed when the folder is written to next: a living writer holds a lock on its
own, so that theirs are left alone.
"""

import errno
import json
import math
import os
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any

from interp.base.errors import InterpError, UserError, shortened
from interp.base.paths import short_name

try:
    import fcntl
except ImportError:  # on Windows nothing is locked, and what a killed writer left stays
    fcntl: Any = None

TEMPORARY = ".interp-part"
"""How the names of temporary files end."""
MOST_JSON = 2**28
"""Bytes of a JSON file, at most: no file of this package has a tenth of it."""
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

    They are renamed in the order of `writes`. A kill between two renames leaves new files beside old ones, so that
    readers must be able to tell that they do not belong together.

    Raises: InterpError if one of them cannot be written.
    """
    with ExitStack() as cleanup:
        filled = {}
        for folder in dict.fromkeys(path.parent for path in writes):
            remove_leftovers(folder)
        for path, write in writes.items():
            try:
                filled[path] = temporary = cleanup.enter_context(_temporary_beside(path))
                write(temporary)
                temporary.chmod(0o644)  # mkstemp made it private
                with temporary.open("rb") as written:
                    os.fsync(written.fileno())
            except _errors_of_the_disk() as error:
                raise cannot_write(path, error) from error
        for path, temporary in filled.items():
            try:
                temporary.replace(path)
            except OSError as error:
                raise cannot_write(path, error) from error


def _errors_of_the_disk() -> tuple[type[Exception], ...]:
    """Those that a writer can raise: safetensors, where it was imported, wraps the disk's in its own."""
    safetensors = sys.modules.get("safetensors")
    return (OSError,) if safetensors is None else (OSError, safetensors.SafetensorError)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary files that writers left in a folder when they were killed."""
    if fcntl is None:
        return
    with suppress(OSError):  # there is no such folder yet, or it cannot be looked into
        for path in list(folder.glob(f".*{TEMPORARY}")):
            with suppress(OSError):  # a living writer's, another user's, or gone by now
                handle = os.open(path, os.O_RDWR | os.O_NONBLOCK | os.O_NOFOLLOW)
                try:
                    fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    path.unlink()
                finally:
                    os.close(handle)


def write_text(path: Path, text: str) -> Path:
    """Write a text, whole or not at all. Raises: InterpError if it cannot be written."""
    return write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))


def write_json(path: Path, value: Any) -> Path:
    """Write strict JSON, whole or not at all. Raises: InterpError if it cannot be written."""
    return write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """Strict JSON, indented. Numbers that are not finite become null: JSON has no word for them."""
    return json.dumps(finite(value), indent=1, allow_nan=False) + "\n"


def finite(value: Any) -> Any:
    """JSON values with None for each number that is not finite."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [finite(item) for item in value]
    return value


def read_json(path: Path, what: str) -> Any:
    """Read a JSON file; `what` names it in the error.

    Raises: UserError if it is not there, or not a file; InterpError if it is damaged.
    """
    content = read_bytes(path, what, MOST_JSON)
    try:
        return json.loads(content.decode("utf-8"))
    except ValueError as error:
        raise InterpError(f"{what} at {path} must be JSON; got text that is not ({error}).") from error
    except RecursionError as error:
        raise InterpError(f"{what} at {path} must be nested less deeply; got hundreds of levels.") from error


def read_bytes(path: Path, what: str, most: int) -> bytes:
    """Read a file of at most this many bytes; `what` names it in the error.

    Raises: UserError if it is not there, or not a file (a pipe would be waited for without end); InterpError if it is
        larger or cannot be read.
    """
    check_file(path, what)
    try:
        if (size := path.stat().st_size) > most:
            raise InterpError(f"{what} at {path} must have at most {most} bytes; got {size}.")
        return path.read_bytes()
    except OSError as error:
        raise InterpError(f"{what} at {path} must be readable; got an error ({error.strerror or error}).") from error


def check_file(path: Path, what: str) -> None:
    """Refuse what cannot be read as a file, before it is opened.

    Raises: UserError if there is nothing at the path, or something other than a file; InterpError if the path cannot be
        looked at.
    """
    try:
        mode = Path(path).stat().st_mode
    except (OSError, ValueError) as error:
        # A name too long, or a NUL in it: no file can have it.
        if isinstance(error, FileNotFoundError | NotADirectoryError | ValueError) or error.errno == errno.ENAMETOOLONG:
            at = shortened(str(path), 200)
            raise UserError(f"{what} must be at {at}; got no such file. Check the path.") from error
        raise InterpError(f"{what} at {path} must be readable; got an error ({error.strerror or error}).") from error
    if not stat.S_ISREG(mode):
        kinds = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a pipe", stat.S_IFSOCK: "a socket"}
        raise UserError(
            f"{what} at {path} must be a file; got {kinds.get(stat.S_IFMT(mode), 'a device')}. Name the file itself."
        )


@contextmanager
def locked_folder(folder: Path) -> Iterator[None]:
    """Hold a folder against others that would lock it; nothing is written. A kill gives it back.

    Where folders cannot be locked (Windows, some network file systems) it is not held.

    Raises: BlockingIOError if another holds it.
    """
    if fcntl is None:
        yield
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise
        except OSError:  # this file system has no such locks
            pass
        yield
    finally:
        os.close(handle)


def cannot_write(path: Path, error: Exception) -> InterpError:
    """The error for a file that the system would not write."""
    why = getattr(error, "strerror", None) or error
    return InterpError(
        f"{shortened(str(path), 300)} must be writable; got an error ({why}). What was there before is unchanged."
    )


@contextmanager
def _temporary_beside(path: Path) -> Iterator[Path]:
    """An empty file in the same folder, locked while it is in use; removed at the end if it was not renamed."""
    if "\0" in str(path):
        raise OSError(errno.EINVAL, "a name cannot hold a NUL", str(path))
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = _locked_file(path)
    try:
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)
        os.close(handle)


def _locked_file(path: Path) -> tuple[int, Path]:
    while True:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{short_name(path.name, 200)}.", suffix=TEMPORARY)
        if fcntl is None:
            return handle, Path(name)
        with suppress(OSError):  # a file system without locks: there leftovers cannot be locked either, and stay
            fcntl.flock(handle, fcntl.LOCK_EX)
        if os.fstat(handle).st_nlink:  # another writer may have taken it for a leftover before it was locked
            return handle, Path(name)
        os.close(handle)
