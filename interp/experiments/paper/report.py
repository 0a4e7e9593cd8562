"""The page of all claims, its tables and figures, and what a terminal shows; `page` has the same for the site."""

from pathlib import Path

from interp.base.files import write_text
from interp.experiments.claim import ClaimResult, Claims
from interp.experiments.paper.figures import claim_figure, curve_rows
from interp.experiments.paper.page import HOLDS, PAGE, figure_name, markdown, measured, run_count
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import Row
from interp.studies.study import Table

TEMPLATE = "experiments/paper/report.html"


def write_paper_report(found: Claims, folder: str | Path) -> Path:
    """Write the page, its figures, tables and Markdown, and what `found.save(folder)` writes.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written.
    """
    figures = {figure_name(claim, plot): claim_figure(plot) for claim in found.claims for plot in claim.plots}
    tables = {
        "claims.csv": [_row(claim) for claim in found.claims],
        "curves.csv": [row for claim in found.claims for plot in claim.plots for row in curve_rows(claim.id, plot)],
    }
    frame = Frame(
        title="Do transformers copy better than state-space models?",
        eyebrow=f"interp · {found.paper} · size {found.size}",
        verdicts=tuple((claim.title, f"{HOLDS[claim.holds].capitalize()}. {claim.says}") for claim in found.claims),
        sections={claim.id: claim.title for claim in found.claims} | {"provenance": "Provenance"},
        provenance=found.provenance,
    )
    plots_of = {claim.id: [figure_name(claim, plot) for plot in claim.plots] for claim in found.claims}
    beside = Beside({"": found}, figures, tables)
    page = write_study_page(
        folder,
        TEMPLATE,
        frame,
        beside,
        claims=found.claims,
        plots_of=plots_of,
        holds=HOLDS,
        counts={claim.id: run_count(claim) for claim in found.claims},
    )
    write_text(Path(folder) / PAGE, markdown(found))
    return page


def tables(found: Claims) -> list[Table]:
    """One line for each claim, for a terminal."""
    columns = ("claim", "where", "holds", "measured, 95 %", "runs", "CPU minutes")
    rows = tuple(
        (c.id, c.where, HOLDS[c.holds], measured(c), run_count(c), f"{c.seconds / 60:.1f}") for c in found.claims
    )
    return [Table(f"{found.paper}, size {found.size}", columns, rows)]


def _row(claim: ClaimResult) -> Row:
    low, high = claim.interval or (None, None)
    return {
        "claim": claim.id,
        "where": claim.where,
        "size": claim.size,
        "seeds": claim.seeds,
        "holds": claim.holds,
        "quantity": claim.quantity,
        "measured": claim.measured,
        "low": low,
        "high": high,
        "runs": len(claim.runs),
        "planned": claim.planned,
        "failed": len(claim.failed),
        "cpu_seconds": round(claim.seconds, 1),
    }
