"""Run the notebooks as a reader does, and keep what they show with static pictures: `make notebooks`.

    python docs/run_notebooks.py             all of them, about a quarter of an hour on a free core, presets kept before
    python docs/run_notebooks.py 02 05       those whose names begin so

Figures and attention pages are kept as PNG of few colours, as they look on a light page: a site that runs no scripts
shows them. Progress bars are left out; whoever runs a cell gets the interactive figure. What ran is named by a digest
of the cells with code, so that outputs of other code are found out (`tests/test_notebooks.py`).
"""

import base64
import hashlib
import io
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient
from PIL import Image

import interp

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
TEMPORARY = re.compile(re.escape(tempfile.gettempdir()) + r"/tmp\w+/")
"""A folder whose name is another one each time."""
COLOURS = 64
"""In the palette of a picture."""
BEFORE = """
import os, subprocess, sys, tempfile
import plotly.io
from pathlib import Path
plotly.io.renderers["png"].width, plotly.io.renderers["png"].scale = 900, 1
plotly.io.renderers.default = "png"

from interp.figures.attention.view import AttentionPage

SHOT = '''
import sys
from playwright.sync_api import sync_playwright
with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path=sys.argv[2] or None)
    page = browser.new_page(viewport={"width": 1000, "height": 900}, color_scheme="light")
    page.goto(sys.argv[1])
    page.wait_for_timeout(3000)
    sys.stdout.buffer.write(page.screenshot())
'''

def _picture(page):
    from shutil import which
    with tempfile.TemporaryDirectory() as folder:
        address = page.save(Path(folder) / "page.html").as_uri()
        browser = which("chromium") or which("google-chrome") or ""
        return subprocess.run([sys.executable, "-c", SHOT, address, browser], capture_output=True, check=True).stdout

get_ipython().display_formatter.formatters["image/png"].for_type(AttentionPage, _picture)
"""
"""Runs before the notebook's first cell, and is not kept."""


def digest(notebook: Any) -> str:
    """What its cells with code say, in twelve letters."""
    code = "\0".join(cell.source for cell in notebook.cells if cell.cell_type == "code")
    return hashlib.sha256(code.encode()).hexdigest()[:12]


def run(source: Path) -> Path:
    """Run a notebook's source and keep it with what it shows.

    Raises: CellExecutionError for a cell that fails.
    """
    notebook = jupytext.read(source)
    made = nbformat.v4.new_notebook(metadata=notebook.metadata)
    made.cells = [nbformat.v4.new_code_cell(BEFORE), *notebook.cells]
    NotebookClient(made, timeout=3600, resources={"metadata": {"path": FOLDER}}).execute()
    del made.cells[0]
    for number, cell in enumerate(made.cells):
        cell["id"], cell["metadata"] = f"{source.stem[:2]}-{number:02}", {}
        if cell.cell_type == "code":
            cell["execution_count"] -= 1  # the cell before
            cell["outputs"] = [kept for output in cell["outputs"] if (kept := _kept(output, cell["execution_count"]))]
    made["metadata"] = {
        "interp": {"by": "make notebooks", "ran": digest(made), "version": interp.__version__},
        "jupytext": {"formats": "ipynb,py:percent"},
        "kernelspec": notebook.metadata["kernelspec"],
        "language_info": {"name": "python"},
    }
    path = source.with_suffix(".ipynb")
    path.write_text(nbformat.writes(made) + "\n", encoding="utf-8")
    return path


def _kept(output: Any, count: int) -> Any:
    """An output without progress, and with a small picture where there is one; None: nothing is left."""
    if output.output_type == "stream" and output.name == "stderr":
        if "Warning" in output.text:
            raise RuntimeError(f"a cell warned: {output.text}")
        return None
    if output.output_type == "stream":
        output["text"] = TEMPORARY.sub("", output.text)
    if "data" in output:
        if "image/png" in output.data:
            output["data"] = {"image/png": _small(output.data["image/png"])}
        if not {"image/png", "text/plain", "text/html"} & set(output.data) or any(
            "widget" in kind for kind in output.data
        ):
            return None
        output["metadata"] = {}
        if output.output_type == "execute_result":
            output["execution_count"] = count
    return output


def _small(picture: str) -> str:
    """A PNG on white, with few colours."""
    image = Image.open(io.BytesIO(base64.b64decode(picture))).convert("RGBA")
    page = Image.new("RGBA", image.size, "white")
    page.alpha_composite(image)
    kept = io.BytesIO()
    page.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(kept, "png", optimize=True)
    return base64.b64encode(kept.getvalue()).decode()


if __name__ == "__main__":
    for source in sorted(FOLDER.glob("*.py")):
        if not sys.argv[1:] or source.name.startswith(tuple(sys.argv[1:])):
            sys.stdout.write(f"{run(source)}\n")
            sys.stdout.flush()
