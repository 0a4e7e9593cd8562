"""The page on adding a study, followed to the letter: its files in a copy of the package, and nothing else."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "add-a-study.md").read_text(encoding="utf-8")
FILE = re.compile(r"^```\{code-block\} \w+\n:caption: (\S+)\n\n(.*?)^```$", re.DOTALL | re.MULTILINE)
ASK = """
from interp.studies.study import STUDIES
study = STUDIES["copies"]
found = study.run("planted:ngram?n=4", study.Settings.tiny(), on_step=print)
page = study.report(found, "out")
again = type(found).load("out")
assert again.verdict == found.verdict and found.verdict.answer == "yes" and found.verdict.because[0].n == 16
assert str(found.verdict) in page.read_text(encoding="utf-8")
print(found.verdict, study.tables(found)[0].rows[0], list(STUDIES))
"""


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """The package by links, but for the folder of the studies, with the page's files in it."""
    studies = tmp_path / "interp" / "studies"
    studies.mkdir(parents=True)
    for folder, into in ((ROOT / "interp", studies.parent), (ROOT / "interp" / "studies", studies)):
        for path in folder.iterdir():
            if path.name not in ("studies", "__pycache__"):
                (into / path.name).symlink_to(path)
    for name, text in FILE.findall(PAGE):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path


def test_a_folder_that_registers_itself_is_a_study(copied: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(copied)}
    done = subprocess.run([sys.executable, "-c", ASK], cwd=copied, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    steps, verdict = done.stdout.splitlines()
    assert steps == "accuracy by length" and verdict.startswith("It copies ")
    assert verdict.endswith(
        "['ablate', 'backwards', 'circuit', 'copies', 'heads', 'hybrid', 'language', 'learning', 'state', 'view']"
    )
    names = {path.name for path in (copied / "out").iterdir()}
    assert names == {"report.html", "results.json", "arrays.npz", "accuracy.csv", "figures"}


def test_the_page_has_every_room() -> None:
    files = {Path(name).name for name, _ in FILE.findall(PAGE)}
    rooms = {f"{room}.py" for room in ("__init__", "settings", "result", "verdict", "run", "report")}
    assert files == rooms | {"report.html"}
