"""Whether some edges are enough: curves over the share of edges kept, and tests of one circuit, beside random ones."""

from collections import defaultdict
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.measure.ablation.sweep import PerStringScores
from interp.measure.circuits.edge_sweep import edge_sweep, keeping
from interp.measure.circuits.nodes import Edge, Graph
from interp.measure.progress import OnStep
from interp.measure.values import MeanPerPosition, Value
from interp.models.stack.model import StackModel
from interp.results.sufficiency import CircuitCurve, CircuitTest, EdgeScores
from interp.tasks.base import Batch, ContrastPair
from interp.tasks.vocabulary import Vocabulary

SHARES = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Shares of edges that are kept, as in MIB (Mueller et al. 2025)."""


@checked_call
def circuit_curve(
    model: StackModel,
    strings: Batch | ContrastPair,
    vocabulary: Vocabulary,
    scores: Float[np.ndarray, " edge"],
    value: Value | None = None,
    shares: Sequence[float] = SHARES,
    draws: int = 5,
    seed: int = 0,
    on_step: OnStep = lambda _: None,
) -> CircuitCurve:
    """Keep the edges with the highest scores alone, more and more of them, and say what is left of the behaviour.

    Args:
        model: one of ours.
        strings: what it is asked; of a pair the corrupted run stands on the other edges.
        vocabulary: which tokens are letters.
        scores: how much each edge matters, in the order of `Graph.edges`; the sign counts, so take |effect|.
        value: as in `edge_sweep`.
        shares: of the edges, that are kept.
        draws: random circuits for each share: as many edges between the same layers.
        seed: of these.
        on_step: told how far it is.

    Raises: UserError for scores of another model, or shares that are not between 0 and 1.
    """
    graph = Graph.of(model)
    check_scores(graph, scores)
    if not shares or any(not 0 < share < 1 for share in shares) or sorted(set(shares)) != list(shares):
        raise UserError(f"shares must rise, each above 0 and below 1; got {tuple(shares)}. All edges are added.")
    order = np.argsort(-scores, kind="stable")
    kept = [max(0, round(share * len(order))) for share in shares]
    best = [[graph.edges[i] for i in order[:n]] for n in kept]
    random = [each for edges in best for each in random_circuits(graph, edges, draws, seed)]
    sets = keeping(graph, [[], graph.edges, *best, *random])
    found = edge_sweep(model, strings, vocabulary, sets, value, on_step=on_step)
    n = len(shares)
    return CircuitCurve(
        edges=tuple(graph.names[i] for i in order),
        shares=tuple(map(float, shares)),
        kept=tuple(kept),
        value=_name(strings, value),
        none_and_all=edge_scores(found, slice(0, 2)),
        best=edge_scores(found, slice(2, 2 + n)),
        random=edge_scores(found, slice(2 + n, None)),
    )


@checked_call
def try_circuit(
    model: StackModel,
    strings: Batch | ContrastPair,
    vocabulary: Vocabulary,
    edges: Any,
    value: Value | None = None,
    draws: int = 10,
    seed: int = 0,
    on_step: OnStep = lambda _: None,
) -> CircuitTest:
    """Test whether a circuit is enough, and whether each of its edges is needed in it.

    Args:
        model, strings, vocabulary, value, draws, seed, on_step: as in `circuit_curve`.
        edges: the circuit, by names such as "L0H1->L1H4.k" or as `Edge`s.

    Raises: UserError for an edge that does not exist, and for edges that lie on no path from the embedding to the
        unembedding.
    """
    graph = Graph.of(model)
    circuit = graph.parse(edges)
    graph.require_connected(circuit)
    without = [[other for other in circuit if other != edge] for edge in circuit]
    random = random_circuits(graph, circuit, draws, seed)
    sets = keeping(graph, [[], graph.edges, circuit, *without, *random])
    found = edge_sweep(model, strings, vocabulary, sets, value, on_step=on_step)
    return CircuitTest(
        edges=tuple(edge.name for edge in circuit),
        n_edges=len(graph.edges),
        value=_name(strings, value),
        none_and_all=edge_scores(found, slice(0, 2)),
        alone=edge_scores(found, slice(2, 3)),
        without=edge_scores(found, slice(3, 3 + len(circuit))),
        random=edge_scores(found, slice(3 + len(circuit), None)),
    )


def random_circuits(graph: Graph, edges: Sequence[Edge], draws: int, seed: int) -> list[list[Edge]]:
    """Draw circuits with as many edges between each pair of layers as these have."""
    random, pools = np.random.default_rng(seed), defaultdict(list)
    for edge in graph.edges:
        pools[edge.writer.layer, edge.reader.layer].append(edge)
    profile: dict[tuple[int, int], int] = defaultdict(int)
    for edge in edges:
        profile[edge.writer.layer, edge.reader.layer] += 1
    return [
        [pools[layers][i] for layers, n in profile.items() for i in random.permutation(len(pools[layers]))[:n]]
        for _ in range(draws)
    ]


def check_scores(graph: Graph, scores: np.ndarray) -> None:
    """Refuse scores that are not one finite number for each edge."""
    if len(scores) != len(graph.edges) or not np.isfinite(scores).all():
        raise UserError(
            f"scores must be a finite number for each of the model's {len(graph.edges)} edges; got "
            f"{len(scores)} of them, {int(np.isfinite(scores).sum())} finite. Keep the order of Graph.of(model).edges."
        )


def edge_scores(found: PerStringScores, sets: slice) -> EdgeScores:
    """Some sets of a sweep, as arrays."""
    return EdgeScores(
        strings=found.string_correct[sets].cpu().numpy(),
        letters=found.letter_correct[sets].double().cpu().numpy(),
        loss=found.loss[sets].double().cpu().numpy(),
        logit_difference=found.logit_difference[sets].double().cpu().numpy(),
    )


def _name(strings: Batch | ContrastPair, value: Value | None) -> str:
    return "corrupted" if isinstance(strings, ContrastPair) else (value or MeanPerPosition()).kind
