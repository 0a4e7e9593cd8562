"""Where a command leaves what it finds: made and tried before the work, removed again if nothing comes of it."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

from interp.base.errors import InterpError, UserError, shown
from interp.base.paths import expanded, short_name

LONGEST_WITHIN = Path("figures") / ("x" * 80)
"""A path as long as any that is written within a result folder, temporary names among them."""
FILES = ("report.html", "attention.html", "results.json", "arrays.npz")
FOLDERS = ("figures", "headvis")
"""What studies write; anything else of these names is in the way."""
FEW = b"\0" * 65_536
"""What a disk must have room for, at the very least."""
NOT_ALLOWED = (
    errno.EACCES,
    errno.EPERM,
    errno.EROFS,
    errno.ENAMETOOLONG,
    errno.ELOOP,
    errno.ENOTDIR,
    errno.EINVAL,
    errno.ENOENT,
)
"""What another folder cures; anything else is a fault of the disk."""


@contextmanager
def result_folder(command: str, out: str | None, model: str) -> Iterator[Path]:
    """The folder for results: `--out`, or a new one under results/, named by time and model.

    It is there within the `with`, and has been written to once. What was made for it and is still empty at the end (the
    work was refused, or interrupted) is removed.

    Raises: UserError for a place where nothing can be kept; InterpError for a full disk.
    """
    made: list[Path] = []
    try:
        yield _make(_named(out), made) if out is not None else _new(command, model, made)
    finally:
        for folder in reversed(made):
            with suppress(OSError):  # it holds something
                folder.rmdir()


def check_out(out: str) -> Path:
    """The folder of `--out`, for what makes it itself: it could be made and written to, and nothing is left behind.

    Raises: as `result_folder`.
    """
    with result_folder("", out, "") as folder:
        return folder


def _named(out: str) -> Path:
    if not out.strip() or "\0" in out:
        raise UserError(f"--out must name a folder; got {shown(out)}. Name one, or leave --out away.")
    return expanded(out, "--out")


def _new(command: str, model: str, made: list[Path]) -> Path:
    """A folder that no other command has, even if it began in the same second."""
    plain = "".join(c if c.isalnum() or c in "-=" else "-" for c in model).strip("-")
    stem = Path("results") / command / short_name(f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{plain}", 120)
    _make(stem.parent, made)
    folder, number = stem, 1
    while True:
        try:
            folder.mkdir()
        except FileExistsError:
            number += 1
            folder = stem.with_name(f"{stem.name}-{number}")
        else:
            made.append(folder)
            return folder


def _make(folder: Path, made: list[Path]) -> Path:
    """Make the folder and those above it, noting in `made` which were not there; then write there."""
    try:
        at, missing = folder, list[Path]()
        while not os.path.lexists(at):
            missing.append(at)
            at = at.parent
        if not at.is_dir():
            raise _in_the_way(folder, at)
        for each in reversed(missing):  # one by one: `mkdir(parents=True)` calls itself for each
            each.mkdir(exist_ok=True)
            made.append(each)
        _try(folder)
    except OSError as error:
        raise _refusal(folder, error) from error
    return folder


def _try(folder: Path) -> None:
    """Raises: UserError if something is in the way; OSError if nothing can be written there."""
    (folder / LONGEST_WITHIN).exists()
    for name in (*FILES, *FOLDERS):
        if os.path.lexists(at := folder / name) and at.is_dir() == (name in FILES):
            raise _in_the_way(folder, at)
    with tempfile.TemporaryFile(dir=folder) as file:
        file.write(FEW)
        file.flush()


def _in_the_way(folder: Path, at: Path) -> UserError:
    what = "a folder" if at.is_dir() else "a broken link" if not at.exists() else "a file"
    return UserError(
        f"--out must be a folder with nothing in its way; got {folder}, but {at} is {what}. Choose another."
    )


def _refusal(folder: Path, error: OSError) -> InterpError:
    why = os.strerror(error.errno or 0).lower()
    if error.errno in NOT_ALLOWED:
        return UserError(f"--out must be a folder that can be written; got {folder} ({why}). Choose another.")
    return InterpError(
        f"--out must be a folder that can be filled; got {folder} ({why}). Make room, or choose another."
    )
