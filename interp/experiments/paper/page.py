"""The claims as a page of the site, made from `results.json` alone: tables in Markdown, figures from beside it."""

from interp.base import words
from interp.experiments.claim import ClaimResult, Claims, Plot

HOLDS = {"yes": "holds", "no": "fails", "unsure": "too small to tell"}
PAGE = "paper.md"
MOST_COLUMNS = 14
"""Points of a figure that are also a table; learning curves have more, and are in the figure and in `curves.csv`."""


def markdown(found: Claims, figures: str | None = None) -> str:
    """Write the page.

    Args:
        found: what was decided.
        figures: folder of the figures' pages, seen from this one, which then shows them; None shows tables alone.
    """
    there, planned = (sum(count) for count in zip(*((len(c.runs), c.planned) for c in found.claims), strict=True))
    lines = [
        "# The paper, claim by claim",
        "",
        f"{found.paper}, at the size `{found.size}`: what each claim says, what was measured (means and intervals over "
        "trainings, at equal examples), and whether it holds at this size, by a rule that was stated before and is "
        "applied by the program. Made by `interp reproduce` from what its runs have found; see "
        "[how to rerun it](how-to/reproduce-the-paper.md).",
        "",
        *_unfinished(there, planned),
        "| claim | where | holds | measured, 95 % | runs | CPU minutes |",
        "|---|---|---|---|---|---|",
        *(
            f"| [{c.title}](#{_anchor(c.title)}) | {c.where} | **{HOLDS[c.holds]}** | {measured(c)} | {run_count(c)} | "
            f"{c.seconds / 60:.1f} |"
            for c in found.claims
        ),
        "",
        *_contradictions(found),
    ]
    for claim in found.claims:
        lines += _section(claim, figures)
    return "\n".join(lines).rstrip() + "\n"


def measured(claim: ClaimResult) -> str:
    """The number of a claim with its interval; an end that is not there is said."""
    if claim.interval is None:
        return words.number(claim.measured)
    low, high = (words.number(end) if end is not None else "none" for end in claim.interval)
    return f"{words.number(claim.measured)} [{low}, {high}]"


def run_count(claim: ClaimResult) -> str:
    """How many of its runs are there."""
    return f"{len(claim.runs)} of {claim.planned}" if len(claim.runs) < claim.planned else str(len(claim.runs))


def figure_name(claim: ClaimResult, plot: Plot) -> str:
    """Name of a figure among those of all claims."""
    return f"{claim.id}-{plot.name}"


def _unfinished(there: int, planned: int) -> list[str]:
    if there >= planned:
        return []
    return [
        f"**Not all runs are there yet: {there} of {planned}** (a run that several claims use counts for each). A "
        "claim is decided from those that are; more may change it.",
        "",
    ]


def _contradictions(found: Claims) -> list[str]:
    """Where the paper or its critics are contradicted, said first."""
    told = [f"- [{c.title}](#{_anchor(c.title)}). {c.means}" for c in found.claims if "contradicts" in c.means]
    return ["## What is contradicted", "", *(told or ["Nothing, so far as it was decided."]), ""]


def _section(claim: ClaimResult, figures: str | None) -> list[str]:
    so_far = f", so far, from {run_count(claim)} runs" if len(claim.runs) < claim.planned else ""
    lines = [
        f"## {claim.title}",
        "",
        f"**The paper says** ({claim.where}): {claim.statement}",
        "",
        f"**Measured**: {claim.says}",
        "",
        f"**{HOLDS[claim.holds].capitalize()}{so_far}**{f': {claim.means}' if claim.means else '.'}",
        "",
        f"The rule: {claim.rule}",
        "",
    ]
    if claim.quantity:
        lines += [f"The number is {claim.quantity}: {measured(claim)}.", ""]
    for plot in claim.plots:
        lines += _plot(claim, plot, figures)
    if claim.parameters:
        sizes = ", ".join(f"{arm} {count:,}" for arm, count in claim.parameters.items())
        lines += [f"Parameters: {sizes}.", ""]
    minutes = f"{claim.seconds / 60:.1f} minutes of processor time"
    lines += [f"{claim.seeds} trainings of each kind are asked for; {run_count(claim)} runs, {minutes}.", ""]
    notes = [*claim.kept, *claim.notes, *(f"failed: {run}" for run in claim.failed)]
    return [*lines, *(f"- {note}" for note in notes), *([""] if notes else [])]


def _plot(claim: ClaimResult, plot: Plot, figures: str | None) -> list[str]:
    """A figure, and its points as a table where they are few."""
    lines = [f"*{plot.title}* ({plot.y} by {plot.x})", ""]
    if figures is not None:
        name = f"{figures}/{figure_name(claim, plot)}.html"
        lines += [f'<iframe class="figure" src="{name}" title="{plot.title}" loading="lazy"></iframe>', ""]
    columns = sorted({x for curve in plot.curves for x in curve.x})
    if not columns or len(columns) > MOST_COLUMNS:
        return lines
    lines += [f"| | {' | '.join(f'{x:g}' for x in columns)} |", "|---" * (len(columns) + 1) + "|"]
    for curve in plot.curves:
        values = dict(zip(curve.x, curve.y, strict=True))
        cells = [_cell(values.get(x)) for x in columns]
        lines.append(f"| {curve.arm} | {' | '.join(cells)} |")
    return [*lines, ""]


def _cell(value: float | None) -> str:
    """Shares to three digits, examples whole."""
    if value is None:
        return words.ABSENT
    return f"{value:,.0f}" if abs(value) >= 1000 else words.number(value, 3)


def _anchor(title: str) -> str:
    return "".join(c for c in title.lower().replace(" ", "-") if c.isalnum() or c == "-")
