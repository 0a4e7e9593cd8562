"""`StudyResult`: what every study returns."""

from dataclasses import dataclass
from pkgutil import resolve_name
from typing import Annotated, Any

from interp.results.record import Result
from interp.studies.study import STUDIES, Evidence, Verdict


@dataclass(frozen=True)
class Evidences(Result):
    """The numbers that a verdict rests on."""

    spec: str
    """The model."""
    answer: str
    because: Annotated[tuple[Evidence, ...], "evidence"]


@dataclass(frozen=True)
class StudyResult(Result):
    """A verdict, where it comes from, and the model that it is about; each study adds what it measured."""

    verdict: Verdict
    provenance: dict[str, Any]
    """Command, seed, versions: `interp.base.provenance`."""
    model: dict[str, Any]
    """What the model is, as JSON values: `interp.loading.Loaded.description`."""

    def figures(self) -> dict[str, Any]:
        """Draw every figure of the study's page: name -> plotly `Figure`, in the order of the page.

        >>> study.figures()["head_scores"]
        """
        home = type(self).__module__.removesuffix(".result")
        drawn_by = [study.draws for study in STUDIES.values() if study.draws.startswith(f"{home}.")]
        return resolve_name(drawn_by[0])(self) if drawn_by else {}

    def frame(self, *axes: str) -> Any:
        """Make a table of what the verdict rests on, one row for each number; `frames()` has what was measured.

        Args:
            axes: none: a study has no axes of its own.

        Returns: a pandas DataFrame.

        Raises: UserError for an axis, or without pandas.
        """
        return Evidences(str(self.model.get("spec", "")), self.verdict.answer, self.verdict.because).frame(*axes)
