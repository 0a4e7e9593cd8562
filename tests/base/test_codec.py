"""Settings and results as JSON and back: what fits comes back equal, what does not is named by its place."""

import json
import math
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import pytest
from jaxtyping import Float

from interp.base.codec import checked, from_plain, to_plain
from interp.base.errors import UserError


@dataclass(frozen=True)
class Part:
    values: Float[np.ndarray, "head example"]
    interval: tuple[float, float] | None = None


@checked
@dataclass(frozen=True)
class Whole:
    steps: int = 3
    learning_rate: float = 0.5
    length: int | tuple[int, int] = 30
    windows: tuple[int | None, ...] | None = None
    kind: Literal["zero", "mean"] = "zero"
    free: dict[str, Any] = field(default_factory=dict)
    part: Part | None = None
    parts: tuple[Part, ...] = ()
    curves: Mapping[str, tuple[float, ...]] = field(default_factory=dict)
    name: str | None = None
    isolate: bool = False

    def __post_init__(self) -> None:
        if self.steps < 1:
            raise UserError(f"steps must be at least 1; got {self.steps}.")


@dataclass(frozen=True)
class Found:
    score: float
    curves: Mapping[str, tuple[float, ...]]
    free: dict[str, Any]


FULL = Whole(
    length=(3, 5),
    windows=(1, None),
    free={"layers": (1, {"deep": (2,)})},
    parts=(Part(np.ones((2, 3))), Part(np.zeros((1, 1)), (0.0, 1.0))),
    curves={"2": (1.0, 0.5)},
    name="é",
)


def test_settings_come_back_equal_from_json() -> None:
    plain = to_plain(replace(FULL, parts=()))
    assert from_plain(Whole, json.loads(json.dumps(plain))) == replace(FULL, parts=())


def test_arrays_stay_in_their_places() -> None:
    plain = to_plain(FULL)
    assert plain["parts"][0]["values"] is FULL.parts[0].values
    assert from_plain(Whole, plain).parts[1].values is FULL.parts[1].values


def test_numbers_of_numpy_become_pythons_and_lists_become_tuples() -> None:
    made = Whole(steps=np.int64(4), learning_rate=np.float32(0.5), windows=[np.int8(2)], isolate=np.bool_(True))
    assert made == Whole(steps=4, learning_rate=0.5, windows=(2,), isolate=True)
    assert [type(value) for value in (made.steps, made.learning_rate, made.isolate)] == [int, float, bool]
    assert json.dumps(to_plain(Whole(free={"a": np.arange(2), "b": [np.float32(0.5)]}))).count("[0, 1]") == 1


def test_a_whole_number_stays_as_it_was_written_where_any_number_will_do() -> None:
    assert json.dumps(to_plain(Whole(learning_rate=1))["learning_rate"]) == "1"


def test_in_a_result_null_is_a_number_that_is_not_finite_and_free_fields_stay_as_they_are() -> None:
    back = from_plain(Found, {"score": None, "curves": {"2": [None, 1.0]}, "free": {"a": [1]}}, result=True)
    assert math.isnan(back.score) and math.isnan(back.curves["2"][0]) and back.free == {"a": [1]}
    with pytest.raises(UserError, match="learning_rate must be a number of at most 64 bits; got 1"):
        from_plain(Whole, {"learning_rate": 10**30})
    with pytest.raises(UserError, match="learning_rate must be a number; got None"):
        from_plain(Whole, {"learning_rate": None})


WRONG = {
    "steps must be an integer; got '10'.": {"steps": "10"},
    "steps must be an integer; got 1.5.": {"steps": 1.5},
    "steps must be an integer; got True.": {"steps": True},
    "steps must be an integer; got None.": {"steps": None},
    "steps must be an integer; got a list of 1000.": {"steps": [1] * 1000},
    "learning_rate must be a number; got 'x'.": {"learning_rate": "x"},
    "isolate must be true or false; got 1.": {"isolate": 1},
    "name must be text or None; got 3.": {"name": 3},
    "length must be an integer or a list of integers, 2 long; got 'ab'.": {"length": "ab"},
    "length must be an integer or a list of integers, 2 long; got [1, 2, 3].": {"length": [1, 2, 3]},
    "windows[1] must be an integer or None; got 'x'.": {"windows": [1, "x"]},
    "kind must be one of 'zero', 'mean'; got 'men'.": {"kind": "men"},
    "kind must be one of 'zero', 'mean'; got [].": {"kind": []},
    "free must be an object with text as keys; got [1].": {"free": [1]},
    "curves['2'][1] must be a number; got 'c'.": {"curves": {"2": [1, "c"]}},
    "parts must be a list; got {}.": {"parts": {}},
    "parts[0].interval[1] must be a number; got 'c'.": {"parts": [{"values": np.ones((1, 1)), "interval": [1, "c"]}]},
    "part.values must be an array of Float [head example]; got 3.": {"part": {"values": 3}},
    "part.values must be an array of Float [head example]; got an array of float64 [3].": {
        "part": {"values": np.ones(3)}
    },
    "part.values must be an array of Float [head example]; got an array of int64 [1 1].": {
        "part": {"values": np.ones((1, 1), dtype=int)}
    },
    "part.values must be given; got nothing.": {"part": {}},
    "no field of Part is called 'value'; the nearest known: values (of 2).": {"part": {"value": 3}},
    "no field of Whole is called 'lr'; the nearest known: learning_rate (of 11).": {"lr": 1e-3},
    "steps must be at least 1; got 0.": {"steps": 0},
}


@pytest.mark.parametrize("message", WRONG)
def test_what_does_not_fit_is_named_by_its_place_from_a_file_and_from_python(message: str) -> None:
    for make in (lambda fields: from_plain(Whole, fields), lambda fields: Whole(**fields)):
        with pytest.raises(UserError) as refused:
            make(WRONG[message])
        assert str(refused.value) == message


@pytest.mark.parametrize("value", [3, [1], None, "x"])
def test_what_is_no_object_is_refused(value: Any) -> None:
    with pytest.raises(UserError, match=r"a Whole must be an object with the fields of Whole; got"):
        from_plain(Whole, value)


def test_a_value_nested_without_end_is_refused() -> None:
    deep: Any = []
    for _ in range(100_000):
        deep = [deep]
    for read in (lambda: from_plain(Whole, {"free": {"a": deep}}), lambda: Whole(windows=deep)):
        with pytest.raises(UserError):
            read()


def test_arguments_by_position_are_checked_and_too_many_are_refused() -> None:
    assert Whole(4, 0.1).steps == 4
    with pytest.raises(UserError, match="steps must be an integer"):
        Whole("4")
    with pytest.raises(UserError, match=r"Whole must be given its fields; got other arguments \(too many"):
        Whole(*range(30))


def test_no_torch_is_needed() -> None:
    program = "import sys, interp.base.codec; print('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], capture_output=True, text=True).stdout == "False\n"
