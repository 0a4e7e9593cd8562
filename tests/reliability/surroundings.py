"""What surrounds a program and gives out: the disk, files that may be open, the terminal, the network."""

import errno
import os
import resource
import signal
import sys
from pathlib import Path
from typing import Any

from tests.reliability import command_lines, kills

LINE = ["presets"]
STUDY = ["view", "--tiny", "--plain", "--model", command_lines.COPIER, "--length", "4", "--out", "found"]


def _limit(what: int, most: int) -> None:
    """Set a limit that the process can lift again."""
    resource.setrlimit(what, (most, resource.getrlimit(what)[1]))


def a_file_cannot_grow(most: int, words: list[str]) -> None:
    """Every file is full from so many bytes on, as on a full disk."""
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    command_lines.run(words, lambda: _limit(resource.RLIMIT_FSIZE, most))


def few_files(most: int, words: list[str]) -> None:
    """Few files may be open at once."""
    command_lines.run(words, lambda: _limit(resource.RLIMIT_NOFILE, most))


def little_memory(more: int, words: list[str]) -> None:
    """So many bytes more than are taken now."""
    taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    command_lines.run(words, lambda: _limit(resource.RLIMIT_AS, taken + more))


def read_only(words: list[str]) -> None:
    """No file can be made."""
    opened = os.open

    def refuse(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if flags & (os.O_CREAT | os.O_WRONLY | os.O_RDWR) and str(path) != os.devnull:
            raise OSError(errno.EROFS, os.strerror(errno.EROFS), str(path))
        return opened(path, flags, *args, **kwargs)

    os.open = refuse
    try:
        command_lines.run(words)
    finally:
        os.open = opened


def a_terminal(encoding: str, closed: bool, words: list[str]) -> None:
    """A terminal of another encoding, or a reader that has gone away."""
    if closed:
        reader, writer = os.pipe()
        os.close(reader)
        os.dup2(writer, 1)
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    command_lines.run(words)


def a_training_on_a_full_disk(step: int) -> str:
    """The disk is full from a write on; then there is room again, and it goes on. Returns: as `kills.training`."""
    import torch

    from interp.base.errors import InterpError
    from interp.training.run_folder import CONFIG

    whole, written, done = kills.train_in(Path("whole")), os.fsync, 0

    def full(handle: int) -> None:
        nonlocal done
        done += 1
        if done > step:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        written(handle)

    os.fsync = full
    try:
        kills.train_in(Path("run"))
    except InterpError as error:
        said = str(error)
    else:
        said = "nothing"
    os.fsync = written
    again = kills.train_in(Path("run"), resume=Path("run", CONFIG).exists())
    same = all(torch.equal(whole[name], again[name]) for name in whole)
    return "same" if same and ("space" in said or said == "nothing") else f"{said} {same}"


def the_default_flow() -> list[str]:
    """Train, open and study, with nothing that says that there is no network. Returns: files that were written."""
    for name in ("HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "WANDB_MODE"):
        os.environ.pop(name, None)
    kills.train_in(Path("run"))
    words = ["view", "--tiny", "--plain", "--model", "run", "--length", "4", "--out", "found"]
    try:
        command_lines.run(words)
    except SystemExit as left:
        assert left.code == 0
    return sorted(path.name for path in Path("found").iterdir())
