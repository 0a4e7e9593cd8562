"""Paths that a person typed, and names of files that are made from longer texts."""

from collections.abc import Callable
from pathlib import Path

from interp.base.errors import UserError

LONGEST_NAME = 255
"""Bytes of a file's name, at most, on the file systems in use."""


def expanded(text: str | Path, what: str) -> Path:
    """Put a home folder in place of a leading `~` or `~name`.

    Args:
        text: the path.
        what: names it in the error, as in "--out".

    Raises: UserError if there is no such home.

    >>> expanded("runs/mine", "--out")
    PosixPath('runs/mine')
    """
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        home = Path(text).parts[0]
        raise UserError(
            f"{what} must be a path that exists on this machine; got {text}, and no user here has the home "
            f"folder {home}. Write the path out."
        ) from error


def is_there(path: Path) -> bool:
    """Whether there is anything at the path; a path that no file can have is not there."""
    return _answer(path.exists)


def is_file(path: Path) -> bool:
    """Whether a file is at the path."""
    return _answer(path.is_file)


def is_folder(path: Path) -> bool:
    """Whether a folder is at the path."""
    return _answer(path.is_dir)


def _answer(asked: Callable[[], bool]) -> bool:
    try:
        return asked()
    except (OSError, ValueError):  # a name too long, a NUL in it, a folder that may not be looked into
        return False


def short_name(text: str, longest: int = LONGEST_NAME) -> str:
    """The text, or its beginning with a digest of the whole where it has more bytes than a file's name may have.

    >>> short_name("a" * 300, 20)
    'aaaaaaaaaaa-98b9dd24'
    """
    if len(text.encode()) <= longest:
        return text
    import hashlib  # OpenSSL with it: what only few names need is not waited for by every `--help`

    digest = hashlib.sha256(text.encode()).hexdigest()[:8]
    return f"{text.encode()[: longest - 9].decode(errors='ignore')}-{digest}"
