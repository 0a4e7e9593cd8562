"""Docstrings as they are written become what they mean; no module is left out; formulas need nothing from outside."""

import importlib.util
import inspect
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from docutils import nodes
from docutils.core import publish_doctree

from interp.measure.heads.score import HeadSettings, score_heads
from interp.tasks import base

pytest.importorskip("sphinx")
ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "extensions"


def extension(name):
    spec = importlib.util.spec_from_file_location(f"docs_{name}", FOLDER / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


plain = extension("plain_docstrings")
modules = extension("modules")
mathml = extension("mathml")
notebooks = extension("notebooks")


def read(text: str) -> nodes.document:
    """What docutils makes of it; a mark that is not closed is an error."""
    lines = plain.to_rest(inspect.cleandoc(text).splitlines())
    return publish_doctree("\n".join(lines), settings_overrides={"halt_level": 2, "report_level": 5})


def test_code_is_code_and_other_marks_are_letters():
    text = "`x`=1 and `y`s; |S| / D^L, h_(t-1), *fields, A_ and `a b`.\nA second line."
    found = read(text)
    assert [node.astext() for node in found.findall(nodes.literal)] == ["x", "y", "a b"]
    assert found.astext() == text.replace("`", "")


def test_emphasis_and_addresses_are_kept():
    found = read("*Same layer*: as many. **All**. See [the paper](https://arxiv.org/abs/2402.01032).")
    assert [node.astext() for node in found.findall(nodes.emphasis)] == ["Same layer"]
    assert [node.astext() for node in found.findall(nodes.strong)] == ["All"]
    assert next(iter(found.findall(nodes.reference)))["refuri"] == "https://arxiv.org/abs/2402.01032"


def test_a_table_has_its_cells():
    found = read("| a | `b` |\n|---|---|\n| x \\| y | -1 |\n| z | 2 |")
    rows = [[cell.astext() for cell in row.findall(nodes.entry)] for row in found.findall(nodes.row)]
    assert rows == [["a", "b"], ["x | y", "-1"], ["z", "2"]]


def test_pictures_in_columns_stay_as_they_are():
    found = read(inspect.getdoc(base))
    (picture,) = found.findall(nodes.literal_block)
    assert picture.astext() and picture.astext() in inspect.getdoc(base)


def test_a_section_of_one_line_becomes_a_field():
    found = read("Do.\n\nRaises: UserError for `x`,\n    or y.")
    (field,) = found.findall(nodes.field)
    assert [part.astext() for part in field.children] == ["raises", "UserError for x, or y."]


def test_the_arguments_of_a_function_are_told_apart():
    lines = inspect.getdoc(score_heads).splitlines()
    plain.convert(None, "function", "score_heads", score_heads, None, lines)
    named = [line.split(":")[1].split()[-1] for line in lines if line.startswith(":param")]
    assert named == list(inspect.signature(score_heads).parameters)


def test_fields_of_a_dataclass_are_not_said_twice():
    assert plain.without_fields(None, "class", "HeadSettings", HeadSettings, None, "(longest=8)", None) == ("", None)
    assert plain.without_fields(None, "function", "score_heads", score_heads, None, "(model)", None) is None


def test_every_module_is_on_one_page_of_the_reference():
    pages = [path.read_text(encoding="utf-8") for path in sorted((ROOT / "docs" / "reference").glob("*.md"))]
    there, everywhere = modules.every_module(ROOT / "interp"), modules.named_on(pages)
    found = [name for page in pages for line in modules.LINE.findall(page) for name in line.split()]
    shown = [module for name in found for module in modules.shown([name], everywhere, there)]
    assert sorted(shown) == there


def test_a_pattern_stands_for_what_no_page_names():
    there = ["a", "a.b", "a.b.c", "a.d"]
    assert modules.shown(["a.b.*", "a.d"], ["a.*", "a.b.*", "a.d"], there) == ["a.b.c", "a.d"]
    assert modules.shown(["a.*"], ["a.*", "a.b.*", "a.d"], there) == ["a.b"]


def test_a_formula_is_drawn_without_a_script():
    page = SimpleNamespace(body=[])
    with pytest.raises(nodes.SkipNode):
        mathml.block(page, nodes.math_block("", r"\frac{1}{N}"))
    assert "<mfrac>" in page.body[0] and "script" not in page.body[0]


def test_every_notebook_is_a_page_with_its_pictures_in_it():
    named = {
        notebooks.LINE.search(page.read_text(encoding="utf-8"))[1]
        for page in (ROOT / "docs" / "notebooks").glob("[0-9]*.md")
    }
    assert named == {path.stem for path in (ROOT / "notebooks").glob("*.ipynb")}
    text = notebooks.page(ROOT / "notebooks" / "02_how_a_transformer_copies.ipynb")
    assert text.startswith("# How a transformer copies\n")
    assert text.count("![What the code above shows](data:image/png;base64,") == 5
    assert "```python\n" in text and "    n from behaviour 5 by intervention 5" in text
