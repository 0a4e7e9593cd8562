"""What a model specification says of a run: its folder or its preset, and the step whose weights are meant."""

import re
from difflib import get_close_matches
from pathlib import Path

from interp.base.calls import checked_call
from interp.base.errors import UserError, shortened, unknown
from interp.base.files import read_json
from interp.base.paths import expanded, is_file, is_folder, is_there
from interp.training.presets import PRESETS
from interp.training.run_folder import CONFIG, WEIGHTS

LAST = "last"
"""Stands after @ for the weights at the end of a training."""
LONGEST_STEP = 12
"""Digits that no step has."""
HUB_NAME = re.compile(r"(?!\.)[\w.-]+(/[\w.-]+)?", re.ASCII)
FORMS = (
    "a preset, a run folder (on the hub: hub:USER/NAME), planted:ngram?n=3 (built by hand), "
    "hf:PATH_OR_NAME (pretrained) or gguf:PATH"
)


@checked_call
def at_step(spec: str) -> tuple[str, int | None]:
    """What stands before @, and the step behind it; None for the last one, and where no step is named.

    Raises: UserError for something else than a step.

    >>> at_step("runs/x@75"), at_step("runs/x@last"), at_step("runs/x")
    (('runs/x', 75), ('runs/x', None), ('runs/x', None))
    """
    name, at, step = spec.rpartition("@")
    if not at or is_there(expanded(spec, "a model")):
        return spec, None
    if step == LAST:
        return name, None
    if not (step.isascii() and step.isdecimal() and len(step) < LONGEST_STEP):
        raise UserError(
            f"a step after @ must be an integer, or {LAST}, as in {shortened(name)}@75; got {shortened(step)!r}."
        )
    return name, int(step)


def run_folder(spec: str) -> Path:
    """The path of a run folder.

    Raises: UserError that says what is wrong with it, or what could have been meant.
    """
    if not spec.strip():
        raise UserError(f"a model must be {FORMS}; got an empty name.")
    path = expanded(spec, "a model")
    if is_there(path) and not is_folder(path):
        raise UserError(
            f"a run must be the folder that a training wrote; got the file {spec}. Name the folder that holds it."
        )
    if is_there(path):
        check_run(path)
        return path
    hub = (
        f" For a model of the Hugging Face hub pass hf:{spec}." if len(spec) < 100 and HUB_NAME.fullmatch(spec) else ""
    )
    if "/" in spec or spec.startswith((".", "~")):
        raise UserError(f"a model must be {FORMS}; got {shortened(spec)}, where there is no folder.{hub}")
    hub = "" if get_close_matches(spec, PRESETS, cutoff=0.5) else hub
    raise UserError(f"{unknown('model', spec, PRESETS)} A model must be {FORMS}.{hub}")


def check_run(folder: Path) -> None:
    """Raises: UserError for a folder that holds no run."""
    lacking = [name for name in (CONFIG, WEIGHTS) if not is_file(folder / name)]
    config = {} if CONFIG in lacking else read_json(folder / CONFIG, "a run's config")
    if isinstance(config, dict) and "model_type" in config:
        raise UserError(
            f"a model must be a run folder, or have hf: before it; got {folder}, a Hugging Face model. Pass "
            f"hf:{folder}."
        )
    if lacking:
        if CONFIG in lacking and is_file(folder / "results.json"):
            raise UserError(
                f"{folder} must be a run folder; got one that holds a result. Read it with interp.load_result, or name "
                "the --out of a training."
            )
        raise UserError(
            f"{folder} must be a run folder; got one that lacks {' and '.join(lacking)}. Name the --out of a training."
        )
