"""Programs that end as commands do, run as a person runs them."""

import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def program(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a program whose work is the given lines."""

    def written(work: str) -> Path:
        body = "\n".join(f"    {line}" for line in work.splitlines())
        path = tmp_path / "program.py"
        path.write_text(
            "import os, signal, sys, time\n"
            "from interp.base.errors import InterpError, UserError\n"
            "from interp.cli.endings import end\n"
            "from interp.cli.streams import say, show_table\n"
            "signal.signal(signal.SIGINT, signal.default_int_handler)\n"  # a shell's background jobs inherit it ignored
            f"def work():\n{body}\nend(work)\n"
        )
        return path

    return written


@pytest.fixture
def ended(program: Callable[[str], Path]) -> Run:
    """Runs such a program to its end."""

    def run(work: str, **more: object) -> subprocess.CompletedProcess[str]:
        options = {"capture_output": True, "text": True, "check": False, "timeout": 60} | more
        return subprocess.run([sys.executable, str(program(work))], **options)  # pyright: ignore[reportCallIssue, reportArgumentType]

    return run


@pytest.fixture
def interp(tmp_path: Path) -> Run:
    """Runs `python -m interp` with some arguments, in an empty folder."""

    def run(*arguments: str, **more: object) -> subprocess.CompletedProcess[str]:
        command: Sequence[str] = [sys.executable, "-m", "interp", *arguments]
        options = {"capture_output": True, "text": True, "check": False, "timeout": 300, "cwd": tmp_path} | more
        return subprocess.run(command, **options)  # pyright: ignore[reportCallIssue, reportArgumentType]

    return run
