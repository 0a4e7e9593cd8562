"""Figures on a phone: panels that stood side by side stand one below the other, and no title lies on another."""

from itertools import combinations

import plotly.graph_objects as go
import pytest
from plotly.subplots import make_subplots

from interp.figures.page import on_page, render
from interp.figures.theme import dress
from interp.figures.training import length_accuracy, training

BOXES = """[...document.querySelectorAll('.annotation-text')].map((text) => {
  const { left, right, top, bottom } = text.getBoundingClientRect();
  return [text.textContent, [left, right, top, bottom]];
})"""


@pytest.mark.parametrize(("width", "panels_across"), [(400, 1), (1300, 2)])
def test_panels_stack_where_the_page_is_narrow(browser, studies, tmp_path, width, panels_across):
    drawn = on_page("training", training(studies.hard_alibi().training))
    file = tmp_path / "figure.html"
    file.write_text(render("figures/figure.html", plots="packed", title="Curves", figure=drawn, model="a model"))
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(file.as_uri())
    page.locator("html[data-ready='1']").wait_for(timeout=120_000)
    every = page.evaluate(BOXES)
    boxes = [box for text, box in every if text in ("loss", "accuracy")]
    ends = [box for text, box in every if text not in ("loss", "accuracy")]
    assert len(boxes) == 2 and len(ends) >= 2
    tops = {round(top) for _, _, top, _ in boxes}
    assert len(tops) == 3 - panels_across
    assert all(apart(one, other) for one, other in combinations([*boxes, *ends], 2))
    assert all(left >= 0 and right <= width for left, right, _, _ in [*boxes, *ends])
    page.close()


LINES = """[...document.querySelectorAll('.plot')].map((plot) => {
  const lines = [...plot.querySelectorAll('path.js-line')].map((line) => line.getBoundingClientRect().width);
  return [Math.max(...lines), plot._fullLayout.xaxis._length];
})"""


def test_lines_that_are_named_at_their_ends_have_the_whole_panel(browser, studies, tmp_path):
    """The names stand in the margin: no second room for them in the panel, none below the axis, none on another."""
    drawn = on_page("accuracy", length_accuracy(studies.hard_alibi().accuracy_by_length))
    file = tmp_path / "figure.html"
    file.write_text(render("figures/figure.html", plots="packed", title="Accuracy", figure=drawn, model="a model"))
    page = browser.new_page(viewport={"width": 400, "height": 900})
    page.goto(file.as_uri())
    page.locator("html[data-ready='1']").wait_for(timeout=120_000)
    ((widest, whole),) = page.evaluate(LINES)
    assert widest > 0.8 * whole
    boxes = [box for _, box in page.evaluate(BOXES)]
    assert all(apart(one, other) for one, other in combinations(boxes, 2))
    assert all(left >= 0 and right <= 400 for left, right, _, _ in boxes)
    page.close()


def apart(one: list[float], other: list[float]) -> bool:
    """Whether two boxes share no more than the pixel that letters leave free."""
    return one[1] <= other[0] + 1 or other[1] <= one[0] + 1 or one[3] <= other[2] + 1 or other[3] <= one[2] + 1


def test_panels_of_many_rows_with_long_names_have_room_for_each_and_keep_their_titles(browser, tmp_path):
    rows = [f"all but directions 1-{row}, as it is" for row in range(20)]
    figure = make_subplots(1, 2, subplot_titles=["whose letters they are, all in all", "by place"], shared_yaxes=True)
    figure.add_trace(go.Scatter(x=[0.5] * 20, y=rows), 1, 1).add_trace(go.Scatter(x=[0.5] * 20, y=rows), 1, 2)
    figure.update_yaxes(tickvals=rows, ticktext=rows)
    drawn = on_page("rows", dress(figure, "Rows", "Many rows.", 400))
    file = tmp_path / "figure.html"
    file.write_text(render("figures/figure.html", plots="packed", title="Rows", figure=drawn, model="a model"))
    page = browser.new_page(viewport={"width": 375, "height": 900})
    page.goto(file.as_uri())
    page.locator("html[data-ready='1']").wait_for(timeout=120_000)
    titles = [box for _, box in page.evaluate(BOXES)]
    assert len(titles) == 2 and all(left >= 0 and right <= 375 for left, right, _, _ in titles)
    marks = page.evaluate("[...document.querySelectorAll('.ytick text')].map((t) => t.getBoundingClientRect().top)")
    assert len(marks) == 20 and min(abs(one - other) for one, other in combinations(marks, 2)) > 12
    page.close()
