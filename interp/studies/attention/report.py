"""The page of a view of attention, and what a terminal shows of it."""

from pathlib import Path

from interp.base import words
from interp.base.files import write_together
from interp.figures.attention.head_vis import write_head_vis
from interp.figures.attention.view import attention_examples, attention_view
from interp.figures.page import writer
from interp.figures.theme import visible
from interp.studies.attention.result import AttentionStudy
from interp.studies.study import Table


def write_attention_report(study: AttentionStudy, folder: str | Path) -> Path:
    """Write the page and what `study.save(folder)` writes: all or none; then headvis/, if it was asked for.

    Returns: the path of `attention.html`.

    Raises: InterpError if the files cannot be written.
    """
    folder = Path(folder)
    page = folder / "attention.html"
    pages = {page: writer(attention_view(study.view).html)}
    if study.examples is not None:
        pages[folder / "examples.html"] = writer(attention_examples(study.examples).html)
    write_together(study.writes(folder) | pages)
    if study.headvis:
        write_head_vis(study.view, folder / "headvis")
    return page


def tables(study: AttentionStudy) -> list[Table]:
    """Attention of each head to the place copied from, under every variant, for a terminal."""
    view = study.view
    shares = [view.on_source(index) for index in range(len(view.variants))]
    rows = [
        (head.name, head.found.role if head.found else "", *(words.number(share[index], 3) for share in shares))
        for index, head in enumerate(view.heads)
    ]
    title = f"{visible(view.text)}: mean attention to the place copied from"
    return [Table(title, ("head", "role", *(variant.name for variant in view.variants)), tuple(rows))]
