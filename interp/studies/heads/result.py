"""`HashHeadStudy`: everything that a study of one model's heads found; the content of its page."""

from dataclasses import dataclass
from typing import Any

from interp.results.ablation import AblationResult
from interp.results.accuracy import LengthAccuracy, StepCurve
from interp.results.attention import AttentionView
from interp.results.heads import HeadScore, HeadScores
from interp.results.training import TrainLog
from interp.results.use import HeadUse
from interp.studies.result import StudyResult


@dataclass(frozen=True)
class EffectiveN:
    """The whole model's n, measured three times."""

    behavioural: int | None
    causal: int | None
    heads: int | None
    """The n that most lookup heads have."""
    offsets: tuple[int, ...] = ()
    """Letters back that move the answer, by intervention."""
    ordered: bool | None = None
    """Whether the order of these letters counts; None where that was not asked, or not told."""


@dataclass(frozen=True)
class HashHeadStudy(StudyResult):
    """Everything that a study of heads finds: the content of its page."""

    accuracy_by_length: LengthAccuracy
    effective_n: EffectiveN
    behavioural: StepCurve
    causal: StepCurve
    scores: HeadScores
    ablations: tuple[AblationResult, ...]
    attention: AttentionView
    """One string, as the model is, without its lookup heads and without its gather heads, if it has any."""
    training: TrainLog | None
    use: HeadUse | None = None
    """What is left of the copy without the lookup heads, and without other heads that attend to the source."""

    @property
    def heads(self) -> tuple[HeadScore, ...]:
        return self.scores.heads

    @staticmethod
    def _arrange(document: dict[str, Any]) -> dict[str, Any]:
        """The list of heads stands at the top of the document, where readers look for it."""
        rest = dict(document["scores"])
        return {**document, "heads": rest.pop("heads"), "scores": rest}

    @staticmethod
    def _restore(document: dict[str, Any]) -> dict[str, Any]:
        rest = dict(document)
        heads = rest.pop("heads")
        return {**rest, "scores": {**rest["scores"], "heads": heads}}
