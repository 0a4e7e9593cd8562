"""`LearningStudy`: what a training left behind; the content of its page."""

from dataclasses import dataclass

from interp.results.accuracy import LengthAccuracy
from interp.results.heads import HeadScores
from interp.results.training import TrainLog
from interp.studies.result import StudyResult


@dataclass(frozen=True)
class KeptStep:
    """The heads of a model as they were after a step."""

    step: int
    examples: int
    """Examples seen by then."""
    scores: HeadScores


@dataclass(frozen=True)
class LearningStudy(StudyResult):
    """The curves of a training, what the model can do at its end, and its heads along the way."""

    training: TrainLog
    accuracy_by_length: LengthAccuracy
    kept: tuple[KeptStep, ...]
    """Every kept step and the last, in order; empty where none was kept, or heads cannot be asked."""
    notes: tuple[str, ...] = ()
    """What was not measured, and why."""

    def first_with_lookup(self) -> KeptStep | None:
        """The first kept step at which a head looks up; None if there is none."""
        return next((kept for kept in self.kept if kept.scores.of_role("lookup")), None)
