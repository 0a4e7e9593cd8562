"""Where a result comes from: the command, the code, the packages, the machine, the seed."""

import platform
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from interp import __version__

PACKAGES = (
    *("torch", "transformer-lens", "nnsight", "numpy", "numba", "scipy", "plotly"),
    *("mamba-ssm", "causal-conv1d"),
)


def provenance(device: str, seed: int, model: Any = None) -> dict[str, Any]:
    """JSON values that let a reader run the same again and see what it ran on.

    Args:
        model: whose scans are told, if it runs any.
    """
    scans = model.scans() if hasattr(model, "scans") else {}
    return {
        "command": _command(),
        "time": datetime.now(UTC).isoformat(timespec="seconds"),
        "seed": seed,
        "device": device,
        "machine": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "packages": versions(),
        "git": git_revision(),
        **({"scans": scans} if scans else {}),
        **({"tiny": True} if "--tiny" in sys.argv[1:] else {}),  # pages warn of it
    }


def versions() -> dict[str, str]:
    """Versions of what a number may depend on: of this package the code that runs, of others what is installed."""
    return {"interp": __version__, **{name: found for name in PACKAGES if (found := _version(name)) is not None}}


@cache
def git_revision(root: Path = Path(__file__).parents[2]) -> str | None:
    """The commit of the checkout that this package runs from, with "+changes" if it has any; None outside one.

    Asked once: what a process runs is what it found when it began.
    """
    if not (root / ".git").exists():
        return None
    try:
        head = _git(root, "rev-parse", "HEAD")
        return head + ("+changes" if _git(root, "status", "--porcelain", "--untracked-files=no") else "")
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(root: Path, *command: str) -> str:
    return subprocess.run(["git", *command], cwd=root, check=True, capture_output=True, text=True).stdout.strip()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _command() -> str:
    """The command as it is typed in the project's folder, quoted for a shell."""
    program = Path(sys.argv[0])
    if program.name == "interp":
        words = ["interp"]
    elif (program.parent.name, program.name) == ("interp", "__main__.py"):
        words = ["python", "-m", "interp"]
    else:
        words = [Path(sys.executable).name, _relative(sys.argv[0])]
    return shlex.join([*words, *map(_relative, sys.argv[1:])])


def _relative(argument: str) -> str:
    """A path within the present folder as it is named from there; anything else as it is."""
    here = Path.cwd()
    inside = Path(argument).is_absolute() and here in Path(argument).parents
    return str(Path(argument).relative_to(here)) if inside else argument
