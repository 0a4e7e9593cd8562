"""Which wheels a bare GPU machine lacks: computed from what is installed here, downloaded if a folder is given.

A bare machine has PyTorch, transformers, and what these need, but often neither a network nor a compiler. What
`make gpu` needs besides is found by walking the requirements of `pyproject.toml`, as the metadata of the packages in
this environment states them for that machine's Python; versions are those of `constraints.txt`. The wheels are pure
Python or for manylinux; they are installed without their dependencies, so that the machine's own PyTorch stays.

    python benchmarks/gpu_wheels.py                            names and versions
    python benchmarks/gpu_wheels.py --out wheels               and the files
    python benchmarks/gpu_wheels.py --frozen freeze.txt        of a machine whose `pip freeze` is at hand

The last line is JSON.
"""

import json
import os
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory

import tyro
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]
TRITON = "mamba-ssm"
"""A package of kernels whose Triton ones, Mamba-2's scan among them, need no compiler."""
TESTS = ("beartype", "jaxtyping", "pytest")
"""What the tests marked `gpu` need besides the package: `pyproject.toml` has pytest check shapes with them."""


@dataclass
class Needed:
    """The packages that are needed, and by whom."""

    versions: dict[str, str] = field(default_factory=dict)
    wanted_by: dict[str, str] = field(default_factory=dict)
    unknown: list[str] = field(default_factory=list)
    """Needed, but not installed here, so that it cannot be said what they need."""
    too_old: list[str] = field(default_factory=list)
    """On the machine in a version that does not suit, with who minds."""


def closure(
    roots: Iterable[Requirement], python: str, have: Mapping[str, str | None], pinned: Mapping[str, str]
) -> Needed:
    """Everything that the roots need, without what is there already and whatever that needs.

    Args:
        roots: requirements to begin with.
        python: of the machine, as 3.12.
        have: packages that are there, with their versions if they are known.
        pinned: versions to take; else the one installed here.
    """
    found, queue, seen = Needed(), [(root, "interp") for root in roots], set()
    while queue:
        requirement, by = queue.pop(0)
        name = canonicalize_name(requirement.name)
        if name in have:
            version = have[name]
            if version is not None and not requirement.specifier.contains(version, prereleases=True):
                found.too_old.append(f"{name} {version}, of which {by} wants {requirement.specifier}")
            continue
        asked = (name, *sorted(requirement.extras))
        if asked in seen or name in found.unknown:
            continue
        seen.add(asked)
        try:
            package = distribution(name)
        except PackageNotFoundError:
            found.unknown.append(name)
            continue
        found.versions[name] = pinned.get(name, package.version)
        found.wanted_by.setdefault(name, by)
        queue += [(each, name) for each in applying(package.requires or (), python, requirement.extras)]
    return found


def applying(lines: Iterable[str], python: str, extras: Iterable[str] = ()) -> list[Requirement]:
    """The requirements that hold on Linux with this Python, and with these extras."""
    environment = {
        "python_version": python,
        "python_full_version": f"{python}.0",
        "sys_platform": "linux",
        "platform_system": "Linux",
        "platform_machine": "x86_64",
        "os_name": "posix",
        "implementation_name": "cpython",
        "platform_python_implementation": "CPython",
    }
    found = []
    for requirement in map(Requirement, lines):
        marker = requirement.marker
        if marker is None or any(marker.evaluate({**environment, "extra": extra}) for extra in ("", *extras)):
            found.append(requirement)
    return found


def pins(path: Path) -> dict[str, str]:
    """name -> version, of lines name==version; others are passed over."""
    lines = (line.split("#")[0].split(";")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    return {canonicalize_name(name): version for name, sign, version in (x.partition("==") for x in lines) if sign}


def download(versions: Mapping[str, str], python: str, out: Path) -> list[str]:
    """Fetch the wheels one by one; one of pure Python is built where there is none. Returns: what could not be had."""
    platforms = [part for tag in ("manylinux_2_28", "manylinux2014") for part in ("--platform", f"{tag}_x86_64")]
    target = ["--python-version", python, "--implementation", "cp", *platforms, "--only-binary=:all:"]
    wanted = [f"{name}=={version}" for name, version in versions.items()]
    return [each for each in wanted if not (_pip("download", *target, f"--dest={out}", each) or build(each, out))]


def build(wanted: str, out: Path) -> bool:
    """Build a wheel from the sources, without compiling anything for CUDA. Returns: whether it is of pure Python."""
    with TemporaryDirectory() as folder:
        _pip("wheel", "--no-cache-dir", "--no-build-isolation", f"--wheel-dir={folder}", wanted)
        pure = next(Path(folder).glob("*py3-none-any.whl"), None)
        if pure is not None:
            out.mkdir(parents=True, exist_ok=True)
            shutil.move(pure, out / pure.name)
        return pure is not None


def _pip(command: str, *arguments: str) -> bool:
    """Whether it succeeded; packages of kernels are told not to compile any."""
    names = ("MAMBA_SKIP_CUDA_BUILD", "MAMBA_FORCE_BUILD", "CAUSAL_CONV1D_SKIP_CUDA_BUILD", "CAUSAL_CONV1D_FORCE_BUILD")
    environment = os.environ | dict.fromkeys(names, "TRUE")
    pip = [sys.executable, "-m", "pip", command, "-qq", "--no-deps", *arguments]
    return subprocess.run(pip, capture_output=True, env=environment).returncode == 0


def main(
    have: tuple[str, ...] = ("torch", "transformers"),
    frozen: Path | None = None,
    python: str = "3.12",
    leave_out: tuple[str, ...] = ("wandb",),
    out: Path | None = None,
    triton: bool = False,
) -> None:
    """Print what is lacking, and fetch it.

    Args:
        have: packages of the machine; what they need is taken to be there, too.
        frozen: the output of `pip freeze` on the machine, which then counts instead.
        python: version of its Python.
        leave_out: packages to do without, and what only they need: wandb is declared (by TransformerLens), but nothing
            imports it before it uses it.
        out: folder for the wheels; without it nothing is fetched.
        triton: build a wheel of mamba-ssm's Triton kernels, too.
    """
    pinned = pins(ROOT / "constraints.txt")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    if frozen is not None:
        there: dict[str, str | None] = {**pins(frozen)}
    else:
        known = closure(map(Requirement, have), python, {}, pinned)
        there = dict.fromkeys((*known.versions, *known.unknown))
    roots = applying([*project["dependencies"], *TESTS], python)
    found = closure(roots, python, there | dict.fromkeys(map(canonicalize_name, leave_out)), pinned)
    for name, version in sorted(found.versions.items()):
        print(f"{name + '==' + version:40} for {found.wanted_by[name]}")
    for words, names in (("Not installed here", found.unknown), ("Too old on the machine", found.too_old)):
        if names:
            print(f"{words}: {'; '.join(names)}")
    result = {"wheels": {k: found.versions[k] for k in sorted(found.versions)}, "too_old": found.too_old}
    result["without_wheel"] = found.unknown
    if out is not None:
        result["without_wheel"] += download(found.versions, python, out)
        if triton and not build(f"{TRITON}=={pinned[TRITON]}", out):
            result["without_wheel"].append(TRITON)
        result["megabytes"] = round(sum(file.stat().st_size for file in out.glob("*.whl")) / 1e6, 1)
    print(json.dumps(result))
    sys.exit(bool(result["without_wheel"] or found.too_old))


if __name__ == "__main__":
    tyro.cli(main)
