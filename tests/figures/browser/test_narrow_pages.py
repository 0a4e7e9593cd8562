"""Figures on a phone: panels that stood side by side stand one below the other, and no title lies on another."""

from itertools import combinations

import pytest

from interp.figures.page import on_page, render
from interp.figures.training import training

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


def apart(one: list[float], other: list[float]) -> bool:
    """Whether two boxes share no more than the pixel that letters leave free."""
    return one[1] <= other[0] + 1 or other[1] <= one[0] + 1 or one[3] <= other[2] + 1 or other[3] <= one[2] + 1
