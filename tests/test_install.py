"""What pip makes of this project: a package that is found from everywhere, a command, every file that pages need."""

import os
import shutil
import subprocess
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from zipfile import ZipFile

import pytest

from interp.figures import load_view

ROOT = Path(__file__).parents[1]
SOURCES = ("interp", "pyproject.toml", "README.md", "LICENSE")
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check", "-q")
OFFLINE = ("--no-deps", "--no-index", "--no-build-isolation")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A copy of this project in a folder called `interp`, as `git clone` makes it."""
    folder = tmp_path / "above" / "interp"
    folder.mkdir(parents=True)
    for name in SOURCES:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder)
    return folder


@pytest.fixture
def environment(tmp_path: Path) -> Path:
    """A virtual environment with what this one has, but for `interp`: a path in a .pth file follows no other ones."""
    folder = tmp_path / "venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True, timeout=60)
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "shared.pth").write_text(sysconfig.get_path("purelib"))
    return folder


@pytest.fixture
def run(environment: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """Runs a command of the environment; gives what it prints."""
    monkeypatch.delenv("PYTHONPATH", raising=False)

    def run(program: str, *arguments: str | Path, cwd: Path) -> str:
        command = [environment / "bin" / program, *arguments]
        return subprocess.run(command, cwd=cwd, check=True, capture_output=True, text=True, timeout=300).stdout

    return run


def install(environment: Path, *what: str | Path) -> None:
    subprocess.run(
        [*PIP, "--python", environment / "bin" / "python", "install", *OFFLINE, *what], check=True, timeout=300
    )


WHERE = "import interp; interp.__version__; print(interp.__file__)"


def test_an_editable_install_is_found_in_the_folder_above_a_clone_of_its_name(clone, environment, run) -> None:
    """Where Python finds the clone itself first, a folder without `__init__.py`, and would call it a package."""
    install(environment, "-e", clone)
    for folder in (clone.parent, clone, clone.parents[1]):
        assert Path(run("python", "-c", WHERE, cwd=folder).strip()) == clone / "interp" / "__init__.py"
    assert "usage: interp COMMAND" in run("interp", cwd=clone.parent)
    assert "usage: interp COMMAND" in run("python", "-m", "interp", cwd=clone.parent)


def test_a_wheel_holds_every_file_of_the_package_and_runs_outside_the_clone(clone, environment, run, tmp_path) -> None:
    subprocess.run([*PIP, "wheel", *OFFLINE, "-w", tmp_path, clone], check=True, timeout=300)
    (wheel,) = tmp_path.glob("*.whl")
    packed = {name for name in ZipFile(wheel).namelist() if ".dist-info/" not in name}
    listed = subprocess.run(["git", "ls-files", "interp"], cwd=ROOT, check=True, capture_output=True, text=True).stdout
    assert packed == set(listed.split())
    install(environment, wheel)
    shutil.rmtree(clone)
    assert environment in Path(run("python", "-c", WHERE, cwd=tmp_path).strip()).parents
    assert run("interp", "--version", cwd=tmp_path).startswith("interp 0.")
    model = ("--model", "planted:ngram?n=2&alphabet=4")
    page = Path(run("interp", "view", *model, "--plain", "--length", "4", "--quiet", cwd=tmp_path).strip())
    assert len(load_view(tmp_path / page).labels) == 10  # $, four letters, |, the same four


@pytest.mark.slow
def test_every_study_runs_from_a_wheel(clone, environment, run, tmp_path) -> None:
    install(environment, clone)
    shutil.rmtree(clone)
    model = ("--model", "planted:ngram?n=2&alphabet=8", "--tiny", "--quiet")
    for command in ("heads", "ablate", "view"):
        assert (tmp_path / run("interp", command, *model, cwd=tmp_path).strip()).is_file()
    state = run("interp", "state", "--model", "planted:register?k=4", "--tiny", "--quiet", cwd=tmp_path)
    assert (tmp_path / state.strip()).is_file()


def test_the_environment_of_these_tests_lacks_the_package(run, tmp_path) -> None:
    """Else they would pass whatever is installed."""
    found = run("python", "-c", "import importlib.util; print(importlib.util.find_spec('interp'))", cwd=tmp_path)
    assert found.strip() == "None" and os.environ.get("PYTHONPATH") is None
