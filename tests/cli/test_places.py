"""The folder for what is found is tried before the work, and left as it was if nothing came of it."""

import errno
import os
from pathlib import Path

import pytest

from interp.base.errors import InterpError, UserError
from interp.cli import places
from interp.cli.places import check_out, result_folder


@pytest.fixture(autouse=True)
def here(tmp_path, monkeypatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def test_a_new_folder_is_there_within_and_gone_if_nothing_is_in_it(here) -> None:
    with result_folder("heads", "deep/down/below", "x") as folder:
        assert folder == Path("deep/down/below") and folder.is_dir()
        assert everything(folder) == []
    assert everything(here) == []


def test_what_was_written_stays_and_so_does_what_was_there_before(here) -> None:
    (here / "mine").mkdir()
    with result_folder("heads", "mine/results", "x") as folder:
        (folder / "page").write_text("whole")
    with result_folder("heads", "mine", "x"):
        pass
    assert everything(here) == ["mine", "mine/results", "mine/results/page"]


def test_a_refused_work_leaves_nothing(here) -> None:
    with pytest.raises(UserError, match="no such head"), result_folder("heads", None, "x"):
        raise UserError("no such head")
    assert everything(here) == []


def test_two_commands_in_one_second_have_folders_of_their_own() -> None:
    with (
        result_folder("heads", None, "planted:ngram?n=3") as one,
        result_folder("heads", None, "planted:ngram?n=3") as two,
    ):
        assert one != two
        assert one.parent == two.parent == Path("results/heads")
        assert one.name.endswith("-planted-ngram-n=3")


@pytest.mark.parametrize("model", ["x" * 5000, "../../up", "é" * 300, "a/b:c", "", "..", "\N{PILE OF POO}"])
def test_any_model_gives_a_folder_below_results(here, model) -> None:
    with result_folder("heads", None, model) as folder:
        assert folder.resolve().parent == here / "results" / "heads"
        assert len(os.fsencode(folder.name)) <= 130


@pytest.mark.parametrize("below", ["", "/deeper/down"])
def test_a_file_in_the_way_is_named(here, below) -> None:
    (here / "taken").write_text("mine")
    with pytest.raises(UserError, match=r"got taken.*, but taken is a file\. Choose another\."):
        check_out(f"taken{below}")
    assert everything(here) == ["taken"]


def test_a_broken_link_is_named(here) -> None:
    (here / "link").symlink_to("nowhere")
    with pytest.raises(UserError, match="link is a broken link"):
        check_out("link")
    (here / "loop").symlink_to("loop")
    with pytest.raises(UserError, match="--out must be a folder"):
        check_out("loop/below")


@pytest.mark.parametrize(("name", "is_folder"), [("report.html", True), ("results.json", True), ("figures", False)])
def test_what_is_in_the_way_within_is_named(here, name, is_folder) -> None:
    (here / "out").mkdir()
    (here / "out" / name).mkdir() if is_folder else (here / "out" / name).touch()
    with pytest.raises(UserError, match=f"but out/{name} is a"):
        check_out("out")


@pytest.mark.parametrize("out", ["", " ", "\t"])
def test_an_empty_name_is_not_the_folder_that_one_is_in(out) -> None:
    with pytest.raises(UserError, match="--out must name a folder; got"):
        check_out(out)


@pytest.mark.parametrize("out", ["x" * 256, "é" * 128, "a/" * 3000, "here/" + "x" * 5000])
def test_names_longer_than_a_file_system_takes_are_refused(here, out) -> None:
    with pytest.raises(UserError, match=r"--out must be a folder that can be written; got .*too long"):
        check_out(out)
    assert everything(here) == []


def test_many_levels_are_made_one_by_one_and_taken_away_again(here) -> None:
    with result_folder("heads", "a/" * 1500, "x") as folder:
        (folder / "page").write_text("whole")
        assert (here / folder / "page").is_file()
        (folder / "page").unlink()
    assert everything(here) == []


def test_a_home_that_nobody_has_is_refused() -> None:
    with pytest.raises(UserError, match="no user here has the home folder ~nobody-here"):
        check_out("~nobody-here/results")


@pytest.mark.parametrize(
    ("number", "error", "words"),
    [
        (errno.EROFS, UserError, r"can be written; got out \(read-only file system\)\. Choose another"),
        (errno.EACCES, UserError, r"permission denied"),
        (errno.ENOSPC, InterpError, r"can be filled; got out \(no space left on device\)\. Make room"),
        (errno.EDQUOT, InterpError, r"quota"),
    ],
)
def test_a_disk_that_refuses_is_told_before_the_work(here, monkeypatch, number, error, words) -> None:
    def refuse(**_: object) -> object:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(places.tempfile, "TemporaryFile", refuse)
    with pytest.raises(error, match=f"(?i){words}") as caught:
        check_out("out")
    assert type(caught.value) is error
    assert everything(here) == []
