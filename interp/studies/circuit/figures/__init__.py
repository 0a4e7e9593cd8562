"""The figures of a circuit: its edges, how much is left with fewer, each head's hash (`circuit`), how it formed
(`formation`)."""

from interp.studies.circuit.figures.circuit import circuit_graph, faithfulness, hash_figure
from interp.studies.circuit.figures.formation import formation, hash_movie

__all__ = ["circuit_graph", "faithfulness", "formation", "hash_figure", "hash_movie"]
