"""`CircuitStudy`: the smallest circuit that copies, how it was tested, and what its lookup heads are made of."""

from dataclasses import dataclass

from interp.results.attention import AttentionView
from interp.results.circuits import HeadTables, SelfRepair
from interp.results.formation import Formation
from interp.results.heads import HeadScores
from interp.results.sufficiency import CircuitCurve, CircuitTest
from interp.studies.result import StudyResult


@dataclass(frozen=True)
class CircuitStudy(StudyResult):
    """A circuit with its evidence: the content of its page."""

    circuit: CircuitTest
    """The smallest circuit that was found, on strings on which it was not looked for."""
    curve: CircuitCurve
    """What is left with the best edges alone, best by what each costs when it alone is replaced."""
    scores: HeadScores
    lookups: tuple[HeadTables, ...]
    """Every lookup head that attends, taken apart."""
    repair: SelfRepair | None
    """What the rest makes up for when they go; None where there are none."""
    attention: AttentionView | None = None
    """One short string, with the model as it is and without its lookup and gather heads."""
    formation: Formation | None = None
    """The circuit's heads along the training; None where no steps were kept."""
