"""`import interp` costs nothing, its names are there when they are used, and the tests really check shapes."""

import ast
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import jaxtyping
import numpy as np
import pytest
import yaml

import interp
from interp.base.interval import Interval
from interp.results.accuracy import StepCurve

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "transformers", "transformer_lens", "nnsight", "datasets", "wandb", "numpy", "plotly", "scipy")
STUB = ast.parse(Path(interp.__file__).with_suffix(".pyi").read_text(encoding="utf-8"))
HOMES = {name.name: node.module for node in STUB.body if isinstance(node, ast.ImportFrom) for name in node.names}


def test_importing_interp_imports_nothing_heavy() -> None:
    program = f"import sys, interp; dir(interp); print([name for name in {HEAVY} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


@pytest.mark.parametrize("name", interp.__all__)
def test_each_name_is_the_one_that_its_module_defines(name: str) -> None:
    assert getattr(interp, name) is getattr(import_module(f"interp.{HOMES[name]}"), name)
    assert name in dir(interp)


def test_a_name_that_does_not_exist_is_an_ordinary_attribute_error_with_the_nearest_names() -> None:
    with pytest.raises(AttributeError, match=r"module 'interp' has no attribute 'laod'; the nearest known: load\.$"):
        interp.laod  # noqa: B018
    with pytest.raises(AttributeError, match=r"has no attribute 'zzz'$"):
        interp.zzz  # noqa: B018
    with pytest.raises(ImportError, match="cannot import name 'laod'"):
        exec("from interp import laod")
    assert not hasattr(interp, "__wrapped__")


@pytest.mark.parametrize("first", ["import interp", "import interp.base.errors", "from interp.errors import UserError"])
def test_errors_are_found_under_both_their_names(first: str) -> None:
    program = f"""{first}
import interp, sys
assert "torch" not in sys.modules
print(interp.errors is interp.base.errors, interp.errors.__spec__.name)
from interp.errors import InterpError
import interp.errors as errors
print(errors.InterpError is InterpError is interp.base.errors.InterpError)"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "True interp.base.errors\nTrue\n"


@pytest.mark.parametrize("former", interp.MOVED)
def test_a_module_that_has_moved_is_the_same_module_under_its_former_name(former: str) -> None:
    assert import_module(former) is import_module(interp.MOVED[former])


def test_packages_are_there_as_soon_as_they_are_named() -> None:
    program = "import interp; print(interp.figures.training.__name__, interp.tasks.CopyTask().n_letters)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "training 26\n"
    assert all((Path(interp.__path__[0]) / name / "__init__.py").is_file() for name in interp.PACKAGES)


def test_no_module_hides_a_name() -> None:
    """Importing a module `interp.x` sets the attribute `x` of the package, whatever `interp.x` should have been."""
    modules = {path.stem for path in Path(interp.__path__[0]).iterdir()}
    assert not modules & set(interp.__all__)


def test_type_checkers_are_told_the_names_that_there_are() -> None:
    assert sorted(HOMES) == interp.__all__
    assert all(
        name.name == name.asname for node in STUB.body if isinstance(node, ast.ImportFrom) for name in node.names
    )


def test_the_version_is_the_same_everywhere() -> None:
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))["version"]
    changes = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert cited == interp.__version__
    assert f"## [{interp.__version__.partition('.dev')[0]}]" in changes


def test_the_presets_are_listed_with_what_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from interp.training.kept_runs import kept_folder
    from interp.training.presets import PRESETS

    monkeypatch.setenv("INTERP_HOME", str(tmp_path))
    before = {facts.name: facts for facts in interp.presets()}
    assert list(before) == list(PRESETS)
    assert not any(facts.kept for facts in before.values())
    assert (before["nope"].layers, before["mamba"].parameters) == (3, 67_392)
    assert before["hard-alibi"].strings == 25_600
    model, task, training = PRESETS["lstm"]()
    folder = kept_folder("presets/lstm", import_module("interp.models").build(model), task, training)
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    assert [facts.name for facts in interp.presets() if facts.kept == folder] == ["lstm"]
    assert not any(facts.kept for facts in interp.presets(seed=1))


def test_the_tests_check_the_shapes_of_what_interp_is_given() -> None:
    def curve(examples: np.ndarray) -> StepCurve:
        interval = (Interval(0.0, 1.0, "Clopper-Pearson"),)
        return StepCurve(x=(0,), value=(1.0,), interval=interval, n=None, examples=examples)

    assert curve(np.zeros((1, 2))).n is None
    with pytest.raises(jaxtyping.TypeCheckError):
        curve(np.zeros(2))
