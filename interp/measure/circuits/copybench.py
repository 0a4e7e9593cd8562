"""copybench: planted copiers as a benchmark for circuit discovery, with the truth as edges.

A method gets a `Puzzle` and returns a score for each edge, in the order of `puzzle.graph.edges`; the rest is done for
it. This is a whole one:

    import numpy as np
    from interp.measure.circuits.copybench import Puzzle, copybench
    from interp.measure.circuits.edge_sweep import all_but_each, edge_sweep

    def loss_of_each(puzzle: Puzzle) -> np.ndarray:
        found = edge_sweep(puzzle.model, puzzle.batch, puzzle.task.vocabulary, all_but_each(puzzle.graph))
        return found.loss.mean(dim=1).numpy()

    print(copybench({"loss of each": loss_of_each}, models=12).table())
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from scipy.stats import rankdata

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.circuits.attribution import edge_effects
from interp.measure.circuits.detect import detected_edges
from interp.measure.circuits.nodes import Graph
from interp.measure.circuits.sufficiency import check_scores, circuit_curve
from interp.measure.heads.settings import HeadSettings
from interp.measure.progress import OnStep
from interp.models.planted import draw, plant
from interp.models.planted.edges import PlantedEdges, planted_edges
from interp.models.transformer import HookedTransformer
from interp.results.copybench import BenchResult
from interp.tasks.base import Batch
from interp.tasks.copy import CopyTask

KINDS = (
    "windows",
    "offsets",
    "deep",
    "shared-gather",
    "two-steps",
    "rotary",
    "alibi",
    "busy",
    "shared",
    "redundant",
    "backup",
    "mixed",
)
"""Kinds of planted circuits that are asked (`interp.models.planted.KINDS`): those that copy by looking up alone."""
STRINGS, LETTERS = 8, 20
"""Strings of a puzzle, and letters of each."""
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Shares of edges of the curve whose area is the CMD."""


@dataclass(frozen=True)
class Puzzle:
    """A model whose copying circuit is to be found, and strings to find it with."""

    model: HookedTransformer
    task: CopyTask
    batch: Batch
    """Strings that it copies."""
    graph: Graph
    """Its edges, in the order in which scores are wanted."""
    seed: int
    """A seed for methods that draw something."""


Method = Callable[[Puzzle], Any]
"""Gives a score for each edge of a puzzle, high for those of the circuit: an array [edge]."""


@checked_call
def planted_puzzle(number: int) -> tuple[str, Puzzle, PlantedEdges]:
    """Make a puzzle by its number: its name, the puzzle, and the truth.

    >>> name, puzzle, truth = planted_puzzle(0)
    >>> name, truth.mechanism <= set(puzzle.graph.names)
    ('windows&seed=0', True)
    """
    kind, seed = KINDS[number % len(KINDS)], number // len(KINDS)
    circuit = draw(kind, seed)
    model, task = plant(circuit)[0], CopyTask(circuit.alphabet)
    batch = task.sample(STRINGS, LETTERS, number)
    return f"{kind}&seed={seed}", Puzzle(model, task, batch, Graph.of(model), number), planted_edges(circuit)


@checked_call
def copybench(
    methods: Mapping[str, Any] | None = None,
    models: int = 204,
    first: int = 0,
    on_step: OnStep = lambda _: None,
) -> BenchResult:
    """Grade methods of circuit discovery on planted copiers.

    They differ in n (1 to 7), alphabet, decoys and random heads, norms and positions, with letters gathered by windows,
    one by one, together or in two steps, by one lookup head or several that share, repeat or back each other up, in a
    stream that is turned at random. The truth is `planted_edges`: edges that only hold a backup head back count neither
    way.

    Args:
        methods: name -> a method; None: those of this package (`standard_methods`).
        models: how many.
        first: number of the first.
        on_step: told how far it is.

    Raises: UserError for fewer than two models, no method, or scores that do not fit.
    """
    methods = standard_methods() if methods is None else methods
    if models < 2 or not methods:
        raise UserError(
            f"copybench must have at least 2 models and a method; got {models} and {len(methods)}. 204 models are 17 "
            "of each kind."
        )
    names, sizes, grades = [], [], []
    for number in range(first, first + models):
        name, puzzle, truth = planted_puzzle(number)
        on_step(f"{name}, {number - first + 1} of {models}")
        names.append(name)
        sizes.append((len(puzzle.graph.edges), len(truth.mechanism)))
        grades.append([_grade(puzzle, truth, np.asarray(method(puzzle), dtype=float)) for method in methods.values()])
    auroc, cmd, recovered = np.moveaxis(np.array(grades), (2, 1, 0), (0, 1, 2))
    return BenchResult(
        methods=tuple(methods),
        models=tuple(names),
        n_edges=tuple(size for size, _ in sizes),
        n_true=tuple(size for _, size in sizes),
        auroc=auroc,
        cmd=cmd,
        recovered=recovered > 0.5,
    )


def standard_methods(strings: int = 12) -> dict[str, Method]:
    """Make the methods of this package, and a random order to hold them against.

    Args:
        strings: probes of each match length that the detector of heads looks at.
    """

    def by_gradient(name: str, puzzle: Puzzle) -> Float[np.ndarray, " edge"]:
        return edge_effects(puzzle.model, puzzle.batch, puzzle.task.vocabulary, name).scores

    def ours(puzzle: Puzzle) -> Float[np.ndarray, " edge"]:
        return detected_edges(puzzle.model, puzzle.task, puzzle.batch, HeadSettings(strings=strings), puzzle.seed)

    def by_node(puzzle: Puzzle) -> Float[np.ndarray, " edge"]:
        return edge_effects(puzzle.model, puzzle.batch, puzzle.task.vocabulary, "eap").edges_by_node()

    def at_random(puzzle: Puzzle) -> Float[np.ndarray, " edge"]:
        return np.random.default_rng(puzzle.seed).random(len(puzzle.graph.edges))

    return {
        "ours": ours,
        "attribution patching": by_node,
        "EAP": partial(by_gradient, "eap"),
        "EAP-IG": partial(by_gradient, "eap-ig"),
        "AtP*": partial(by_gradient, "atp"),
        "exact": partial(by_gradient, "exact"),
        "random": at_random,
    }


def _grade(puzzle: Puzzle, truth: PlantedEdges, scores: np.ndarray) -> tuple[float, float, float]:
    """AUROC, CMD, and whether the mechanism was recovered."""
    check_scores(puzzle.graph, scores)
    graded = np.array([name not in truth.either for name in puzzle.graph.names])
    true = np.array([name in truth.mechanism for name in puzzle.graph.names])
    found = scores[true].min() > scores[graded & ~true].max()
    curve = circuit_curve(puzzle.model, puzzle.batch, puzzle.task.vocabulary, scores, shares=SHARES, draws=0)
    return auroc(scores[graded], true[graded]), curve.cmd(), float(found)


@checked_call
def auroc(scores: Float[np.ndarray, " edge"], true: Bool[np.ndarray, " edge"]) -> float:
    """Chance that a true edge has a higher score than one that is not, ties counting half.

    >>> auroc(np.array([0.9, 0.4, 0.4]), np.array([True, True, False]))
    0.75
    """
    n, ranks = int(true.sum()), rankdata(scores)
    return float((ranks[true].sum() - n * (n + 1) / 2) / (n * (len(true) - n)))
