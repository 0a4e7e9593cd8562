"""A page of several strings shows one; the head stays when another is chosen, and a link leads to its string."""

import pytest

from interp.figures import attention_examples
from interp.results.attention import AttentionExamples
from interp.studies.attention.run import examples

SHOWN = "[...document.querySelectorAll('.example')].findIndex((each) => !each.hidden)"
STATE = "document.querySelector('.example:not([hidden]) .attention-view').state"


@pytest.fixture(scope="module")
def found() -> AttentionExamples:
    return examples.attention_examples("planted:ngram?n=2&alphabet=5", 6, strings=24, length=12)


@pytest.fixture
def page(found, tmp_path):
    return attention_examples(found).save(tmp_path / "examples.html")


def test_one_string_is_shown_and_another_keeps_the_head(show, page, found):
    opened = show(page)
    assert opened.page.evaluate(SHOWN) == 0
    assert opened.text(".example-says") == found.examples[0].says
    opened.page.keyboard.press("]")
    assert opened.holds(f"{STATE}.head !== null")
    head = opened.page.evaluate(f"{STATE}.head")
    opened.page.select_option("[name=example]", "4")
    assert opened.holds(f"{SHOWN} === 4") and opened.holds(f"{STATE}.head === {head}")
    opened.page.click("[data-step=on]")
    assert opened.holds(f"{SHOWN} === 5") and opened.text(".example-says") == found.examples[5].says
    opened.page.click("[data-step=on]")
    assert opened.holds(f"{SHOWN} === 0") and opened.holds(f"{STATE}.head === {head}")


def test_a_link_leads_to_its_string_and_a_planted_one_opens_on_its_question(show, page, found):
    planted = next(i for i, example in enumerate(found.examples) if example.group == "planted")
    opened = show(page, hash=f"#view={planted}&head=L1H0")
    assert opened.page.evaluate(SHOWN) == planted
    heads = [head.name for head in found.examples[0].view.heads]
    assert opened.page.evaluate(f"{STATE}.head") == heads.index("L1H0")
    assert opened.page.evaluate(f"{STATE}.query") == found.examples[planted].query


def test_the_page_is_no_wider_than_a_phone(show, page):
    opened = show(page, viewport={"width": 400, "height": 800})
    assert opened.page.evaluate("document.documentElement.scrollWidth") <= 400
