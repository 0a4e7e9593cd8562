"""Jelassi et al. 2024, "Repeat After Me: Transformers are Better than State Space Models at Copying", claim by claim.

Each claim is a file of this folder that registers itself. `interp reproduce` runs them.
"""

from interp.experiments.paper.registry import CLAIMS, SIZES, claims

__all__ = ["CLAIMS", "SIZES", "claims"]
