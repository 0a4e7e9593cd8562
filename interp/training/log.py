"""What a training writes down: one record per step, one per evaluation, and the `TrainLog` that they make.

{"step": 1, "examples": 64, "loss": 3.4, "learning_rate": 8e-05, "gradient": 1.2}
{"step": 50, "examples": 3200, "string_accuracy": {"30": 0.1}, "letter_accuracy": {"30": 0.7}}
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interp.base.errors import InterpError
from interp.base.files import write_text
from interp.results.training import TrainLog

Record = dict[str, Any]


def read_records(path: Path, until: int | None = None) -> list[Record]:
    """The records of a `log.jsonl`, in order, of steps up to `until`; a last line cut off by a kill is left out.

    Raises: InterpError if another line is damaged or the file cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
        records = [json.loads(line) for line in lines[:-1]]
    except (OSError, ValueError) as error:
        raise InterpError(f"the training log at {path} cannot be read: {error}.") from error
    return [record for record in records if until is None or record["step"] <= until]


def write_records(path: Path, records: Sequence[Record]) -> Path:
    return write_text(path, "".join(map(as_line, records)))


def as_line(record: Record) -> str:
    return json.dumps(record, allow_nan=False) + "\n"


def train_log(records: Sequence[Record], lengths: tuple[int, ...]) -> TrainLog:
    """The curves of a training that was evaluated at these lengths."""
    steps = [record for record in records if "loss" in record]
    evaluations = [record for record in records if "string_accuracy" in record]

    def accuracy(kind: str) -> np.ndarray:
        values = [[record[kind][str(length)] for length in lengths] for record in evaluations]
        return np.array(values, dtype=float).reshape(-1, len(lengths))

    return TrainLog(
        examples=np.array([record["examples"] for record in steps], dtype=int),
        loss=np.array([record["loss"] for record in steps], dtype=float),
        learning_rate=np.array([record["learning_rate"] for record in steps], dtype=float),
        evaluated_at=np.array([record["examples"] for record in evaluations], dtype=int),
        lengths=lengths,
        string_accuracy=accuracy("string_accuracy"),
        letter_accuracy=accuracy("letter_accuracy"),
    )
