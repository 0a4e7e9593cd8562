"""Whether a circuit is the whole of how a model copies, as an answer and in words."""

import numpy as np

from interp.base import words
from interp.base.estimates import share_interval
from interp.results.circuits import HeadTables, SelfRepair
from interp.results.sufficiency import CircuitTest
from interp.studies.study import Answer, Evidence, Verdict

HALF = 0.5
"""Share of the model's right strings from which on a circuit that falls short of the wanted share is a part of it."""


def circuit_verdict(
    circuit: CircuitTest, lookups: tuple[HeadTables, ...], repair: SelfRepair | None, share: float
) -> Verdict:
    """Whether the circuit alone is enough on new strings.

    Yes if it reaches the wanted share, unsure if only its interval does; else partly, from half of the model's strings
    on, or no.

    Args:
        circuit: tested on strings on which it was not looked for.
        lookups, repair: lookup heads, for the evidence.
        share: of the strings that the whole model gets right, that the circuit was looked for with.
    """
    n, spare = circuit.alone.strings.shape[1], sum(not needed for needed in circuit.needed(share))
    kept = circuit.accuracy / circuit.whole if circuit.whole else 0.0
    least, most = share * circuit.whole, _most_without(circuit)
    random = circuit.random.strings.astype(float)
    answer = _answer(kept, circuit.accuracy >= least, circuit.interval.high >= least)
    because = [
        Evidence("circuit_edges", float(len(circuit.edges)), n=circuit.n_edges),
        Evidence("string_accuracy", circuit.whole, share_interval(circuit.none_and_all.strings[1].astype(float)), n=n),
        Evidence("string_accuracy_alone", circuit.accuracy, circuit.interval, least, n, circuit.edges),
        Evidence("string_accuracy_without_one", most, threshold=least, n=n),
        Evidence("string_accuracy_random", float(random.mean()), n=random.size),
        *(evidence for head in lookups if abs(head.score.mean()) > 1e-9 for evidence in _shares(head)),
    ]
    if repair is not None and len(repair.heads) > 1:
        because.append(
            Evidence(
                "redundancy", repair.redundancy, repair.redundancy_interval(), n=len(repair.clean), about=repair.heads
            )
        )
    caveats = [f"{words.count(spare, 'edge')} of it could go on these strings, each alone"] if spare else []
    if len(random) and np.allclose(circuit.random.loss, circuit.alone.loss):
        caveats.append(
            "random circuits are this one over again: between its layers there are no other sets of so many edges, "
            "or none that does anything else"
        )
    caveats.append("another set of edges may be smaller still; edges were taken away one after the other")
    return Verdict(answer, tuple(because), tuple(caveats), _says(circuit, lookups, most))


def _shares(head: HeadTables) -> list[Evidence]:
    """What makes a lookup head's preference for the source: its hash and, if there are any, recurrent layers."""
    n, about = len(head.score), (head.head,)
    hashed = Evidence("hash_share", head.diagonal_share, head.diagonal_interval(), n=n, about=about)
    if not head.recurrent_share:
        return [hashed]
    return [hashed, Evidence("recurrent_share", head.recurrent_share, head.recurrent_interval(), n=n, about=about)]


def _answer(kept: float, enough: bool, perhaps: bool) -> Answer:
    if kept <= HALF:
        return "no"
    return "yes" if enough else "unsure" if perhaps else "partly"


def _most_without(circuit: CircuitTest) -> float:
    """The largest share of strings that is right without one of its edges."""
    return float(circuit.without.strings.mean(axis=1).max()) if circuit.edges else 0.0


def _says(circuit: CircuitTest, lookups: tuple[HeadTables, ...], most: float) -> str:
    says = (
        f"{words.count(len(circuit.edges), 'edge')} of {circuit.n_edges} "
        f"{'copies' if len(circuit.edges) == 1 else 'copy'}: with them alone {words.percent(circuit.accuracy)} of "
        f"strings are right ({words.percent(circuit.interval.low)} to {words.percent(circuit.interval.high)}; "
        f"{words.methods([circuit.interval])}), with the whole model {words.percent(circuit.whole)}, without any one "
        f"of them at most {words.percent(most)}."
    )
    shown = [head for head in lookups if abs(head.score.mean()) > 1e-9]
    by_letter = [head for head in shown if abs(head.recurrent_share) < HALF]
    if parts := [f"{words.percent(head.diagonal_share, 0)} of {head.head}'s" for head in by_letter]:
        says += (
            f" Letters that meet at the same distance back make {words.names(parts)} preference for the source over "
            "other letters."
        )
    mixed = [head for head in shown if head not in by_letter]
    if parts := [f"{words.percent(head.recurrent_share, 0)} of {head.head}'s" for head in mixed]:
        says += (
            f" What recurrent layers wrote makes {words.names(parts)} preference for the source over other letters; "
            "they mix letters, so that this is not told apart by letter."
        )
    return says
