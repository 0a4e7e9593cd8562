"""The figures of the page on the paper: drawn anew from `docs/paper/results.json` whenever the site is built."""

from pathlib import Path

from sphinx.application import Sphinx


def write(app: Sphinx, error: Exception | None) -> None:
    """`_static/paper/report.html` and the figures beside it, which the page shows."""
    if error is not None:
        return
    from interp.experiments.claim import Claims
    from interp.experiments.paper.report import write_paper_report
    from interp.experiments.paper.site import BESIDE

    write_paper_report(Claims.load(Path(app.srcdir) / BESIDE), Path(app.outdir) / "_static" / "paper")


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("build-finished", write)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
