"""Methods of circuit discovery on planted copiers, whose edges are known: AUROC, CMD, exact recovery, with intervals.

The table is that of `docs/copybench.md`; how a method is added stands in `interp.measure.circuits.copybench`. The last
line is JSON. Whole it takes about a quarter of an hour of one processor. In parts, on several machines or one after the
other:

    python benchmarks/copybench.py --models 102 --out parts/0
    python benchmarks/copybench.py --models 102 --first 102 --out parts/102
    python benchmarks/copybench.py --join parts/0 parts/102 --out whole
"""

import json
import sys
from pathlib import Path

import torch
import tyro

from interp.measure.circuits.copybench import copybench, standard_methods
from interp.results.copybench import BenchResult, joined

KEYS = {"ours": "ours", "EAP": "eap", "EAP-IG": "eap_ig", "AtP*": "atp", "exact": "exact"}


def main(
    models: int = 204,
    first: int = 0,
    strings: int = 12,
    out: Path | None = None,
    join: tuple[Path, ...] = (),
    threads: int = 1,
) -> None:
    """Grade the methods of this package, print tables, and the mean AUROC of each as one line of JSON.

    Args:
        models: how many; 12 kinds take turns.
        first: number of the first.
        strings: probes of each match length that the detector of heads looks at.
        out: folder that the result is saved to.
        join: folders of parts; nothing is run, and their models are put together.
        threads: of PyTorch.
    """
    torch.set_num_threads(threads)
    if join:
        result = joined([BenchResult.load(folder) for folder in join])
    else:
        result = copybench(standard_methods(strings), models, first, said)
    if out is not None:
        result.save(out)
    report(result)


def said(step: str) -> None:
    """Say how far it is, apart from the tables."""
    print(step, file=sys.stderr, flush=True)


def report(result: BenchResult) -> None:
    """Print the tables, and the line of JSON."""
    print(result.table(), result.kinds_table(), sep="\n\n", end="\n\n")
    means = dict(zip(result.methods, result.auroc.mean(axis=1), strict=True))
    found = {f"auroc_{key}": round(float(means[name]), 4) for name, key in KEYS.items()}
    print(json.dumps(found | {"models": len(result.models)}))


if __name__ == "__main__":
    tyro.cli(main)
