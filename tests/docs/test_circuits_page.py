"""The page on trained circuits says what `docs/circuits/` holds, row by row, and its verdicts go by a rule."""

from pathlib import Path

import numpy as np

from interp.base import words
from interp.base.estimates import mean_interval, student_interval
from interp.base.interval import Interval
from interp.results.copybench import BenchResult
from interp.results.formation import Order, order_of
from interp.studies.circuit.result import CircuitStudy

DOCS = Path(__file__).parents[2] / "docs"
SEEDS = tuple(f"hard-alibi-{seed}" for seed in range(5))
ASKED = (
    ("gather heads attend before lookup heads", "gather heads: attention", "lookup heads: attention to the source"),
    ("lookup heads attend before the loss falls", "lookup heads: attention to the source", "loss"),
    ("the hash of the last letter is there before the loss falls", "hash: letter 0 back", "loss"),
    ("the last letter is hashed before the one before it", "hash: letter 0 back", "hash: letter 1 back"),
    ("that one before the third last", "hash: letter 1 back", "hash: letter 2 back"),
    ("that one before the fourth last", "hash: letter 2 back", "hash: letter 3 back"),
    ("letters are right before strings are", "letters right", "strings right"),
)
"""What was asked of the order, the change that would come first, and the one that would come later."""


def studies() -> dict[str, CircuitStudy]:
    return {name: CircuitStudy.load(DOCS / "circuits" / name) for name in (*SEEDS, "hybrid", "mamba")}


def circuit_row(name: str, study: CircuitStudy) -> str:
    found, curve, ends = study.circuit, study.curve, study.curve.intervals()
    cells = [
        name,
        f"{len(found.edges)} of {found.n_edges}",
        f"{found.whole:.0%}",
        f"{found.accuracy:.0%} [{found.interval.low:.0%}, {found.interval.high:.0%}]",
        f"{found.without.strings.mean(axis=1).max():.0%}",
        f"{found.random.strings.mean():.0%}",
        f"{curve.cpr():.3f} [{ends['cpr'].low:.3f}, {ends['cpr'].high:.3f}] ({curve.random_cpr():.3f})",
        f"{curve.cmd():.3f} [{ends['cmd'].low:.3f}, {ends['cmd'].high:.3f}] ({curve.random_cmd():.3f})",
        study.verdict.answer,
    ]
    return f"| {' | '.join(cells)} |"


def text(ends: Interval) -> str:
    return f"[{ends.low:.2f}, {ends.high:.2f}]"


def share_text(ends: Interval) -> str:
    return f"[{ends.low:.0%}, {ends.high:.0%}]"


def head_row(name: str, study: CircuitStudy) -> str:
    repair = study.repair
    if repair is None:
        return f"| {name} | none | | | | | |"
    low, high = repair.redundancy_interval()
    cells = [
        name,
        ", ".join(repair.heads),
        ", ".join(f"{head.diagonal_share:.0%} {share_text(head.diagonal_interval())}" for head in study.lookups),
        ", ".join(f"{head.recurrent_share:.0%}" for head in study.lookups),
        ", ".join(f"{lost.mean():.2f} {text(mean_interval(lost))}" for lost in repair.total),
        ", ".join(f"{back + 0:.2f}" for back in repair.repaired.mean(axis=1).round(2)),
        f"{repair.redundancy:.2f} [{low:.2f}, {high:.2f}]" if len(repair.heads) > 1 else "",
    ]
    return f"| {' | '.join(cells)} |"


def mean_row(found: dict[str, CircuitStudy]) -> str:
    """The five trainings together: means, and Student's intervals over them."""
    values = {
        "edges": [len(found[name].circuit.edges) for name in SEEDS],
        "CPR": [found[name].curve.cpr() for name in SEEDS],
        "CMD": [found[name].curve.cmd() for name in SEEDS],
    }
    cells = []
    for name, of in values.items():
        low, high = student_interval(np.array(of, dtype=float))
        cells.append(f"{name} {np.mean(of):.3g} [{low:.3g}, {high:.3g}]")
    return f"Over the five trainings: {words.names(cells)}."


def moment_row(order: Order, change: str) -> str:
    low, high = order.interval(change)
    return f"| {change} | {order.moment[order.changes.index(change)].mean():,.0f} [{low:,.0f}, {high:,.0f}] |"


def lag_row(order: Order, asked: tuple[str, str, str]) -> str:
    """Yes where the whole interval of the lag lies above 0, no where below."""
    says, earlier, later = asked
    if not {earlier, later} <= {*order.changes}:
        return f"| {says} | | not asked: some training lacks the change |"
    mean, (low, high) = order.lag(earlier, later)
    answer = "yes" if low > 0 else "no, later" if high < 0 else "not told apart"
    return f"| {says} | {mean:,.0f} [{low:,.0f}, {high:,.0f}] | {answer} |"


def rows() -> list[str]:
    found = studies()
    order = order_of({name: formation for name in SEEDS if (formation := found[name].formation) is not None})
    return [
        *(circuit_row(name, study) for name, study in found.items()),
        mean_row(found),
        *(head_row(name, study) for name, study in found.items()),
        *(moment_row(order, change) for change in order.changes),
        *(lag_row(order, asked) for asked in ASKED),
    ]


def test_every_row_of_the_page_is_what_was_measured_and_every_verdict_that_of_the_rule():
    page = (DOCS / "circuits.md").read_text(encoding="utf-8").splitlines()
    expected = rows()
    assert [line for line in page if line in expected] == expected
    tables = [
        line for line in page if line.startswith("| ") and not line.startswith(("| model", "| change", "| question"))
    ]
    assert len(tables) == len(expected) - 1
    assert all(study.circuit.edges for study in studies().values())


def test_the_page_of_copybench_has_the_tables_of_its_204_models():
    found, page = BenchResult.load(DOCS / "copybench"), (DOCS / "copybench.md").read_text(encoding="utf-8")
    assert found.table() in page and found.kinds_table() in page
    assert len(found.models) == 204 and "204 models, numbers 0 to 203" in page
    assert (
        f"{min(found.n_edges)} to {max(found.n_edges)} edges, of which {min(found.n_true)} to {max(found.n_true)}"
        in page
    )
