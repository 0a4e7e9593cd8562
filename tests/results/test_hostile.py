"""What stands in the place of a result: files of two runs, bombs, pipes, folders, nested brackets."""

import dataclasses
import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from interp.base.errors import InterpError, UserError
from interp.results import arrays
from interp.results.accuracy import StepCurve


@pytest.fixture
def saved(made, tmp_path: Path) -> Path:
    return made(StepCurve).save(tmp_path / "found")


@pytest.fixture
def other(made) -> StepCurve:
    curve = made(StepCurve)
    return dataclasses.replace(curve, examples=curve.examples + 1)


@pytest.mark.parametrize("name", ["results.json", "arrays.npz"])
def test_a_result_of_two_runs_is_refused_though_its_shapes_fit(saved: Path, other, name: str, tmp_path: Path) -> None:
    folder = other.save(tmp_path / "other")
    (folder / name).replace(saved / name)
    with pytest.raises(InterpError, match=r"arrays\.npz must be of the same run as the results\.json beside it"):
        StepCurve.load(saved)


def test_a_result_from_before_digests_is_read(made, saved: Path) -> None:
    document = json.loads((saved / "results.json").read_text())
    del document["arrays_sha256"]
    (saved / "results.json").write_text(json.dumps(document))
    np.testing.assert_equal(StepCurve.load(saved).examples, made(StepCurve).examples)


@pytest.mark.parametrize("which", range(2))
def test_a_writer_killed_between_two_renames_leaves_no_mixture_that_is_read(
    made, saved: Path, other, which: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    done = []

    def killed(self: Path, target: Path) -> None:
        if len(done) == which:
            raise KeyboardInterrupt
        done.append(target)
        self.rename(target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            other.save(saved)
    if which == 0:
        np.testing.assert_equal(StepCurve.load(saved).examples, made(StepCurve).examples)
    else:
        with pytest.raises(InterpError, match="of the same run"):
            StepCurve.load(saved)
    other.save(saved)
    np.testing.assert_equal(StepCurve.load(saved).examples, other.examples)


def bomb(change: Callable[[bytearray], bytearray]) -> bytes:
    """A file whose one member is a plain array, its content changed before it is compressed."""
    array = io.BytesIO()
    np.lib.format.write_array(array, np.zeros((6, 5)))
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("examples.npy", bytes(change(bytearray(array.getvalue()))))
    return content.getvalue()


def without_digest(folder: Path, content: bytes) -> Path:
    document = json.loads((folder / "results.json").read_text())
    (folder / "results.json").write_text(json.dumps({**document, "arrays_sha256": None}))
    (folder / "arrays.npz").write_bytes(content)
    return folder


def test_an_array_that_says_it_is_longer_than_its_file_is_damage(saved: Path) -> None:
    longer = bomb(lambda array: array.replace(b"(6, 5), }         ", b"(6, 5000000000), }"))
    with pytest.raises(InterpError, match="is not as long as its header says"):
        StepCurve.load(without_digest(saved, longer))


def test_arrays_that_unfold_to_more_than_memory_are_refused_by_their_headers(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = without_digest(saved, bomb(lambda array: array + bytes(10_000_000)))
    assert (folder / "arrays.npz").stat().st_size < 20_000
    monkeypatch.setattr(arrays, "MOST_BYTES", 1_000_000)
    monkeypatch.setattr(np, "load", None)
    with pytest.raises(InterpError, match=r"arrays\.npz must decompress to at most 1000000 bytes; got 10000"):
        StepCurve.load(folder)


def test_a_pickle_in_the_place_of_an_array_is_not_opened(saved: Path) -> None:
    content = io.BytesIO()
    np.savez(content, examples=np.array([[print]], dtype=object), allow_pickle=True)
    with pytest.raises(InterpError, match="got a damaged one"):
        StepCurve.load(without_digest(saved, content.getvalue()))


@pytest.mark.parametrize("name", ["results.json", "arrays.npz"])
@pytest.mark.parametrize("kind", ["pipe", "folder", "broken link"])
def test_what_is_no_file_is_refused_and_not_waited_for(saved: Path, name: str, kind: str) -> None:
    (saved / name).unlink()
    {
        "pipe": lambda path: os.mkfifo(path),
        "folder": lambda path: path.mkdir(),
        "broken link": lambda path: path.symlink_to("nowhere"),
    }[kind](saved / name)
    says = "got no such file" if kind == "broken link" else f"must be a file; got a {kind}"
    with pytest.raises(UserError if name == "results.json" else InterpError, match=says):
        StepCurve.load(saved)


@pytest.mark.parametrize("text", ["[" * 200_000, '{"a":' * 200_000, "[" * 900 + "]" * 900, '{"lengths": 1e999}', "NaN"])
def test_json_that_is_nested_or_odd_ends_in_a_sentence(saved: Path, text: str) -> None:
    (saved / "results.json").write_text(text)
    with pytest.raises(InterpError) as refused:
        StepCurve.load(saved)
    assert "\n" not in str(refused.value) and len(str(refused.value)) < 400


@pytest.mark.parametrize("field", ["x", "interval", "n"])
def test_a_field_that_is_nested_without_end_ends_in_a_sentence(saved: Path, field: str) -> None:
    text = (saved / "results.json").read_text()
    document = json.loads(text)
    whole = json.dumps({**document, field: "HERE"})
    (saved / "results.json").write_text(whole.replace('"HERE"', "[" * 900 + "]" * 900))
    with pytest.raises(InterpError):
        StepCurve.load(saved)
