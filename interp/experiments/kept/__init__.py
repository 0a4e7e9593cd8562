"""What runs have found: one small JSON file a run, named by the digest of its plan; no weights.

Files of several machines can lie in one folder: a digest says what was run, so that nothing is done twice, and a plan
that has changed has another digest, so that nothing old counts for it.
"""

from interp.experiments.kept.found import SCHEMA, Found
from interp.experiments.kept.store import Record

__all__ = ["SCHEMA", "Found", "Record"]
