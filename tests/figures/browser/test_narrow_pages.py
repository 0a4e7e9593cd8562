"""Figures on a phone: panels that stood side by side stand one below the other, and no title lies on another."""

import pytest

from interp.figures.page import on_page, render
from interp.figures.training import training

TITLES = """[...document.querySelectorAll('.annotation-text')].map((title) => {
  const { left, right, top, bottom } = title.getBoundingClientRect();
  return [left, right, top, bottom];
})"""


@pytest.mark.parametrize(("width", "panels_across"), [(400, 1), (1300, 2)])
def test_panels_stack_where_the_page_is_narrow(browser, studies, tmp_path, width, panels_across):
    drawn = on_page("training", training(studies.hard_alibi().training))
    file = tmp_path / "figure.html"
    file.write_text(render("figures/figure.html", plots="packed", title="Curves", figure=drawn, model="a model"))
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(file.as_uri())
    page.locator("html[data-ready='1']").wait_for(timeout=20_000)
    boxes = page.evaluate(TITLES)
    assert len(boxes) == 2
    tops = {round(top) for _, _, top, _ in boxes}
    assert len(tops) == 3 - panels_across
    one, other = boxes
    apart = one[1] <= other[0] or other[1] <= one[0] or one[3] <= other[2] or other[3] <= one[2]
    assert apart and all(left >= 0 and right <= width for left, right, _, _ in boxes)
    page.close()
