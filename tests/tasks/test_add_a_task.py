"""The page on adding a task, followed to the letter: its file goes into a package, which trains on it and asks it."""

import os
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "how-to" / "add-a-task.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def run(folder: Path, script: str) -> subprocess.CompletedProcess[str]:
    """A script of a folder, with this checkout's package."""
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    return subprocess.run(
        [sys.executable, script], cwd=folder, env=environment, capture_output=True, text=True, timeout=300, check=False
    )


def test_the_task_of_the_page_is_trained_and_asked_from_a_package_of_its_own(tmp_path):
    task, look, train, ask = BLOCKS
    (tmp_path / "mytasks").mkdir()
    (tmp_path / "mytasks" / "__init__.py").touch()
    (tmp_path / "mytasks" / "doubled.py").write_text(task, encoding="utf-8")
    script = "from mytasks.doubled import Doubled\n\n" + look + train.replace("steps=300", "steps=2, warmup=1") + ask
    (tmp_path / "follow.py").write_text(script, encoding="utf-8")
    done = run(tmp_path, "follow.py")
    assert done.returncode == 0, done.stderr
    shown, loaded, accuracy = done.stdout.splitlines()
    assert shown in PAGE, "what the page says is printed"
    assert loaded == "Doubled(alphabet=26, vocab=None)"
    assert 0 <= float(accuracy) <= 1

    (tmp_path / "stranger.py").write_text("import interp\ninterp.load('runs/doubled')", encoding="utf-8")
    done = run(tmp_path, "stranger.py")
    assert "no task is called 'doubled'" in done.stderr, "whoever opens the run must have imported the task"
