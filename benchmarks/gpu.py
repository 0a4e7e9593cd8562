"""What the toolkit costs on a GPU, and whether it gives the CPU's numbers there: one run that tells all.

Parts, in the order of what must be known first: equality with the CPU; a training step of each preset's model beside
the CPU's, plain SDPA's and Hugging Face's; scans by each method that is installed; trainings and studies; peak memory
at 16,384 tokens; a model of the paper's size. Each part runs in a process of its own within its own time, and each of
its rows by itself: what fails or takes too long is reported, and the rest runs. The last line is JSON.

    python benchmarks/gpu.py                         everything, in less than six minutes
    python benchmarks/gpu.py --parts scans memory    two parts
    python benchmarks/gpu.py --device cpu --quick    a look at the machinery, without a GPU
"""

import json
import sys
import time
from dataclasses import dataclass
from importlib import import_module
from multiprocessing import get_context
from multiprocessing.connection import Connection
from typing import Any, Literal

import torch
import transformers
import tyro

from interp.models.scan.kernels import KERNELS, missing

PARTS = {"equality": 45, "steps": 60, "scans": 55, "studies": 90, "memory": 35, "paper": 50}
"""Seconds that each part has, its imports among them; what is not done then is left out."""
Part = Literal["equality", "steps", "scans", "studies", "memory", "paper"]
Row = dict[str, Any]


@dataclass
class Outcome:
    """What came of a part."""

    rows: list[Row]
    seconds: float
    failed: str | None


def run_part(name: str, device: str, quick: bool, seconds: float) -> Outcome:
    """Run a part in a process of its own, and show its rows as they come; after its time it is stopped."""
    context = get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=send_rows, args=(name, device, quick, there))
    begin, rows, failed = time.monotonic(), [], None
    process.start()
    there.close()
    try:
        while here.poll(max(0.0, begin + seconds - time.monotonic())):
            rows.append(here.recv())
            print(f"  {told(rows[-1])}", flush=True)
        failed = f"stopped after {seconds:.0f} s"
        process.kill()
    except EOFError:  # it has ended
        process.join()
        failed = f"exit code {process.exitcode}" if process.exitcode else None
    process.join()
    if failed:
        print(f"  {name}: {failed}", flush=True)
    return Outcome(rows, round(time.monotonic() - begin, 1), failed)


def send_rows(name: str, device: str, quick: bool, there: Connection) -> None:
    """The part's own process."""
    for row in import_module(f"on_gpu.{name}").rows(device, quick):
        there.send(row)


def told(row: Row) -> str:
    """A row of the table: what was measured, and its numbers."""
    numbers = [f"{key} {_short(value)}" for key, value in row.items() if key != "what"]
    return f"{row['what']:48}{'  '.join(numbers)}"


def _short(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1000 else f"{value:,.0f}"
    return str(value)


def faults(parts: dict[str, Outcome]) -> list[str]:
    """Parts that did not end, and rows that failed."""
    rows = [f"{name}: {row['what']}" for name, outcome in parts.items() for row in outcome.rows if "error" in row]
    return [f"{name}: {outcome.failed}" for name, outcome in parts.items() if outcome.failed] + rows


def machine(device: str) -> Row:
    """What the numbers were measured on."""
    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "CPU"
    kernels = {scan: missing(scan) or "installed" for scan in KERNELS}
    versions = {"torch": torch.__version__, "cuda": torch.version.cuda, "transformers": transformers.__version__}
    return {"device": name, **versions, "python": sys.version.split()[0], "kernels": kernels}


def main(parts: tuple[Part, ...] = (), device: str = "cuda", quick: bool = False) -> None:
    """Measure, print rows as they come, and everything as one line of JSON.

    Args:
        parts: which, in this order; none names all.
        device: where; a CPU only shows that the machinery works.
        quick: small sizes.
    """
    if device.startswith("cuda") and not torch.cuda.is_available():
        print("There is no CUDA device; --device cpu --quick shows that the machinery works.")
        sys.exit(2)
    about = machine(device)
    print(json.dumps(about))
    outcomes: dict[str, Outcome] = {}
    for name in parts or PARTS:
        print(f"{name}, within {PARTS[name]} s", flush=True)
        outcomes[name] = run_part(name, device, quick, PARTS[name])
    failed = faults(outcomes)
    print(f"failed: {'; '.join(failed)}" if failed else "nothing failed")
    print(json.dumps({"machine": about, "parts": {k: vars(v) for k, v in outcomes.items()}, "failed": failed}))
    sys.exit(bool(failed))


if __name__ == "__main__":
    tyro.cli(main)
