"""Tables of results: a row for each observation, whatever result it is, and the same numbers."""

from dataclasses import dataclass
from typing import Annotated, ClassVar

import numpy as np
import pandas as pd
import pytest
from jaxtyping import Float

from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.results.accuracy import LengthAccuracy
from interp.results.heads import HeadScores
from interp.results.record import Result
from interp.results.training import TrainLog


@dataclass(frozen=True)
class Part:
    name: str
    size: int | None
    interval: Interval | None
    by_match: Annotated[tuple[float, ...], "match"]


@dataclass(frozen=True)
class Made(Result):
    UNITS: ClassVar[dict[str, str]] = {"loss": "nats"}

    kind: str
    n: int
    parts: Annotated[tuple[Part, ...], "part"]
    loss: Float[np.ndarray, "part string"]


MADE = Made(
    "zero",
    7,
    (Part("a", 1, Interval(0.0, 0.5, "Student t"), (1.0, 2.0)), Part("<b>", None, None, (3.0, 4.0))),
    np.arange(6.0).reshape(2, 3),
)


def test_parts_are_rows_and_their_fields_columns():
    table = MADE.frame("part")
    assert list(table.columns) == ["kind", "part", "name", "size", "low", "high", "method"]
    assert list(table.name) == ["a", "<b>"] and list(table.kind) == ["zero"] * 2
    assert table.low[0] == 0.0 and pd.isna(table.low[1]) and pd.isna(table["size"][1])


def test_axes_choose_the_rows_and_what_has_fewer_is_repeated():
    table = MADE.frame("part", "string")
    assert len(table) == 6 and list(table.loss_nats) == [0, 1, 2, 3, 4, 5] and list(table.string) == [0, 1, 2] * 2
    assert list(table.name) == ["a"] * 3 + ["<b>"] * 3
    assert list(MADE.frame("match", "part").by_match) == [1.0, 3.0, 2.0, 4.0]
    with pytest.raises(UserError, match=r"no axis of Made is called 'strings'; the nearest known: string"):
        MADE.frame("strings")


def test_tables_are_written_whole_in_the_form_that_the_ending_names(tmp_path):
    table = MADE.frame("part", "string")
    for name, read in (("x.csv", pd.read_csv), ("x.parquet", pd.read_parquet)):
        back = read(MADE.write_table(tmp_path / name, "part", "string"))
        pd.testing.assert_frame_equal(back, table, check_dtype=False)
    with pytest.raises(UserError, match=r"path must end in \.csv or \.parquet; got x\.xlsx"):
        MADE.write_table(tmp_path / "x.xlsx")
    assert len(list(tmp_path.iterdir())) == 2


def test_a_notebook_shows_a_few_rows_and_runs_no_markup():
    shown = MADE._repr_html_()
    assert "<b>Made</b>" in shown and "&lt;b&gt;" in shown and "<td><b>" not in shown


def test_the_tables_of_our_results_hold_their_numbers(studies):
    study = studies.hard_alibi()
    accuracy = study.accuracy_by_length
    assert isinstance(accuracy, LengthAccuracy)
    table = accuracy.frame()
    np.testing.assert_allclose(table.groupby("length").string_correct.mean(), accuracy.string_correct.mean(axis=1))
    assert isinstance(study.scores, HeadScores)
    heads = study.scores.frame()
    assert list(heads.name) == [head.name for head in study.heads] and list(heads.role) == [h.role for h in study.heads]
    assert list(heads.low) == [head.interval.low for head in study.heads]
    assert isinstance(study.training, TrainLog)
    assert list(study.training.frame().loss_nats) == list(study.training.loss)
    by_length = study.training.frame("evaluation", "length")
    assert len(by_length) == study.training.string_accuracy.size
    assert set(study.frames()) >= {"accuracy_by_length", "scores", "ablations", "training"}
    assert set(study.frames()["ablations"].ablations) == set(range(len(study.ablations)))
    assert list(study.frame().quantity) == [evidence.quantity for evidence in study.verdict.because]


def test_without_pandas_one_sentence_says_so(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "pandas", None)
    with pytest.raises(UserError, match="pandas must be installed for tables; got none"):
        MADE.frame()
    assert MADE._repr_html_().startswith("<pre>Made")
