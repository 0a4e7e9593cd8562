"""Strings come back from Parquet the same, with their task; a table of another kind and a damaged file are refused."""

import pandas as pd
import pytest

import interp
from interp.base.errors import InterpError, UserError
from interp.tasks import read_strings, write_strings


@pytest.mark.parametrize("task", [interp.CopyTask(5), interp.NgramLookup(n=2, alphabet=6)], ids=["copy", "ngram"])
def test_strings_come_back_with_their_task(task, tmp_path):
    batch = task.sample(6, (8, 12), generator=1)
    again, strings = read_strings(write_strings(task, batch, tmp_path / "strings.parquet"))
    assert again == task
    for name in ("tokens", "targets", "loss_mask", "answer", "source"):
        assert (getattr(strings, name) == getattr(batch, name)).all() and strings.tokens.dtype == batch.tokens.dtype


def test_another_tool_reads_text_answers_and_sources(tmp_path):
    task = interp.CopyTask(5)
    table = pd.read_parquet(write_strings(task, task.sample(3, 4, generator=0), tmp_path / "x.parquet"))
    assert len(table) == 3
    for _, row in table.iterrows():
        assert row.text[1:5] == row.answer_text == row.text[6:10]
        assert [row.text[source] for source in row.source if source >= 0] == list(row.answer_text)


def test_what_is_no_data_set_is_refused(tmp_path):
    task = interp.CopyTask(5)
    batch = task.sample(2, 4, generator=0)
    with pytest.raises(UserError, match=r"path must end in \.parquet; got x\.csv"):
        write_strings(task, batch, tmp_path / "x.csv")
    with pytest.raises(UserError, match="got no such file"):
        read_strings(tmp_path / "nothing.parquet")
    pd.DataFrame({"a": [1]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(UserError, match="must hold strings of a task, schema interp-strings/1; got another table"):
        read_strings(tmp_path / "other.parquet")
    whole = write_strings(task, batch, tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InterpError, match="must be a whole Parquet file; got a damaged one"):
        read_strings(tmp_path / "x.parquet")
