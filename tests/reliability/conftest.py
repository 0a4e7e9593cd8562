"""A process that has imported everything, for all attempts of the tests beside this file."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.reliability.nursery import Nursery, nursery


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All of it is the attack."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.reliability)


@pytest.fixture(scope="session")
def attempt() -> Iterator[Nursery]:
    """`attempt(function, *arguments)` runs a function of a module in a child, and says how that ended."""
    with nursery() as here:
        yield here
