"""Every notebook runs from its first cell to its last, on a tiny setting; its two forms say the same."""

import re
import runpy
import sys
from pathlib import Path
from types import ModuleType

import jupytext
import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
SOURCES = sorted(FOLDER.glob("*.py"))
RUN = runpy.run_path(str(FOLDER.parent / "docs" / "run_notebooks.py"))
NUMBER = re.compile(r"\de[-+]\d\d")
"""A power of ten as a machine's rounding has it."""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A kernel for all notebooks, one after the other: in one of its own each would import torch anew."""
    home, manager = tmp_path_factory.mktemp("notebooks") / "home", AsyncKernelManager(kernel_name="python3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERP_TINY", "1")
        patch.setenv("INTERP_HOME", str(home))
        yield manager, home
    run_sync(manager.shutdown_kernel)(now=True)


@pytest.mark.by_default(3)
@pytest.mark.filterwarnings(
    "ignore::DeprecationWarning", "ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning"
)
@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_notebook_runs_and_trains_no_preset(source, kernel):
    manager, home = kernel
    notebook = jupytext.read(source)
    notebook.cells.insert(0, nbformat.v4.new_code_cell("%reset -f"))  # names of the one before
    client = NotebookClient(notebook, km=manager, timeout=900, resources={"metadata": {"path": FOLDER}})
    client.execute()
    assert client.kc is not None
    client.kc.stop_channels()
    assert all(cell.get("execution_count") for cell in notebook.cells if cell.cell_type == "code")
    assert not (home / "presets").exists()
    if "INTERP_TINY" not in source.read_text(encoding="utf-8"):  # it ran as a reader runs it, and showed the same
        kept = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
        assert _printed(notebook.cells[1:]) == _printed(kept.cells)


def _printed(cells):
    printed = (output.text for cell in cells for output in cell.get("outputs", []) if "text" in output)
    return NUMBER.sub("#", "".join(printed))


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_that_people_open_is_made_from_its_source(source):
    made, kept = jupytext.read(source), nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [(c.cell_type, c.source) for c in made.cells] == [(c.cell_type, c.source) for c in kept.cells]


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_what_it_shows_was_shown_by_this_code_from_first_to_last(source):
    """Else `make notebooks`, or `python docs/run_notebooks.py 02` for one, runs it again."""
    kept = nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    code = [cell for cell in kept.cells if cell.cell_type == "code"]
    assert kept.metadata["interp"]["ran"] == RUN["digest"](jupytext.read(source))
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    outputs = [output for cell in code for output in cell.outputs]
    assert outputs and not any(output.output_type == "error" for output in outputs)
    shown = {kind for output in outputs if "data" in output for kind in output.data}
    assert shown <= {"image/png", "text/plain", "text/html"}  # nothing that needs a script
    assert "<script" not in "".join(str(output) for output in outputs)
    assert source.with_suffix(".ipynb").stat().st_size < 500_000


@pytest.mark.parametrize("there", [True, False])
def test_the_first_cell_installs_the_toolkit_on_colab_and_does_nothing_elsewhere(there, monkeypatch):
    firsts = {
        next(cell.source for cell in jupytext.read(source).cells if cell.cell_type == "code") for source in SOURCES
    }
    ran = []
    monkeypatch.setattr("subprocess.run", lambda words, **_: ran.append(words))
    monkeypatch.setattr("importlib.util.find_spec", lambda *_: None)
    monkeypatch.setattr("builtins.input", lambda *_: "https://somewhere/interp")
    if there:
        monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    (first,) = firsts
    exec(first, {})
    assert [words[1:] for words in ran] == (
        [["-m", "pip", "install", "-q", "interp[nnsight] @ git+https://somewhere/interp"]] if there else []
    )


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_says_first_what_a_reader_will_know_and_how_long_it_takes(source):
    top = jupytext.read(source).cells[0]
    assert top.cell_type == "markdown" and top.source.startswith("# ")
    assert "**At the end** you " in top.source and "**It takes** " in top.source
