"""Every notebook runs from its first cell to its last, on a tiny setting; its two forms say the same."""

from pathlib import Path

import jupytext
import nbformat
import pytest
from jupyter_client.manager import AsyncKernelManager
from jupyter_core.utils import run_sync
from nbclient import NotebookClient

FOLDER = Path(__file__).parents[1] / "notebooks"
SOURCES = sorted(FOLDER.glob("*.py"))


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    """A kernel for all notebooks, one after the other: in one of its own each would import torch anew."""
    home, manager = tmp_path_factory.mktemp("notebooks") / "home", AsyncKernelManager(kernel_name="python3")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERP_TINY", "1")
        patch.setenv("INTERP_HOME", str(home))
        yield manager, home
    run_sync(manager.shutdown_kernel)(now=True)


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


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_the_notebook_that_people_open_is_made_from_its_source_and_not_yet_run(source):
    made, kept = jupytext.read(source), nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    assert [(c.cell_type, c.source) for c in made.cells] == [(c.cell_type, c.source) for c in kept.cells]
    assert not any(cell.get("outputs") for cell in kept.cells)


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.stem)
def test_a_notebook_says_first_what_a_reader_will_know_and_how_long_it_takes(source):
    top = jupytext.read(source).cells[0]
    assert top.cell_type == "markdown" and top.source.startswith("# ")
    assert "**At the end** you " in top.source and "**It takes** " in top.source
