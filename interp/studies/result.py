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

    @staticmethod
    def _upgrade(document: dict[str, Any]) -> dict[str, Any]:
        """Results from before verdicts had parts hold a text, or none."""
        before = document.get("verdict", "")
        return {**document, "verdict": {"answer": "unsure", "says": before}} if isinstance(before, str) else document
