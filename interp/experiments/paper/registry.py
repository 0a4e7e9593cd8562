"""The claims by their names, in the order of the paper's page."""

from collections.abc import Sequence
from importlib import import_module

from interp.base.errors import UserError, unknown
from interp.experiments.claim import Claim

SIZES = ("tiny", "laptop", "paper")
"""tiny: a look at the machinery; laptop: two CPU cores, some hours; paper: the paper's own models, on a GPU."""
PAPER = "Jelassi et al. 2024, Repeat After Me (arXiv 2402.01032)"
CLAIMS = (
    "samples",
    "length",
    "suffix",
    "prefix",
    "repeats",
    "copier",
    "registers",
    "objections",
    "stretched",
    "capacity",
)
"""Modules of this folder, each with a `CLAIM`."""


def claims(names: Sequence[str] = ()) -> tuple[Claim, ...]:
    """The claims of these names, all without any.

    Raises: UserError for an unknown name, with the nearest.
    """
    for name in names:
        if name not in CLAIMS:
            raise unknown("claim", name, CLAIMS, limit=len(CLAIMS))
    wanted = [name for name in CLAIMS if not names or name in names]
    return tuple(import_module(f"interp.experiments.paper.{name}").CLAIM for name in wanted)


def check_size(size: str) -> str:
    """Return the size. Raises: UserError for an unknown one."""
    if size not in SIZES:
        raise unknown("size", size, SIZES)
    return size


def check_seeds(seeds: int) -> tuple[int, ...]:
    """Seeds 0, 1, ... of so many trainings. Raises: UserError for less than one."""
    if seeds < 1:
        raise UserError(f"--seeds must be an integer from 1 on; got {seeds}.")
    return tuple(range(seeds))
