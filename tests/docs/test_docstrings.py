"""Docstrings begin with a noun or a verb; every module, class and public function of the package has one."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
TREES = {path: ast.parse(path.read_text(encoding="utf-8")) for path in sorted((ROOT / "interp").rglob("*.py"))}
NO_NOUN = re.compile(r"(Of|By|From|To|At|Behind|Beside) ")
"""A docstring that begins so leaves out what it is about."""


def docstrings(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Line and text of every docstring, those of fields and constants among them."""
    for node in ast.walk(tree):
        for statement in getattr(node, "body", []) if isinstance(getattr(node, "body", None), list) else []:
            value = statement.value if isinstance(statement, ast.Expr) else None
            if isinstance(value, ast.Constant) and isinstance(value.value, str):
                yield statement.lineno, value.value.strip()


def test_docstrings_are_read_out_of_the_source():
    source = '"""One."""\nX = 1\n"""Two."""\n\n\nclass A:\n    """Three."""\n    b: int\n    """Of four."""\n'
    assert [text for _, text in docstrings(ast.parse(source))] == ["One.", "Two.", "Three.", "Of four."]
    assert NO_NOUN.match("Of four.") and not NO_NOUN.match("Offsets of four.")


def test_a_docstring_begins_with_a_noun_or_a_verb():
    wrong = [
        f"{path.relative_to(ROOT)}:{line}: {text[:60]}"
        for path, tree in TREES.items()
        for line, text in docstrings(tree)
        if NO_NOUN.match(text)
    ]
    assert wrong == []


def test_every_module_and_every_class_that_is_not_private_has_a_docstring():
    wrong = [str(path.relative_to(ROOT)) for path, tree in TREES.items() if tree.body and not ast.get_docstring(tree)]
    for path, tree in TREES.items():
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef) and not node.name.startswith("_")]
        wrong += [f"{path.relative_to(ROOT)}: {node.name}" for node in classes if not ast.get_docstring(node)]
    assert wrong == []


def test_every_public_function_has_a_docstring():
    wrong = [
        f"{path.relative_to(ROOT)}: {node.name}"
        for path, tree in TREES.items()
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and not node.name.startswith("_") and not ast.get_docstring(node)
        if not any(isinstance(mark, ast.Name) and mark.id == "overload" for mark in node.decorator_list)
    ]
    assert wrong == []
