"""What a training writes down: one record per step, one per evaluation, and the `TrainLog` that they make.

{"step": 1, "examples": 64, "loss": 3.4, "learning_rate": 8e-05, "gradient": 1.2}
{"step": 50, "examples": 3200, "string_accuracy": {"30": 0.1}, "letter_accuracy": {"30": 0.7}}
"""

import json
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from interp.base.errors import InterpError
from interp.base.files import read_bytes, write_text
from interp.base.words import names
from interp.results.training import Mark, TrainLog
from interp.training.phase import Phase
from interp.training.recipe import TrainConfig

Record = dict[str, Any]
MOST_BYTES = 2**31
"""Bytes of a log, at most."""


def read_records(path: Path, until: int | None = None) -> list[Record]:
    """The records of a `log.jsonl`, in order, of steps up to `until`.

    A last line cut off by a kill is left out. Another line that holds no record is left out, too, and said in a warning
    with its number: the model beside the log is none the worse for it.

    Raises: InterpError if the file cannot be read.
    """
    lines = read_bytes(path, "the training log", MOST_BYTES).split(b"\n")[:-1]
    found = [_record(line) for line in lines]
    if odd := [number for number, record in enumerate(found, 1) if record is None]:
        shown = ", ".join(map(str, odd[:6]))
        warnings.warn(
            f"the training log at {path} has lines that are not records; they are left out: {shown}.", stacklevel=2
        )
    return [record for record in found if record is not None and (until is None or record["step"] <= until)]


def _record(line: bytes) -> Record | None:
    """A line as a record of a step or of an evaluation; None if it is neither."""
    try:
        record = json.loads(line)
    except (ValueError, RecursionError):
        return None
    if not isinstance(record, dict) or not all(isinstance(record.get(name), int) for name in ("step", "examples")):
        return None
    numbers = [record.get(name) for name in ("loss", "learning_rate")]
    if all(isinstance(number, int | float) for number in numbers):
        return record
    rates = [record.get(name) for name in ("string_accuracy", "letter_accuracy")]
    whole = all(isinstance(rate, dict) and all(isinstance(x, int | float) for x in rate.values()) for rate in rates)
    return record if whole else None


class LogFile:
    """A `log.jsonl`, written line by line and at once; its first records are those of a training that is resumed."""

    def __init__(self, path: Path, earlier: Sequence[Record] = ()) -> None:
        self.path = write_records(path, earlier)
        self.file = self.path.open("ab", buffering=0)  # nothing is left to be written when it is closed

    def write(self, record: Record) -> None:
        try:
            line = as_line(record).encode()
            while line:  # a disk that is nearly full takes a part
                line = line[self.file.write(line) :]
        except OSError as error:
            raise InterpError(
                f"{self.path} must be writable; got an error ({error.strerror or error}). Make room, then resume."
            ) from error

    def close(self) -> None:
        self.file.close()


def write_records(path: Path, records: Sequence[Record]) -> Path:
    """Write records to a file, one JSON object per line, whole or not at all."""
    return write_text(path, "".join(map(as_line, records)))


def as_line(record: Record) -> str:
    """Write a record as a line of JSON."""
    return json.dumps(record, allow_nan=False) + "\n"


def train_log(records: Sequence[Record], config: TrainConfig) -> TrainLog:
    """The curves of a training by this recipe, and what changed along the way."""
    lengths = config.evaluate_lengths
    steps = [record for record in records if "loss" in record]
    evaluations = [record for record in records if "string_accuracy" in record]

    def accuracy(kind: str) -> np.ndarray:
        values = [[record[kind].get(str(length), np.nan) for length in lengths] for record in evaluations]
        return np.array(values, dtype=float).reshape(-1, len(lengths))

    return TrainLog(
        examples=np.array([record["examples"] for record in steps], dtype=int),
        loss=np.array([record["loss"] for record in steps], dtype=float),
        learning_rate=np.array([record["learning_rate"] for record in steps], dtype=float),
        evaluated_at=np.array([record["examples"] for record in evaluations], dtype=int),
        lengths=lengths,
        string_accuracy=accuracy("string_accuracy"),
        letter_accuracy=accuracy("letter_accuracy"),
        marks=_marks(config, {0: 0, **{record["step"]: record["examples"] for record in steps}}),
    )


def _marks(config: TrainConfig, examples: dict[int, int]) -> tuple[Mark, ...]:
    """What began at steps that were reached."""
    begins = {phase.begin: phase for phase in config.phases}
    if config.hard_letters is not None:
        begins.setdefault(config.hard_from, config.phase_at(config.hard_from))
    return tuple(
        Mark(step, examples[step], _words(phase, config)) for step, phase in sorted(begins.items()) if step in examples
    )


def _words(phase: Phase, config: TrainConfig) -> str:
    """What is asked from a phase on: only what may differ from what was before."""
    low, high = phase.lengths
    said = [f"strings of {low}{f' to {high}' if high > low else ''} letters"] if config.phases else []
    if phase.hard_letters is not None:
        sizes = phase.hard_letters if isinstance(phase.hard_letters, tuple) else (phase.hard_letters,)
        said.append(f"half of {'them' if said else 'the strings'} over {names(sizes, last='or')} letters")
    if phase.rate != 1:
        said.append(f"{phase.rate:g} times the learning rate")
    return ", ".join(said)
