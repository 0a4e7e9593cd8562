"""What a terminal shows of a study of heads: those with a role, and what their ablation does."""

from interp.base import words
from interp.results.ablation import AblationResult
from interp.results.heads import HeadScore
from interp.studies.heads.report.rows import matches
from interp.studies.heads.result import HashHeadStudy
from interp.studies.study import Table

SHOWN = ("all", "edges")
"""Groups of ablations that are shown; the others are in ablations.csv."""


def tables(study: HashHeadStudy) -> list[Table]:
    """The heads with a role, what happens without all lookup heads, and without all flagged heads that have no role."""
    heads = [_head(head) for head in study.heads if head.role != "none"]
    shown = [h.interval if h.role == "lookup" else h.gather_interval for h in study.heads if h.role != "none"]
    chosen = [ablation for ablation in study.ablations if ablation.group in SHOWN]
    roles = Table(
        "Heads with a role",
        ("head", "role", "n", "attention or effect", "q", "gathers letters back"),
        tuple(heads),
        words.intervals_note(n="percentile bootstrap", attention_or_effect=shown),
    )
    without = Table(
        "Without the lookup heads",
        ("ablated", "strings right", "drop", "control"),
        tuple(map(_ablation, chosen)),
        words.intervals_note(drop=[found.interval for found in chosen]),
    )
    others = [ablation for ablation in study.ablations if ablation.group == "no role"][-1:]
    besides = Table(
        "Without the other heads that attend to the source",
        without.columns,
        tuple(map(_ablation, others)),
        words.intervals_note(drop=[found.interval for found in others]),
    )
    return [table for table in (roles, without, besides) if table.rows]


def _head(head: HeadScore) -> tuple[str, ...]:
    if head.role == "lookup":
        return (
            head.name,
            head.role,
            words.names([head.n] if head.n is not None else [matches(head)]) + _ends(head),
            words.with_interval(head.score, head.interval),
            f"{head.q_value:.4f}",
            "",
        )
    effect = words.with_interval(head.gather_effect, head.gather_interval)
    return head.name, head.role, "", effect, "", " ".join(map(str, head.offsets))


def _ends(head: HeadScore) -> str:
    """The interval of n, where there is more than one n in it."""
    ends = head.n_interval
    return "" if ends is None or ends[0] == ends[1] else f" [{ends[0]}, {ends[1]}]"


def _ablation(found: AblationResult) -> tuple[str, ...]:
    strings = f"{words.percent(found.string_accuracy_before)} → {words.percent(found.string_accuracy_after)}"
    control = "none" if found.control_mean is None else words.percent(found.control_mean)
    return found.name, strings, words.interval(found.interval), control
