"""`interp train`: train a preset, a variant of it or a model of any kind, keep it in a run folder, and write its page.

The folder can be given to every other command as --model. Its log is log.jsonl: one JSON object per step and per
evaluation; its page, report.html, is what `interp learning --model FOLDER` writes. Under `accelerate launch
analyses/train.py` GPUs (without any: CPU processes) share each batch.
"""

import os
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from tyro.conf import UseAppendAction

from interp.base.errors import UserError
from interp.base.files import read_json
from interp.base.paths import expanded, is_file
from interp.cli.devices import resolve_device
from interp.cli.options import Shared
from interp.cli.places import check_out
from interp.cli.recipes import chosen
from interp.cli.streams import say
from interp.studies.study import silent

TINY = None
OWN = ("steps", "batch", "length", "learning_rate", "keep")
"""What differs from the preset, where it is given."""
RECIPE = ("model", "kind", "set", "config", "task")
"""What names a recipe."""
MOST = {"steps": 10_000_000, "batch": 1_000_000, "length": 100_000}
"""Bounds past which an option is a slip: nothing here has the memory, or the years."""


@dataclass(frozen=True)
class Options(Shared):
    """Options of this command."""

    model: str = "short"
    """Preset to train; `interp presets` lists them."""
    kind: str | None = None
    """Kind of model to train instead: transformer, mamba, gla, lstm, hybrid, ... A preset of that name
    gives the rest."""
    set: UseAppendAction[tuple[str, ...]] = ()
    """A field of the model's config, as NAME=VALUE: --set d_state=8 --set attention.n_heads=4."""
    config: str | None = None
    """A JSON file with model, task and training, such as the config.json of a run folder, instead of a preset."""
    task: str | None = None
    """What to learn instead: copy, 'ngram?n=2', reverse, 'recall?queries=2', ... A task that does not copy uniform
    letters is learned without hard strings."""
    resume: bool = False
    """Continue the interrupted training in the run folder, by the recipe that it holds, to the same bits as if it had
    not been interrupted."""
    steps: int | None = None
    """Number of steps, instead of the preset's."""
    batch: int | None = None
    """Strings per step, instead of the preset's."""
    length: tuple[int, int] | None = None
    """Shortest and longest string, instead of the preset's; the longest is then what is evaluated."""
    learning_rate: float | None = None
    """Peak learning rate, instead of the preset's."""
    keep: tuple[int, ...] | None = None
    """Steps whose weights are kept for good, to be opened as runs/x@75; 0: the first weights."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 runs forward and loss under autocast."""
    compile: bool = False
    """Run the training step through torch.compile."""
    log_to: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Also log to these, below the run folder."""
    run_name: str | None = None
    """Name of the run there, instead of its folder's."""
    run_group: str | None = None
    """Group of the run there, instead of the preset's name; of a run that is resumed, instead of its folder's."""


def work(options: Options) -> None:
    """Train, and say how well it copies.

    Raises: UserError for an unknown preset, a recipe that cannot be, or a folder that cannot hold the run.
    """
    options = _resumed(options)
    main_process = os.environ.get("RANK", "0") == "0"  # accelerate starts several of this
    on_line = say if main_process and not options.quiet else silent
    what = options.config or options.kind or options.model
    folder = f"runs/{_plain(what)}-seed{options.seed}" if options.out is None else options.out
    on_line(f"interp train: {what} into {folder} on device {options.device}, seed {options.seed}")
    _refuse_giants(options)
    device = resolve_device(options.device)

    from interp.models import build
    from interp.training.loop import train
    from interp.training.trackers import make_tracker

    config, task, training = chosen(options.model, options.kind, options.config, options.set, options.task)
    place = check_out(folder) if main_process else expanded(folder, "--out")
    named = options.run_name, _plain(what) if options.run_group is None else options.run_group
    trackers = [make_tracker(kind, place, *named) for kind in options.log_to]
    given = {name: value for name in OWN if (value := getattr(options, name)) is not None}
    if options.steps is not None:
        given["warmup"] = min(training.warmup, options.steps)
        given["hard_from"] = min(training.hard_from, options.steps)
    if options.length is not None:
        given["evaluate_lengths"] = (options.length[1],)
    training = replace(training, seed=options.seed, precision=options.precision, compile=options.compile, **given)
    for length in (*training.lengths, *training.evaluate_lengths):
        task.sample(1, length, options.seed)  # what the task refuses, it refuses before anything is written
    model = build(config, seed=options.seed).to(device)
    if (size := task.vocabulary.size) > model.cfg.d_vocab:
        raise UserError(f"d_vocab must be at least {size}, the tokens of the task; got {model.cfg.d_vocab}.")
    log = train(model, task, training, place, resume=options.resume, progress=not options.quiet, trackers=trackers)
    right, length, examples = log.string_accuracy[-1, -1], log.lengths[-1], log.examples[-1]
    on_line(f"{right:.1%} of strings of {length} letters are right after {examples:,} examples.")
    if main_process:
        page = _write_page(place, options)
        say(str(place) if options.quiet else f"The run is kept in {place}; its page:\n{page}")


def _resumed(options: Options) -> Options:
    """The options with the recipe of the run that is resumed, where the line names none: it is in the run's folder.

    What is given beside `--resume` is compared with the run's recipe when the training begins; an option that is given
    with its default counts as left out.
    """
    given = any(getattr(options, name) != getattr(Options, name) for name in (*RECIPE, *OWN))
    if not options.resume or options.out is None or given:
        return options
    config = expanded(options.out, "--out") / "config.json"
    described = read_json(config, "a run's config") if is_file(config) else {}
    training = described.get("training") if isinstance(described, dict) else None
    if not isinstance(training, dict):
        return options  # refused when the training begins
    return replace(
        options,
        config=str(config),
        seed=options.seed or training.get("seed", 0),
        precision=options.precision if options.precision != Options.precision else training.get("precision", "fp32"),
        compile=options.compile or training.get("compile", False),
    )


def _write_page(place: Path, options: Options) -> Path:
    """The page of the training, in its run folder."""
    from interp.loading import load
    from interp.studies.study import STUDIES

    study, on_step = STUDIES["learning"], silent if options.quiet else lambda step: say(f"  {step} ...")
    return study.report(study.run(load(place), None, options.seed, on_step), place)


def _plain(what: str) -> str:
    """A preset or a kind as it is; of a path the name of the run."""
    path = Path(what)
    name = path.parent.name if path.name == "config.json" and path.parent.name else path.stem
    return "".join(c if c.isalnum() or c in "-_." else "-" for c in name) or "run"


def _refuse_giants(options: Options) -> None:
    for name, most in MOST.items():
        value = getattr(options, name)
        largest = max(value) if isinstance(value, tuple) else value
        if largest is not None and largest > most:
            raise UserError(f"--{name} must be at most {most:,}; got {largest}.")
