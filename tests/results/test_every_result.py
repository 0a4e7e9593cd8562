"""Every kind of result of the package, found by import: it comes back as it was saved, and damage of any field is told.

The instances are made from the types of the fields, so that a new kind of result is tried as soon as it exists.
"""

import copy
import dataclasses
import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.base.errors import InterpError, UserError
from interp.results.record import Result, packed, unpacked


def test_its_module_is_one_of_results(kind: type[Result]) -> None:
    assert kind.__module__.split(".")[1] in ("results", "studies", "experiments")


@pytest.mark.parametrize("full", [True, False])
def test_it_comes_back_as_it_was_saved(made, kind: type[Result], full: bool, tmp_path: Path) -> None:
    result = made(kind, full)
    back = kind.load(result.save(tmp_path))
    np.testing.assert_equal(dataclasses.asdict(back), dataclasses.asdict(result))
    for field in dataclasses.fields(result):
        before, after = getattr(result, field.name), getattr(back, field.name)
        assert type(after) is type(before), field.name
        assert not isinstance(before, np.ndarray) or after.dtype == before.dtype, field.name
    assert {path.name for path in tmp_path.iterdir()} == {"results.json", "arrays.npz"}


def test_the_same_result_is_the_same_bytes(made, kind: type[Result], tmp_path: Path) -> None:
    for name in ("one", "two"):
        made(kind).save(tmp_path / name)
    for name in ("results.json", "arrays.npz"):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()


def test_it_prints_short_whatever_it_holds(made, kind: type[Result]) -> None:
    lines = repr(made(kind)).splitlines()
    assert len(lines) == 1 + len(dataclasses.fields(kind)) and max(map(len, lines)) < 170


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to every value of a JSON document but what stands in fields of free form."""
    if path:
        yield path
    if isinstance(value, dict) and set(value) not in ({"array"}, {"seed", "array", "in"}):
        for key, item in value.items():
            yield from places(item, (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value[:1]):
            yield from places(item, (*path, index))


def replaced(document: Any, path: tuple[Any, ...], value: Any) -> Any:
    document = copy.deepcopy(document)
    inside = document
    for step in path[:-1]:
        inside = inside[step]
    inside[path[-1]] = value
    return document


ODD: list[Any] = ["text", 1.5, 7, True, None, [], ["a"], [[1.5]], {}, {"a": 1}, {"array": "nowhere"}]


@pytest.mark.reliability
def test_every_field_refuses_values_of_other_types_in_a_sentence_or_keeps_them(made, kind: type[Result], tries) -> None:
    """A value is kept only where it has a type that the field allows: then it is written again as it was read."""
    document, arrays = packed(made(kind))
    tried = [(path, value) for path in places(document) for value in ODD]
    chosen = random.Random(0).sample(tried, min(len(tried), tries(60, 10_000)))
    refused = 0
    for path, value in chosen:
        wrong = replaced(document, path, value)
        try:
            back = unpacked(kind, wrong, arrays)
        except UserError as error:
            refused += 1
            assert "\n" not in str(error) and len(str(error)) < 500
        else:
            again = json.loads(json.dumps(packed(back)[0]))
            np.testing.assert_equal(again, wrong if value is not None else again)
    assert refused > 0.6 * len(chosen)


@pytest.mark.reliability
def test_every_array_refuses_another_dtype_another_rank_and_its_absence(made, kind: type[Result], tries) -> None:
    document, arrays = packed(made(kind))
    for key in random.Random(0).sample(sorted(arrays), min(len(arrays), tries(3, 1000))):
        array = arrays[key]
        others = [array.astype(complex), array.astype("U8"), array[None], array.reshape(-1)[:1].reshape(()), None]
        for other in [*others, *([array.reshape(-1)] if array.ndim > 1 else [])]:
            changed = {name: value for name, value in arrays.items() if name != key}
            with pytest.raises(UserError, match=r"must be|arrays must"):
                unpacked(kind, document, changed if other is None else {**changed, key: other})
    with pytest.raises(UserError, match="of_nothing"):
        unpacked(kind, document, {**arrays, "of_nothing": np.ones(3)})


def test_a_field_that_is_missing_or_does_not_exist_is_named(made, kind: type[Result], tmp_path: Path) -> None:
    made(kind).save(tmp_path)
    path = tmp_path / "results.json"
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "lengthz": 3}))
    with pytest.raises(InterpError, match="is called 'lengthz'; the nearest known"):
        kind.load(tmp_path)
    needed = [f.name for f in dataclasses.fields(kind) if f.default is f.default_factory is dataclasses.MISSING]
    for name in {*needed} & {*document} - {"verdict"}:
        path.write_text(json.dumps({key: value for key, value in document.items() if key != name}))
        with pytest.raises(InterpError):
            kind.load(tmp_path)


def test_it_makes_a_table(made, kind: type[Result]) -> None:
    table = made(kind).frame()
    assert len(table.columns) and len(set(table.columns)) == len(table.columns)
    assert made(kind)._repr_html_()
