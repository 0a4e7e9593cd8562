"""Which parts of a model copy, and are they enough?"""

from interp.studies.circuit.settings import CircuitSettings
from interp.studies.study import STUDIES, Study

STUDIES.register(
    Study(
        name="circuit",
        question="Which parts of a model copy, and are they enough?",
        Settings=CircuitSettings,
        runs="interp.studies.circuit.run:circuit_study",
        reports="interp.studies.circuit.report:write_circuit_report",
        prints="interp.studies.circuit.report:tables",
        draws="interp.studies.circuit.report:study_figures",
    )
)
