"""The page of how a model writes backwards, and what a terminal shows of it.

The words and the markup are in `report.html`.
"""

from dataclasses import fields
from pathlib import Path

import plotly.graph_objects as go

from interp.base import words
from interp.base.estimates import proportion_interval
from interp.base.interval import Interval
from interp.figures.ablation import ablations
from interp.figures.study_page import Beside, Frame, write_study_page
from interp.figures.tables import Row, ablation_rows, flat
from interp.results.ablation import AblationResult
from interp.studies.backwards.figures import first_letters, looks
from interp.studies.backwards.result import BackwardsStudy
from interp.studies.backwards.verdict import accuracy, needed_for, serves_from
from interp.studies.study import Table

SECTIONS = {"heads": "Heads", "without": "Without", "letters": "First letters", "provenance": "Provenance"}


def write_backwards_report(study: BackwardsStudy, folder: str | Path) -> Path:
    """Write the page of a study, its figures and tables, and what `study.save(folder)` writes: all or none.

    Returns: the path of `report.html`.

    Raises: InterpError if the files cannot be written; what was there before is then unchanged.
    """
    spec = str(study.model.get("spec", "this model"))
    frame = Frame(
        title=f"How does {spec} write a string backwards?",
        eyebrow=f"interp · backwards · {spec}",
        verdicts=(("", str(study.verdict)),),
        sections=SECTIONS,
        provenance=study.provenance,
        models=(("", study.model),),
    )
    rows = {
        "heads.csv": head_rows(study),
        "ablations.csv": ablation_rows(study.ablations),
        "letters.csv": letter_rows(study),
    }
    strings, letters = accuracy(study)
    return write_study_page(
        folder,
        "studies/backwards/report.html",
        frame,
        Beside({"": study}, study_figures(study), rows),
        study=study,
        heads=[(head, serves_from(study, head)) for head in study.flagged],
        strings=strings,
        right=letters,
        together=study.together,
        others=[f"{cut.name} for {needed_for(study, cut)}" for cut in study.others_needed],
        rows=rows["letters.csv"],
        columns=_columns(study),
    )


def study_figures(study: BackwardsStudy) -> dict[str, go.Figure]:
    """Every figure of a study by its name."""
    drawn = {"looks": looks(study)}
    if study.ablations:
        drawn["ablations"] = ablations(study.ablations)
    return drawn | {"first_letters": first_letters(study)}


def tables(study: BackwardsStudy) -> list[Table]:
    """The heads, and what they cost, for a terminal."""
    heads = tuple(
        (
            head.name,
            str(head.offset),
            words.number(head.attention),
            words.number(head.chance),
            " ".join(map(str, head.matches)) or words.ABSENT,
            str(head.first),
            str(serves_from(study, head) or words.ABSENT),
        )
        for head in study.flagged
    )
    columns = ("head", "places behind", "attention", "chance", "by the letters back", "can serve from", "looks from")
    found = [Table("Heads that do induction backwards", columns, heads)] if heads else []
    cuts = [cut for cut in study.ablations if cut.group in ("all", "single")] + list(study.others_needed)
    (_, of_strings), (_, of_letters) = accuracy(study)
    ends = (f"{words.percent(share)} {words.interval(ends)}" for share, ends in accuracy(study))
    whole = ("nothing", next(ends), "", next(ends), "", "")
    columns = (
        "without",
        "strings right",
        "drop in strings",
        "letters right",
        "drop in letters",
        "as many others: strings right",
    )
    note = words.intervals_note(
        strings_right=[of_strings], letters_right=[of_letters], drop=[cut.interval for cut in cuts]
    )
    title = f"{words.count(study.written.right.shape[1], 'string')} of {study.length} letters"
    return [*found, Table(title, columns, (whole, *map(_row, cuts)), note)]


def _row(cut: AblationResult) -> tuple[str, ...]:
    return (
        words.names(cut.heads) if cut.group == "all" else cut.name,
        f"{words.percent(cut.string_accuracy_before)} → {words.percent(cut.string_accuracy_after)}",
        words.interval(cut.interval),
        f"{words.percent(cut.letter_accuracy_before)} → {words.percent(cut.letter_accuracy_after)}",
        words.interval(cut.letter_interval),
        ", ".join(f"{c.name} {words.percent(c.string_accuracy) if c.draws else 'none'}" for c in cut.controls),
    )


def head_rows(study: BackwardsStudy) -> list[Row]:
    """One row a head."""
    return [
        flat({field.name: getattr(head, field.name) for field in fields(head)})
        | {"n": head.n, "can_serve_from": head.first if head.flagged else None}
        for head in study.heads.heads
    ]


def letter_rows(study: BackwardsStudy) -> list[Row]:
    """One row for each of the first letters: right as it is, without heads, and attention of the flagged ones."""
    written, rows = study.written, []
    for k in range(written.attention.shape[2]):
        row: Row = {"letter": k + 1}
        for head in study.flagged:
            row[f"attention_{head.name}"] = float(written.attention[written.heads.index(head.name), head.offset, k])
        for name, right in zip(written.sets, written.right, strict=True):
            column = f"without_{name.replace(' ', '_')}"
            row |= flat(
                {column: float(right[:, k].mean()), f"{column}_interval": _share(right[:, k])}, f"{column}_interval"
            )
        rows.append(row)
    return rows


def _columns(study: BackwardsStudy) -> list[tuple[str, str]]:
    """Headings of the page's table of letters, and the columns of `letter_rows` that they stand for."""
    found = [("as it is", "without_nothing")]
    for head in study.flagged:
        found.append((f"{head.name} looks", f"attention_{head.name}"))
    if len(study.flagged) > 1:
        found += [(f"{head.name} alone", f"without_all_but_{head.name}") for head in study.flagged]
        found += [(f"without {head.name}", f"without_{head.name}") for head in study.flagged]
    found += [("without them", "without_all")] if study.flagged else []
    return found + [(f"without {cut.name}", f"without_{cut.name}") for cut in study.others_needed]


def _share(right) -> Interval:
    return proportion_interval(int(right.sum()), len(right))
