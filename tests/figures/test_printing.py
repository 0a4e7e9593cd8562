"""Figures for print: as wide as was asked, with what the page shows; nothing is written where it fails."""

import re
import shutil
from itertools import pairwise

import plotly.graph_objects as go
import pytest
from PIL import Image

from interp import figures
from interp.base.errors import UserError
from interp.figures import printing
from interp.figures.ends import ROOM
from interp.figures.printing import on_paper
from interp.studies.study import STUDIES

BROWSER = pytest.mark.skipif(
    not any(map(shutil.which, ("chromium", "google-chrome", "chrome"))), reason="there is no browser to draw with"
)


@pytest.fixture(scope="module")
def study(studies):
    return studies.hard_alibi()


@BROWSER
def test_the_figures_of_a_study_are_written_as_wide_as_asked(study, tmp_path):
    paths = figures.save(study, tmp_path / "print", "svg", width=85)
    assert list(paths) == list(study.figures()) and {path.parent for path in paths.values()} == {tmp_path / "print"}
    drawn = {name: path.read_text(encoding="utf-8") for name, path in paths.items()}
    assert {re.search(r'<svg[^>]* width="(\d+)"', text)[1] for text in drawn.values()} == {"321"}  # 85 mm at 96 an inch
    assert "L1H4" in drawn["head_scores"] and "Score of every head" not in drawn["head_scores"]


@BROWSER
def test_a_pdf_has_the_size_of_the_paper_and_a_png_three_hundred_dots_an_inch(tmp_path):
    line = {"line": go.Figure(go.Scatter(x=[1, 2], y=[3, 4]), {"height": 192})}
    pdf = figures.save(line, tmp_path, "pdf", width=101.6)["line"].read_bytes()
    assert pdf.startswith(b"%PDF")
    width, height = map(float, re.search(rb"/MediaBox ?\[ ?0 0 ([\d.]+) ([\d.]+)", pdf).groups())
    assert (width, height) == pytest.approx((4 * 72, 2 * 72), abs=1.5)
    with Image.open(figures.save(line, tmp_path, "png", width=101.6)["line"]) as image:
        assert image.size == pytest.approx((4 * 300, 2 * 300), abs=2)


def test_panels_stand_below_each_other_in_a_column_and_side_by_side_on_a_page(study):
    response = figures.response(study.scores)
    column, page = on_paper(response, 85.0), on_paper(response, 160.0)
    assert column.layout.xaxis.domain == column.layout.xaxis2.domain == (0, 1)
    assert column.layout.yaxis.domain[0] > column.layout.yaxis2.domain[1]
    assert page.layout.xaxis.domain[1] < page.layout.xaxis2.domain[0]
    titles = {note.text: note.y for note in column.layout.annotations if note.yref == "paper"}
    assert titles["attention after a match of m letters"] == 1
    assert titles["gain of the score by the m-th letter"] == pytest.approx(column.layout.yaxis2.domain[1])
    response.layout.annotations[0].text *= 2
    assert on_paper(response, 160.0).layout.xaxis.domain == (0, 1)  # wide enough, but not for both titles
    assert response.layout.xaxis.domain != (0, 1)  # it is a copy that is printed


def test_names_at_line_ends_stay_apart_when_panels_are_stacked(study):
    paper = on_paper(figures.training(study.training), 85.0)
    notes = [note for note in paper.layout.annotations if note.name == "line-end"]
    assert len(notes) > 2
    for ref in {note.yref for note in notes}:
        axis = paper.layout[f"yaxis{ref[1:]}"]
        low, high = axis.range or (0, 1)
        height = (paper.layout.height - paper.layout.margin.t - paper.layout.margin.b) * (
            axis.domain[1] - axis.domain[0] if axis.domain else 1
        )
        here = sorted((high - n.y) / (high - low) * height - n.yshift for n in notes if n.yref == ref)
        if axis.range:
            assert all(two - one > ROOM - 1e-6 for one, two in pairwise(here))


def test_every_study_draws_its_page_and_only_a_view_has_no_figures():
    assert [name for name, study in STUDIES.items() if not study.draws] == ["view"]


def test_what_cannot_be_printed_is_refused_in_a_sentence(study, tmp_path, monkeypatch):
    for arguments, sentence in (
        ((study, tmp_path, "jpg"), "format must be pdf, svg or png; got jpg"),
        ((study, tmp_path, "pdf", 5.0), "width must be 40 to 1000 millimetres; got 5"),
        ((study, tmp_path, "pdf", float("nan")), "width must be"),
        (([1, 2], tmp_path), "what must be a study's result, a figure, or figures by their names; got a list"),
        (({}, tmp_path), "what must have figures; got a dict"),
    ):
        with pytest.raises(UserError, match=re.escape(sentence)):
            figures.save(*arguments[:3], **({"width": arguments[3]} if len(arguments) > 3 else {}))
    monkeypatch.setattr(printing, "find_spec", lambda _: None)
    with pytest.raises(UserError, match=r"must have the package kaleido; got none\. Install it"):
        figures.save(study, tmp_path)
    assert not list(tmp_path.iterdir())


def test_without_a_browser_nothing_is_written(study, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("BROWSER_PATH", str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match=r"must have Chrome or Chromium; got none\. Install one"):
        figures.save(study, tmp_path / "print")
    assert not (tmp_path / "print").exists()
