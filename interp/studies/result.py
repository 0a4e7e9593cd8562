"""`StudyResult`: what every study returns."""

from dataclasses import dataclass
from typing import Any

from interp.results.record import Result
from interp.studies.study import Verdict


@dataclass(frozen=True)
class StudyResult(Result):
    """A verdict, where it comes from, and the model that it is about; each study adds what it measured."""

    verdict: Verdict
    provenance: dict[str, Any]
    """Command, seed, versions: `interp.base.provenance`."""
    model: dict[str, Any]
    """What the model is, as JSON values: `interp.loading.Loaded.description`."""
