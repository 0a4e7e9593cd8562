"""What measuring a state costs against the length of the strings: time and peak memory, both linear at most.

Everything that `saturation_study` measures, on equally many strings at each length, but for the string that is watched
step by step, whose length has a bound of its own. A Mamba of 2 layers and d_model 128, not trained: that changes no
cost. Each length runs in a process of its own, on one thread; its peak memory counts all that is imported. `growth` is
the exponent of the power law through the totals (1: linear). The last line is JSON.
"""

import json
import multiprocessing
import resource
import time
from multiprocessing.connection import Connection

import numpy as np
import torch
import tyro

from interp.measure.state.ablations import state_ablations
from interp.measure.state.bits import used_bits
from interp.measure.state.expected import expected_accuracy
from interp.measure.state.geometry import geometry
from interp.measure.state.probes import ProbeSettings, held_bits
from interp.measure.state.remembrance import remembrance
from interp.measure.state.size import effective_size
from interp.measure.state.transplant import transplants
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig
from interp.tasks.copy import CopyTask
from interp.training.evaluate import accuracy_by_length

CONFIG = MambaConfig(n_layers=2, d_model=128, d_state=16, d_vocab=30)
LENGTHS = (64, 128, 256, 512)
PROBES = ProbeSettings(train=512, temper=256, test=256)
PARTS = {
    "accuracy": lambda model, task, n, strings, rng: accuracy_by_length(model, task, [n], strings, rng, True),
    "used": lambda model, task, n, strings, rng: used_bits(model, task, [n], strings, rng),
    "held": lambda model, task, n, _, rng: held_bits(model, task, [n], rng, PROBES, model),
    "expected": lambda model, task, n, strings, rng: expected_accuracy(model, task, [n], strings, rng),
    "size": lambda model, task, n, strings, rng: effective_size(model, task, [n], strings, rng),
    "geometry": lambda model, task, n, strings, rng: geometry(model, task, [n], strings, rng),
    "remembrance": lambda model, task, n, strings, rng: remembrance(model, task, [n], strings, rng),
    "transplant": lambda model, task, n, strings, rng: transplants(model, task, n, strings, rng),
    "ablation": lambda model, task, n, strings, rng: state_ablations(model, task, n, strings, rng, ("mean",)),
}
"""Measures by name, of strings of n letters."""


def measured(length: int, strings: int, out: Connection) -> None:
    """Seconds of processor time of each measure, and the peak memory in MB, of strings of one length."""
    torch.set_num_threads(1)
    model, task, generator = HookedMamba(CONFIG, seed=0), CopyTask(), torch.Generator().manual_seed(0)
    seconds = {}
    for name, measure in PARTS.items():
        begin = time.process_time()  # not disturbed by what else runs
        measure(model, task, length, strings, generator)
        seconds[name] = time.process_time() - begin
    out.send((seconds, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024))


def in_a_process(length: int, strings: int) -> tuple[dict[str, float], float]:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    process = context.Process(target=measured, args=(length, strings, there))
    process.start()
    there.close()
    try:
        return here.recv()
    finally:
        process.join()


def exponent(lengths: tuple[int, ...], values: list[float]) -> float:
    """Exponent of the power law through the values: 1 is linear."""
    return float(np.polyfit(np.log(lengths), np.log(values), 1)[0])


def main(lengths: tuple[int, ...] = LENGTHS, strings: int = 64, quick: bool = False) -> None:
    """Measure, print a table, and the numbers as one line of JSON.

    Args:
        lengths: letters per string, ascending.
        strings: for each length and measure; probes have as many as they take.
        quick: two short lengths, and few strings.
    """
    if quick:
        lengths, strings = (16, 32), 8
    print(f"{'letters':>8}" + "".join(f"{name:>12}" for name in PARTS) + f"{'in all, s':>11}{'peak, MB':>10}")
    in_a_process(1, 4)  # imports are read from the disk, and do not count
    totals, peaks = [], []
    for length in lengths:
        seconds, peak = in_a_process(length, strings)
        totals.append(sum(seconds.values()))
        peaks.append(peak)
        row = "".join(f"{seconds[name]:12.2f}" for name in PARTS)
        print(f"{length:8}{row}{totals[-1]:11.2f}{peak:10.0f}", flush=True)
    found = {
        "seconds": round(sum(totals), 1),
        "peak_mb": round(max(peaks)),
        "time_growth": round(exponent(lengths, totals), 2),
        "memory_growth": round(exponent(lengths, peaks), 2),
    }
    print(json.dumps(found))


if __name__ == "__main__":
    tyro.cli(main)
