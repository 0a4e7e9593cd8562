"""`load_result`: what a command or `save` left in a folder, whatever its kind."""

import pkgutil
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

import interp.results
from interp.base.errors import UserError, shortened, shown, unknown
from interp.base.files import read_json
from interp.base.paths import expanded, is_file
from interp.results.record import RESULTS, Result
from interp.studies.study import STUDIES

OF_EXPERIMENTS = (
    "interp.experiments.record.result",
    "interp.experiments.state_growth.result",
    "interp.experiments.claim",
)


def load_result(folder: str | Path) -> Result:
    """Read a folder that holds a result, without knowing of which kind: its class is the one that wrote it.

    >>> type(interp.load_result(study.save("results/mine"))).__name__
    'HashHeadStudy'

    Args:
        folder: that of a command, as in `results/heads/...`, or of `save`; also a file in it, such as its page.

    Raises: UserError if it holds no result, or one that another version wrote; InterpError if it is damaged.
    """
    if not isinstance(folder, str | Path):
        raise UserError(f"folder must be a path; got {shown(folder)}. Name the folder of a result.")
    at = expanded(folder, "a result's folder")
    at = at.parent if is_file(at) else at
    document = read_json(at / RESULTS, "a result")
    kind = document.get("result") if isinstance(document, dict) else None
    if not isinstance(kind, str):
        raise UserError(f"{shortened(str(at), 200)} must hold a result; got a {RESULTS} without a result in it.")
    known: list[str] = []
    for home in _homes():  # one after the other: that of claims imports torch, which no other does
        kinds = _kinds(home)
        if kind in kinds:
            return kinds[kind].load(at)
        known += kinds
    raise unknown("result", kind, known)


def _homes() -> list[str]:
    """Modules that define results: of studies, those that were added among them; of experiments; of single measures."""
    studies = [f"{study.runs.partition('.run:')[0]}.result" for study in STUDIES.values()]
    measures = [f"interp.results.{module.name}" for module in pkgutil.iter_modules(interp.results.__path__)]
    return [home for home in (*studies, *measures, *OF_EXPERIMENTS) if find_spec(home) is not None]


def _kinds(home: str) -> dict[str, type[Result]]:
    """The kinds of result that a module defines, by their names."""
    found = vars(import_module(home)).items()
    return {name: each for name, each in found if isinstance(each, type) and issubclass(each, Result)}
