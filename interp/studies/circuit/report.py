"""The page of a circuit: its graph, its edges, how much is left with fewer, its lookup heads taken apart, attention on
one string, self-repair, and how it formed where steps were kept.

The words and the markup are in `report.html`.
"""

from pathlib import Path
from typing import Any

import plotly.graph_objects as go

from interp.base import words
from interp.base.estimates import mean_interval
from interp.figures.attention.view import SCRIPTS, attention_view
from interp.figures.attention.view import shown as shown_view
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.results.circuits import HeadTables, SelfRepair
from interp.results.formation import Formation
from interp.results.sufficiency import CircuitTest
from interp.studies.circuit.figures import circuit_graph, faithfulness, formation, hash_figure, hash_movie
from interp.studies.circuit.result import CircuitStudy
from interp.studies.study import Table

SHOWN = 8
"""Entries of a table by writers that the page shows; the files hold all."""


def write_circuit_report(study: CircuitStudy, folder: str | Path) -> Path:
    """Write the page of a study, its figures and tables alone, and what `study.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    spec = str(study.model.get("spec", "this model"))
    sections = {"circuit": "Circuit", "faithfulness": "Fewer edges"}
    sections |= {"lookups": "Lookup heads"} if study.lookups else {}
    sections |= {"attention": "Attention"} if study.attention else {}
    sections |= {"repair": "Self-repair"} if study.repair else {}
    sections |= {"formation": "Formation"} if study.formation else {}
    frame = Frame(
        title=f"Which parts of {spec} copy?",
        eyebrow=f"interp · circuit · {spec}",
        verdicts=(("", str(study.verdict)),),
        sections={**sections, "provenance": "Provenance"},
        provenance=study.provenance,
        models=(("", study.model),),
    )
    formed = study.formation
    csv = {"edges.csv": edge_rows(study.circuit)}
    csv |= {f"score_{head.head}.csv": writer_rows(head) for head in study.lookups}
    csv |= {"repair.csv": repair_rows(study.repair)} if study.repair else {}
    csv |= {"formation.csv": formation_rows(formed)} if formed else {}
    shows: dict[str, Any] = {
        "circuit": study.circuit,
        "edges": edge_rows(study.circuit),
        "caveats": study.verdict.caveats,
        "lookups": [(head, head.largest(SHOWN), _logit(head)) for head in study.lookups],
        "repair": study.repair,
        "repaired": repair_rows(study.repair) if study.repair else [],
        "redundancy": _redundancy(study.repair),
        "attention": shown_view(study.attention) if study.attention else None,
        "formation": formed,
        "moments": moment_rows(formed) if formed else [],
    }
    alone = {"attention": ("Attention", attention_view(study.attention).html)} if study.attention else {}
    beside = Beside({"": study}, study_figures(study), csv, alone)
    scripts = SCRIPTS if study.attention else ()
    return write_study_page(folder, "studies/circuit/report.html", frame, beside, scripts, **shows)


def study_figures(study: CircuitStudy) -> dict[str, go.Figure]:
    """Every figure of a study by its name, in the order of the page."""
    figures = {"circuit": circuit_graph(study.circuit, study.scores), "faithfulness": faithfulness(study.curve)}
    figures |= {f"hash_{head.head}": hash_figure(head) for head in study.lookups}
    formed = study.formation
    if formed is not None:
        figures["formation"] = formation(formed)
        figures |= {f"movie_{name}": hash_movie(formed, i) for i, name in enumerate(formed.lookups)}
    return figures


def formation_rows(formed: Formation) -> list[dict[str, Any]]:
    """One row a kept step: every quantity as the figure has it."""
    curves = formed.curves()
    return [
        {"step": step, "examples": int(formed.examples[i])} | {name: float(of[i]) for name, of in curves.items()}
        for i, step in enumerate(formed.steps)
    ]


def moment_rows(formed: Formation) -> list[tuple[str, float]]:
    """What changed, and the examples at which it was half done, first to last."""
    found = [(name, at) for name, at in formed.moments().items() if at == at]
    return sorted(found, key=lambda row: row[1])


def edge_rows(circuit: CircuitTest) -> list[dict[str, Any]]:
    """One row an edge of the circuit: what is left without it."""
    without = circuit.without
    return [
        {
            "edge": name,
            "string_accuracy_without": float(without.strings[i].mean()),
            "letter_accuracy_without": float(without.letters[i].mean()),
            "loss_without": float(without.loss[i].mean()),
            "loss_rise": float((without.loss[i] - circuit.alone.loss[0]).mean()),
        }
        for i, name in enumerate(circuit.edges)
    ]


def writer_rows(head: HeadTables) -> list[dict[str, Any]]:
    """One row an entry of a head's score: query's writer, key's writer."""
    means = head.by_writer.mean(axis=0)
    return [
        {"query_writer": q, "key_writer": k, "score": float(means[i, j])}
        for i, q in enumerate(head.writers)
        for j, k in enumerate(head.writers)
    ]


def repair_rows(repair: SelfRepair) -> list[dict[str, Any]]:
    """One row a head: direct and total effect, what is made up for, and the node that wins most back."""
    rows = []
    for i, name in enumerate(repair.heads):
        won = repair.won_back[i].mean(axis=1)
        best = int(won.argmax()) if len(won) else None
        rows.append(
            {
                "head": name,
                "direct": float(repair.direct[i].mean()),
                "total": float(repair.total[i].mean()),
                "made_up_for": float(repair.repaired[i].mean()),
                "made_up_for_interval": mean_interval(repair.repaired[i]),
                "most_by": repair.others[best] if best is not None and won[best] > 0 else None,
                "won_back": float(won[best]) if best is not None and won[best] > 0 else None,
            }
        )
    return [{**row, "made_up_for_interval": words.interval(row["made_up_for_interval"])} for row in rows]


def tables(study: CircuitStudy) -> list[Table]:
    """The circuit's edges, its lookup heads and what is made up for, for a terminal."""
    rows = [
        (row["edge"], words.percent(row["string_accuracy_without"]), words.number(row["loss_rise"]))
        for row in edge_rows(study.circuit)
    ]
    found = [Table("The circuit", ("without the edge", "strings right", "rise in loss"), tuple(rows))]
    heads = [
        (head.head, words.number(head.score.mean()), words.percent(head.diagonal_share), f"{head.error:.0e}")
        for head in study.lookups
    ]
    if heads:
        columns = ("lookup head", "score of the source above other letters", "letters at the same distance", "error")
        found.append(Table("Why they look there", columns, tuple(heads)))
    if study.repair is not None:
        columns = ("without", "lost directly", "lost in all", "made up for")
        rows = [
            (row["head"], *(words.number(row[name]) for name in ("direct", "total", "made_up_for")))
            for row in repair_rows(study.repair)
        ]
        found.append(Table("Self-repair (logit difference)", columns, tuple(rows)))
    return found


def _logit(head: HeadTables) -> list[tuple[str, float, str]]:
    """Who raises the copied letter most: name, mean, interval."""
    means = head.logit_parts.mean(axis=0)
    order = sorted(range(len(means)), key=lambda i: -abs(means[i]))[:SHOWN]
    return [
        (head.logit_writers[i], float(means[i]), words.interval(mean_interval(head.logit_parts[:, i]))) for i in order
    ]


def _redundancy(repair: SelfRepair | None) -> str:
    if repair is None or len(repair.heads) < 2:
        return ""
    return words.with_interval(repair.redundancy, repair.redundancy_interval())
