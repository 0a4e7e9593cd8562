"""`import interp` costs nothing, its names are there when they are used, and the tests really check shapes."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import jaxtyping
import numpy as np
import pytest

import interp
from interp.results.accuracy import StepCurve

HEAVY = ("torch", "transformers", "transformer_lens", "nnsight", "datasets", "wandb", "numpy", "plotly", "scipy")


def test_importing_interp_imports_nothing_heavy() -> None:
    program = f"import sys, interp; dir(interp); print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", interp.__all__)
def test_each_name_is_the_one_that_its_module_defines(name: str) -> None:
    assert getattr(interp, name) is getattr(import_module(interp._HOME[name]), name)
    assert name in dir(interp)


def test_a_name_that_does_not_exist_is_an_ordinary_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'interp' has no attribute 'laod'"):
        interp.laod  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'laod'"):
        exec("from interp import laod")
    assert not hasattr(interp, "__wrapped__")


def test_no_module_hides_a_name() -> None:
    """Importing a module `interp.x` sets the attribute `x` of the package, whatever `interp.x` should have been."""
    modules = {path.stem for path in Path(interp.__path__[0]).iterdir()}
    assert not modules & set(interp.__all__)


def test_type_checkers_are_told_the_same_names() -> None:
    tree = ast.parse(Path(interp.__file__).read_text())
    block = next(node for node in tree.body if isinstance(node, ast.If))
    told = {item.asname: node.module for node in block.body if isinstance(node, ast.ImportFrom) for item in node.names}
    assert told == interp._HOME


def test_the_tests_check_the_shapes_of_what_interp_is_given() -> None:
    def curve(examples: np.ndarray) -> StepCurve:
        return StepCurve(x=(0,), value=(1.0,), interval=((0.0, 1.0),), n=None, examples=examples)

    assert curve(np.zeros((1, 2))).n is None
    with pytest.raises(jaxtyping.TypeCheckError):
        curve(np.zeros(2))
