"""Paths that a person typed, and names that a file system takes."""

import os
from pathlib import Path

import pytest

from interp.base.errors import UserError
from interp.base.paths import expanded, is_file, is_folder, is_there, short_name


def test_a_home_is_found_and_one_of_nobody_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/of/mine")
    assert expanded("~/runs", "--out") == Path("/home/of/mine/runs")
    assert expanded("runs/~x", "--out") == Path("runs/~x")
    with pytest.raises(UserError, match=r"--out must be a path that exists.*got ~nobody-here/x, and no user here has"):
        expanded("~nobody-here/x", "--out")


@pytest.mark.parametrize("path", ["x" * 5000, "a/" * 3000, "x\0y", "nothing-of-this-name"])
def test_a_path_that_no_file_can_have_is_not_there(path: str) -> None:
    assert not is_there(Path(path)) and not is_file(Path(path)) and not is_folder(Path(path))


@pytest.mark.parametrize("text", ["a" * 256, "é" * 200, "日" * 100, "x" * 5000])
def test_a_long_name_is_cut_to_what_a_file_may_be_called(text: str, tmp_path: Path) -> None:
    name = short_name(text)
    assert len(os.fsencode(name)) <= 255
    (tmp_path / name).touch()
    assert name != short_name(text + "b")
    assert name.startswith(text[:50])


def test_a_name_that_fits_stays() -> None:
    assert short_name("é" * 127) == "é" * 127
