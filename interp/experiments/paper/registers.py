"""Theorem 2.7 and Corollary 2.8: what a state of |S| values can copy at most, and a register that copies just that."""

from collections.abc import Sequence
from math import log2

from interp.experiments.claim import Claim, Curve, Judged, Plot
from interp.experiments.kept import Found
from interp.experiments.paper import length as length_claim
from interp.experiments.paper.curves import LEARNED, by_arm, is_recurrent, share
from interp.experiments.plan import PLANTED, Measurement, RunPlan

CELLS = {
    "tiny": ((1, 2), (2, 3)),
    "laptop": ((2, 2), (4, 2), (8, 2), (2, 4), (4, 4), (2, 26)),
}
"""K letters that are kept, D of them."""
MOST = {"tiny": 3**4, "laptop": 2**17}
"""Strings of a length that are all asked."""


def plans(size: str, seeds: Sequence[int]) -> tuple[RunPlan, ...]:
    """Registers, asked all strings; and the recurrent models of the claim on length, with their states counted."""
    small = "laptop" if size == "paper" else size
    made = []
    for k, alphabet in CELLS[small]:
        lengths = tuple(n for n in range(1, 17) if alphabet**n <= MOST[small])
        model = {"kind": PLANTED, "spec": f"register?k={k}&alphabet={alphabet}"}
        measures = (Measurement("every_string", lengths=lengths),)
        name = f"registers/K{k}/D{alphabet}"
        made.append(RunPlan(name, f"register K={k} D={alphabet}", model, f"copy?alphabet={alphabet}", None, measures))
    trained = [plan for plan in length_claim.trainings(size, seeds) if plan.model["kind"] != "transformer"]
    return (*made, *trained)


def judge(found: Sequence[Found], size: str) -> Judged:
    """Hold each register to the bound, exactly, over all strings; say how far trained models are from theirs."""
    del size
    registers = [one for one in found if one.plan.planted]
    off, cells = 0, 0
    for one in registers:
        for _, right, most in _cells(one):
            cells += 1
            off += right != most
    return Judged(
        holds="unsure" if not cells else "no" if off else "yes",
        quantity="lengths at which a register copies more or fewer of all strings than the bound allows",
        measured=float(off) if cells else None,
        interval=None,
        says=f"Over {len(registers)} registers and {cells} lengths, all strings asked, {cells - off} times exactly "
        "min(1, D^(K - L)) of them are copied, as the bound allows with equality.",
        plots=_plots(registers),
        notes=tuple(_far(arm, runs) for arm, runs in by_arm(x for x in found if is_recurrent(x)).items()),
    )


def _cells(found: Found) -> list[tuple[int, int, int]]:
    """Length, strings that are copied, and how many the bound allows."""
    numbers = found.values["every_string"]
    k = int(found.plan.model["spec"].partition("k=")[2].partition("&")[0])
    most = [numbers["alphabet"] ** min(k, length) for length in numbers["lengths"]]
    return list(zip(numbers["lengths"], numbers["right"], most, strict=True))


def _far(arm: str, runs: Sequence[Found]) -> str:
    """How many letters a trained model copies, and how many its state would hold."""
    reached = []
    for one in runs:
        numbers = one.values["accuracy"]
        good = [length for length in numbers["lengths"] if share(one, "accuracy", length) >= LEARNED]
        reached.append(max(good, default=0))
    state = runs[0].values.get("state")
    holds = f"; its state would hold {state['bits'][0] / log2(26):,.0f}" if state else ""
    return f"{arm}: 95 % of strings are copied up to {min(reached)} to {max(reached)} letters over its trainings{holds}"


def _plots(registers: Sequence[Found]) -> tuple[Plot, ...]:
    curves = []
    for one in registers:
        numbers = one.values["every_string"]
        shares = tuple(right / numbers["alphabet"] ** length for length, right, _ in _cells(one))
        lengths = tuple(map(float, numbers["lengths"]))
        curves.append(Curve(one.plan.arm, lengths, shares, shares, shares, (1,) * len(shares)))
    return (Plot("registers", "Share of all strings that are copied", "letters", "share", tuple(curves), log_y=True),)


CLAIM = Claim(
    id="registers",
    title="What a state of fixed size can copy",
    where="Theorem 2.7, Corollary 2.8",
    statement="A model whose state takes |S| values fails on a share of more than 1 - |S| / D^L of uniform strings; "
    "with less than L log D - 1 bits it fails on more than half of them.",
    rule="Registers of K letters, built by hand, have |S| = D^K; over all strings of a length: yes if exactly "
    "min(1, D^(K - L)) of them are copied at every length, the bound with equality; otherwise no. Trained models "
    "stand beside it and decide nothing.",
    plans=plans,
    judge=judge,
    means={
        "yes": "The bound is met with equality: it cannot be made sharper.",
        "no": "This contradicts the theorem, or shows a fault of our registers.",
    },
    compares=lambda plan: plan.planted,
)
