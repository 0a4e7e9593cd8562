"""The pure parts of the page's scripts, tested in their own language: `node --test`."""

import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.parametrize("file", sorted(path.name for path in HERE.glob("*.test.js")))
def test_the_scripts_pass_their_own_tests(file: str, node: str) -> None:
    done = subprocess.run([node, "--test", HERE / file], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
