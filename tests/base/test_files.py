"""A file is whole or as it was: on a full disk, on any failure half-way, and for files that belong together."""

import errno
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from interp.base.errors import InterpError, UserError
from interp.base.files import read_json, write_json, write_text, write_together, write_whole


@contextmanager
def largest_file(size: int) -> Iterator[None]:
    """Let the operating system refuse to write more than `size` bytes into any file, as a full disk would."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def fill_then_fail(path: Path) -> None:
    path.write_text("half of")
    raise OSError(errno.ENOSPC, "No space left on device")


def test_what_is_written_is_read_back_and_nothing_else_is_left(tmp_path: Path) -> None:
    path = write_json(tmp_path / "deep" / "folder" / "a.json", {"x": [1, 2.5, "é", None, True], "y": {}})
    assert read_json(path, "a test") == {"x": [1, 2.5, "é", None, True], "y": {}}
    assert [p.name for p in path.parent.iterdir()] == ["a.json"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_full_disk_leaves_the_old_file_whole_and_says_which_could_not_be_written(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(
        InterpError, match=r"a\.txt must be writable; got an error \(No space left on device\)"
    ) as refused:
        write_whole(path, fill_then_fail)
    assert refused.value.exit_code == 1
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_a_write_that_the_operating_system_cuts_short_leaves_the_old_text_whole(tmp_path: Path) -> None:
    path = write_text(tmp_path / "a.txt", "old")
    with largest_file(100_000), pytest.raises(InterpError, match="must be writable"):
        write_text(path, "x" * 1_000_000)
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_weights_that_the_operating_system_cuts_short_leave_the_old_weights_whole(tmp_path: Path) -> None:
    path = tmp_path / "a.safetensors"
    write_whole(path, lambda temporary: save_file({"a": torch.ones(3)}, temporary))
    with largest_file(100_000), pytest.raises(InterpError, match="must be writable"):
        write_whole(path, lambda temporary: save_file({"a": torch.ones(1_000_000)}, temporary))
    assert torch.equal(load_file(path)["a"], torch.ones(3))
    assert [p.name for p in tmp_path.iterdir()] == ["a.safetensors"]


def test_a_fault_in_the_writer_itself_is_not_disguised_and_leaves_the_old_file(tmp_path: Path) -> None:
    def broken(path: Path) -> None:
        path.write_text("half")
        raise ZeroDivisionError

    path = write_text(tmp_path / "a.txt", "old")
    with pytest.raises(ZeroDivisionError):
        write_whole(path, broken)
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_json(path, object())
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["a.txt"]


def test_of_files_that_belong_together_none_is_replaced_when_one_cannot_be_written(tmp_path: Path) -> None:
    first, second = write_text(tmp_path / "1", "old 1"), write_text(tmp_path / "2", "old 2")
    with pytest.raises(InterpError, match="2 must be writable"):
        write_together({first: lambda path: path.write_text("new 1"), second: fill_then_fail})
    assert (first.read_text(), second.read_text()) == ("old 1", "old 2")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["1", "2"]


def test_a_folder_in_the_place_of_the_file_or_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(InterpError, match="taken must be writable"):
        write_text(tmp_path / "taken", "text")
    write_text(tmp_path / "file", "text")
    with pytest.raises(InterpError, match="must be writable"):
        write_text(tmp_path / "file" / "below", "text")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["file", "taken"]


def test_numbers_that_are_not_finite_become_null_at_any_depth(tmp_path: Path) -> None:
    path = write_json(tmp_path / "a.json", {"a": float("nan"), "b": [(float("inf"), 1.0)], 3: -float("inf")})
    assert read_json(path, "a test") == {"a": None, "b": [[None, 1.0]], "3": None}


def test_a_missing_file_is_the_users_mistake_and_a_damaged_one_is_not(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"a result must be at .*nowhere\.json; got no such file"):
        read_json(tmp_path / "nowhere.json", "a result")
    for name in ("a" * 5000, "a\0b"):
        with pytest.raises(UserError, match=r"a result must be at .*; got no such file") as refused:
            read_json(tmp_path / name, "a result")
        assert len(str(refused.value)) < 300
    for content in (b'{"a": [1, 2', b"\xff\xfe", b""):
        (tmp_path / "a.json").write_bytes(content)
        with pytest.raises(InterpError, match=r"a result at .*a\.json must be JSON") as refused:
            read_json(tmp_path / "a.json", "a result")
        assert not isinstance(refused.value, UserError)
