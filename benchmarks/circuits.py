"""Exact edge patching: every edge of a model replaced in turn, beside one run of the model for each edge.

Both compute the same, which is checked before the clock starts; the other way has hooks on the reader of the edge and
on its writer, and nothing else. The ratios are of median processor times; the last line is JSON.
"""

import json
from typing import Any

import torch
import tyro
from rounds import Run, measure, table, times_ours
from torch import Tensor

from interp.measure.circuits.attribution import edge_effects
from interp.measure.circuits.edge_sweep import all_but_each, edge_sweep
from interp.measure.circuits.nodes import Graph
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks.copy import CopyTask

CONFIG = TransformerConfig(n_layers=2, n_heads=8, d_model=128, d_vocab=30, windows=(2, 3, 4, 5, 6, None, None, None))
"""The shape of the preset hard-alibi."""
LETTERS = 30


def sweeps(strings: int) -> dict[str, Run]:
    """Every edge replaced by its writer's mean at the position: loss and letters right, string by string."""
    model, task = HookedTransformer(CONFIG, seed=0), CopyTask()
    batch, kept = task.sample(strings, LETTERS, 0), all_but_each(Graph.of(model))

    def run(slow: bool) -> tuple[Tensor, Tensor]:
        found = edge_sweep(model, batch, task.vocabulary, kept, slow=slow)
        return found.loss, found.letter_correct

    torch.testing.assert_close(run(False), run(True))
    return {"ours": lambda: run(False), "one run for each edge": lambda: run(True)}


def methods(strings: int) -> dict[str, Run]:
    """The same edges by gradients, which are estimates."""
    model, task = HookedTransformer(CONFIG, seed=0), CopyTask()
    batch: Any = task.sample(strings, LETTERS, 0)
    names = {"ours": "exact", "EAP": "eap", "EAP-IG": "eap-ig", "AtP*": "atp"}
    return {key: lambda name=name: edge_effects(model, batch, task.vocabulary, name) for key, name in names.items()}


def main(repeats: int = 5, strings: int = 32, threads: int = 1) -> None:
    """Measure, print tables, and the ratio as one line of JSON.

    Args:
        repeats: rounds that count.
        strings: of 30 letters.
        threads: of PyTorch.
    """
    torch.set_num_threads(threads)
    found = measure(sweeps(strings), repeats)
    edges = len(Graph.of(HookedTransformer(CONFIG, seed=0)).edges)
    print(table("edge patching, milliseconds", {f"{edges} edges": found}))
    print(table("exact (ours) and estimates, milliseconds", {f"{edges} edges, 17 nodes": measure(methods(strings), 2)}))
    print(json.dumps({"edge_sweep_speedup": times_ours(found, "one run for each edge"), "edges": edges}))


if __name__ == "__main__":
    tyro.cli(main)
