"""Where records go while a model trains: `log.jsonl` always, TensorBoard and Weights & Biases if asked for."""

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from interp.base.errors import InterpError, UserError, unknown
from interp.training.log import Record, as_line, write_records


class Sink(ABC):
    """Takes the records of `interp.training.log`, one at a time."""

    @abstractmethod
    def write(self, record: Record) -> None: ...

    def close(self) -> None:  # noqa: B027  # most have something to close, not all
        """Called once, however the training ends."""


class JsonlSink(Sink):
    """One JSON object per line, written at once; the first are the records of a training that is resumed."""

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


class TensorBoardSink(Sink):
    """Event files in `folder`, one curve per number; the x-axis is examples seen."""

    def __init__(self, folder: str | Path) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError as error:
            raise UserError(
                "the package tensorboard must be installed for this sink; got no such package. Run pip install "
                "tensorboard."
            ) from error
        self.writer = SummaryWriter(str(folder))

    def write(self, record: Record) -> None:
        for name, value in flat(record):
            self.writer.add_scalar(name, value, record["examples"])

    def close(self) -> None:
        self.writer.close()


class WandbSink(Sink):
    """A run of Weights & Biases; `WANDB_MODE=offline` keeps it on this machine."""

    def __init__(self, folder: str | Path, config: dict[str, Any] | None = None, project: str = "interp") -> None:
        try:
            import wandb
        except ImportError as error:
            raise UserError(
                "the package wandb must be installed for this sink; got no such package. Run pip install wandb."
            ) from error
        Path(folder).mkdir(parents=True, exist_ok=True)
        self.run = wandb.init(project=project, dir=str(folder), config=config)

    def write(self, record: Record) -> None:
        self.run.log({"examples": record["examples"], **dict(flat(record))})

    def close(self) -> None:
        self.run.finish()


SINKS: dict[str, type[TensorBoardSink] | type[WandbSink]] = {"tensorboard": TensorBoardSink, "wandb": WandbSink}


def make_sink(name: str, folder: str | Path) -> Sink:
    """A sink by name, writing below a run folder.

    Raises: UserError for an unknown name, or one whose library is not installed.
    """
    if name not in SINKS:
        raise unknown("sink", name, SINKS)
    return SINKS[name](Path(folder) / name)


def flat(record: Record) -> Iterator[tuple[str, float]]:
    """The numbers of a record under one name each: `string_accuracy/30`."""
    for name, value in record.items():
        if isinstance(value, dict):
            yield from ((f"{name}/{key}", number) for key, number in value.items())
        elif name not in ("step", "examples"):
            yield name, value
