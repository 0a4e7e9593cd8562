"""What the command lines of `analyses/` share: their options, the device they name, and how they end.

A script defines its options as a frozen dataclass on top of `Common`, does its work in `main(options)`, and ends with

    if __name__ == "__main__":
        run(main, Options)

Its module docstring is what `--help` says first. `--help` stays fast as long as the script imports torch, and what
needs torch, no earlier than in `main`; the names of `interp` itself (`interp.load`, `interp.train`) wait by themselves.
"""

import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

import tyro

from interp.base.errors import InterpError, UserError, unknown

if TYPE_CHECKING:
    import torch

Options = TypeVar("Options")
INTERRUPTED = 130  # 128 + SIGINT, as shells report it
LARGEST_SEED = 2**32 - 1


@dataclass(frozen=True)
class Common:
    """Options that every analysis has."""

    model: str = "hard-alibi"
    """What to look at: a run folder; a preset, trained once and kept (hard-alibi, rope, nope, alibi; mamba, mamba2,
    lstm, hybrid); a model built by hand (planted:ngram?n=3); or a language model in the Hugging Face format
    (hf:PATH_OR_NAME)."""
    out: Path | None = None
    """Folder for what is found; by default a folder of its own under results/."""
    device: str = "auto"
    """auto (CUDA if there is any, else the CPU), cpu, cuda or cuda:N."""
    seed: int = 0
    """Of everything that is drawn at random."""
    retrain: bool = False
    """Train a preset anew, even if it is kept from an earlier run."""
    tiny: bool = False
    """A quick look at the machinery on few strings; the numbers mean nothing."""


def run(main: Callable[[Options], object], options: type[Options], args: Sequence[str] | None = None) -> NoReturn:
    """Parse the command line into `options`, call `main` with them, and leave.

    An InterpError ends in its message on stderr and its exit code, without a traceback; Ctrl-C in 130. Anything else
    is a bug and keeps its traceback.
    """
    # Read when torch is loaded. On busy cores OpenMP's threads otherwise burn, waiting for each other, more than they
    # save: a training step on two such cores took ten times as long as on one.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    docstring = sys.modules[main.__module__].__doc__
    plain_words = (
        tyro.conf.FlagCreatePairsOff,
        tyro.conf.DisallowNone,
    )  # --tiny, without --no-tiny; PATH, not {None}|PATH
    chosen = tyro.cli(options, description=docstring, args=args, config=plain_words)
    try:
        refuse_what_cannot_be(chosen)
        main(chosen)
    except InterpError as error:
        leave(str(error), error.exit_code)
    except KeyboardInterrupt as interrupt:
        leave(f"Interrupted. {interrupt}".rstrip(), INTERRUPTED)
    except (MemoryError, RuntimeError) as error:
        if not _lacks_memory(error):
            raise
        wanted = "What was asked for does not fit into memory; take shorter strings, or a smaller model."
        leave(f"{wanted} ({str(error).splitlines()[0]})" if str(error) else wanted, InterpError.exit_code)
    sys.exit(0)


def _lacks_memory(error: Exception) -> bool:
    """Whether memory did not suffice: PyTorch has an error of its own for CUDA alone."""
    return isinstance(error, MemoryError) or "allocate memory" in str(error) or "out of memory" in str(error)


def refuse_what_cannot_be(options: Any) -> None:
    """Before any work: a seed that no generator takes, a place where nothing can be kept.

    Raises: UserError.
    """
    if not 0 <= (seed := getattr(options, "seed", 0)) <= LARGEST_SEED:
        raise UserError(f"a seed is a whole number from 0 to {LARGEST_SEED}; {seed} came.")
    out: Path | None = getattr(options, "out", None)
    if out is not None:
        there = next(path for path in (out, *out.absolute().parents) if path.exists())
        if not there.is_dir():
            raise UserError(f"--out {out} should be a folder, and {there} is a file; choose another.")
        if not os.access(there, os.W_OK | os.X_OK):
            raise UserError(f"--out {out} cannot be written: {there} does not allow it; choose another.")


def leave(message: str, exit_code: int) -> NoReturn:
    sys.stderr.write(f"{message}\n")
    sys.exit(exit_code)


def result_folder(analysis: str, options: Any, model: str | None = None) -> Path:
    """Where an analysis leaves what it finds: `--out`, or a folder under results/ named by time and model.

    `model` names the model where `--model` alone does not.
    """
    if options.out is not None:
        return options.out
    name = "".join(c if c.isalnum() or c in "-=" else "-" for c in model or options.model).strip("-")
    return Path("results") / analysis / f"{datetime.now(UTC):%Y%m%d-%H%M%S}-{name}"


def resolve_device(name: str = "auto") -> "torch.device":
    """The device of that name. `auto` is CUDA, then the CPU.

    Raises: UserError for a name that means nothing, for a device that this machine does not have, and for MPS, which
        lacks float64.
    """
    import torch

    if name == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    kind, colon, index = name.partition(":")
    if kind == "mps":
        raise UserError("device mps has no float64, in which measurements are summed; take cpu or auto.")
    if kind not in ("cpu", "cuda") or (colon and not (kind == "cuda" and index.isdecimal())):
        raise unknown("device", name, ("auto", "cpu", "cuda", "cuda:0"))
    if kind == "cuda" and int(index or 0) >= (found := torch.cuda.device_count()):
        raise UserError(f"device {name} was asked for, and this machine has {found} CUDA devices; take cpu or auto.")
    return torch.device(name)
