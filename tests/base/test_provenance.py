"""Where a result comes from, as a reader can run it again."""

import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import interp
from interp.base.provenance import git_revision, provenance, versions


@pytest.mark.parametrize(
    ("argv", "command"),
    [
        (["/opt/env/bin/interp", "heads", "--tiny"], "interp heads --tiny"),
        (["/opt/site/interp/__main__.py", "heads"], "python -m interp heads"),
        (["analyses/train.py", "--seed", "1"], f"{Path(sys.executable).name} analyses/train.py --seed 1"),
        (["{here}/run.py", "{here}/model", "/else/where"], f"{Path(sys.executable).name} run.py model /else/where"),
        (["interp", "view", "--prompt", "a b", "planted:ngram?n=3"], "interp view --prompt 'a b' 'planted:ngram?n=3'"),
    ],
)
def test_the_command_is_as_it_is_typed_in_the_present_folder(monkeypatch, tmp_path, argv, command) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", [word.replace("{here}", str(tmp_path)) for word in argv])
    told = provenance("cpu", 3)
    assert told["command"] == command
    assert shlex.split(command)[-1] == argv[-1].replace("{here}/", "")
    assert (told["seed"], told["device"]) == (3, "cpu")


def test_the_version_is_that_of_the_code_that_runs() -> None:
    """The one of an editable install is as old as the install."""
    assert versions()["interp"] == interp.__version__
    assert {"torch", "numpy"} <= set(versions())


def git(folder: Path, *words: str) -> str:
    command = ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words]
    return subprocess.run(command, cwd=folder, check=True, capture_output=True, text=True).stdout.strip()


def test_the_commit_is_that_of_the_folder_above_the_package() -> None:
    root = Path(interp.__file__).parents[1]
    if not (root / ".git").exists():
        pytest.skip("the package does not run from a checkout")
    head = git(root, "rev-parse", "HEAD")
    assert provenance("cpu", 0)["git"] in (head, head + "+changes")


def test_a_commit_with_changes_says_so_and_a_folder_without_git_has_none(tmp_path) -> None:
    revision = git_revision.__wrapped__
    assert revision(tmp_path) is None
    (tmp_path / "file").write_text("one")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "file")
    git(tmp_path, "commit", "-qm", "first")
    head = git(tmp_path, "rev-parse", "HEAD")
    assert revision(tmp_path) == head
    (tmp_path / "file").write_text("two")
    assert revision(tmp_path) == head + "+changes"
