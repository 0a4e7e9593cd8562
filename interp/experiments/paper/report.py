"""The page of all claims, its tables and figures, the same as Markdown for the site, and what a terminal shows."""

from pathlib import Path

from interp.base import words
from interp.base.files import write_text
from interp.experiments.claim import ClaimResult, Claims
from interp.experiments.paper.figures import claim_figure, curve_rows
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import Row
from interp.studies.study import Table

HOLDS = {"yes": "holds", "no": "fails", "unsure": "too small to tell"}
TEMPLATE = "experiments/paper/report.html"
PAGE = "paper.md"


def write_paper_report(found: Claims, folder: str | Path) -> Path:
    """Write the page, its figures, tables and Markdown, and what `found.save(folder)` writes.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written.
    """
    figures = {f"{claim.id}-{plot.name}": claim_figure(plot) for claim in found.claims for plot in claim.plots}
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
    plots_of = {claim.id: [f"{claim.id}-{plot.name}" for plot in claim.plots] for claim in found.claims}
    beside = Beside({"": found}, figures, tables)
    page = write_study_page(folder, TEMPLATE, frame, beside, claims=found.claims, plots_of=plots_of, holds=HOLDS)
    write_text(Path(folder) / PAGE, markdown(found))
    return page


def tables(found: Claims) -> list[Table]:
    """One line for each claim, for a terminal."""
    columns = ("claim", "where", "holds", "measured, 95 %", "runs", "CPU minutes")
    rows = tuple(
        (c.id, c.where, HOLDS[c.holds], measured(c), str(len(c.runs)), f"{c.seconds / 60:.1f}") for c in found.claims
    )
    return [Table(f"{found.paper}, size {found.size}", columns, rows)]


def measured(claim: ClaimResult) -> str:
    """The number of a claim with its interval; an end that is not there is said."""
    if claim.interval is None:
        return words.number(claim.measured)
    low, high = (words.number(end) if end is not None else "none" for end in claim.interval)
    return f"{words.number(claim.measured)} [{low}, {high}]"


def markdown(found: Claims) -> str:
    """The page for the site, from `results.json` alone."""
    lines = [
        "# The paper, claim by claim",
        "",
        f"{found.paper}, at the size `{found.size}`. Made from `results.json` by `interp reproduce`: what each claim "
        "says, what was measured (means and intervals over trainings, at equal examples), and whether it holds at "
        "this size, by the rule that is stated.",
        "",
        "| claim | where | holds | measured, 95 % | seeds | runs | CPU minutes |",
        "|---|---|---|---|---|---|---|",
        *(
            f"| [{c.title}](#{_anchor(c.title)}) | {c.where} | **{HOLDS[c.holds]}** | {measured(c)} | {c.seeds} | "
            f"{len(c.runs)} | {c.seconds / 60:.1f} |"
            for c in found.claims
        ),
        "",
    ]
    for claim in found.claims:
        lines += _section(claim)
    return "\n".join(lines)


def _section(claim: ClaimResult) -> list[str]:
    lines = [
        f"## {claim.title}",
        "",
        f"**The paper says** ({claim.where}): {claim.statement}",
        "",
        f"**Measured**: {claim.says}",
        "",
        f"**{HOLDS[claim.holds].capitalize()}**, by this rule: {claim.rule}",
        "",
    ]
    if claim.quantity:
        lines += [f"The number is {claim.quantity}: {measured(claim)}.", ""]
    for plot in claim.plots:
        columns = sorted({x for curve in plot.curves for x in curve.x})
        if len(columns) > 14:
            continue  # learning curves: in the figure and in curves.csv
        lines += [f"*{plot.title}* ({plot.y} by {plot.x})", "", f"| | {' | '.join(f'{x:g}' for x in columns)} |"]
        lines += ["|---" * (len(columns) + 1) + "|"]
        for curve in plot.curves:
            values = dict(zip(curve.x, curve.y, strict=True))
            cells = [words.number(values[x], 3) if values.get(x) is not None else words.ABSENT for x in columns]
            lines.append(f"| {curve.arm} | {' | '.join(cells)} |")
        lines.append("")
    if claim.parameters:
        sizes = ", ".join(f"{arm} {count:,}" for arm, count in claim.parameters.items())
        lines += [f"Parameters: {sizes}.", ""]
    notes = [*claim.kept, *claim.notes, *(f"failed: {run}" for run in claim.failed)]
    return [*lines, *(f"- {note}" for note in notes), *([""] if notes else [])]


def _anchor(title: str) -> str:
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")


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
        "failed": len(claim.failed),
        "cpu_seconds": round(claim.seconds, 1),
    }
