"""`Record`: a folder of what runs have found."""

from collections.abc import Iterator
from pathlib import Path

from interp.base.errors import UserError
from interp.base.files import read_json, write_json
from interp.experiments.kept.found import Found, found_from_document


class Record:
    """A folder with one file for each run that has ended, `DIGEST.json`.

    Args:
        folder: where; it is made when something is written.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)

    def path(self, digest: str) -> Path:
        """Where what a run found is kept, whether it is there or not."""
        return self.folder / f"{digest}.json"

    def find(self, digest: str) -> Found | None:
        """What a run found; None if it has not ended yet.

        Raises: UserError for a file of another version, or of another plan than its name says; InterpError for one that
            is damaged.
        """
        path = self.path(digest)
        if not path.is_file():
            return None
        found = found_from_document(read_json(path, "what a run found"), str(path))
        if found.digest != digest or found.plan.digest != digest:
            raise UserError(
                f"{path} must hold the run that its name says, with the defaults of this version; got another plan. "
                f"Remove it, and it is run anew."
            )
        return found

    def add(self, found: Found) -> Path:
        """Write what a run found. Raises: InterpError if it cannot be written."""
        self.folder.mkdir(parents=True, exist_ok=True)
        return write_json(self.path(found.digest), found.document())

    def __iter__(self) -> Iterator[Found]:
        """Everything that is in the folder, whether of these plans or of others. Raises: as `find`."""
        for path in sorted(self.folder.glob("*.json")):
            yield found_from_document(read_json(path, "what a run found"), str(path))

    def __len__(self) -> int:
        return len(list(self.folder.glob("*.json")))
