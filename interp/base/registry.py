"""What registers itself: everything of one kind by its name, from the folders of a package.

To add one, add a folder: its `__init__.py` registers what it holds, and is imported when the registry is first asked.
It must be light, because command lines ask before they do anything else.
"""

from collections.abc import Iterator, Mapping
from importlib import import_module
from pkgutil import iter_modules
from typing import Protocol, TypeVar, runtime_checkable

from interp.base.errors import unknown


@runtime_checkable
class Named(Protocol):
    """Something with a name."""

    @property
    def name(self) -> str:
        """What it is called."""
        ...


T = TypeVar("T", bound=Named)


class Registry(Mapping[str, T]):
    """Name -> what registered itself under it, sorted by name.

    Args:
        kind: what the things are, for messages: "study".
        package: the package whose folders register themselves: "interp.studies".
    """

    def __init__(self, kind: str, package: str) -> None:
        self.kind, self.package = kind, package
        self._known: dict[str, T] = {}

    def register(self, thing: T) -> T:
        """Add a thing under its name, in place of what had the name before. Returns: the thing."""
        self._known[thing.name] = thing
        return thing

    def named(self, name: str) -> T:
        """The thing with a name.

        Raises: UserError for an unknown name, with the nearest known ones.
        """
        if name not in self:
            raise unknown(self.kind, name, self)
        return self[name]

    def __getitem__(self, name: str) -> T:
        self._look()
        return self._known[name]

    def __iter__(self) -> Iterator[str]:
        self._look()
        return iter(sorted(self._known))

    def __len__(self) -> int:
        self._look()
        return len(self._known)

    def _look(self) -> None:
        """Import every folder of the package: those that were imported before cost nothing."""
        for folder in iter_modules(import_module(self.package).__path__):
            if folder.ispkg:
                import_module(f"{self.package}.{folder.name}")
