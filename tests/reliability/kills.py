"""Trainings, results and kept models that are killed: at a rename, at any moment, beside other writers and readers."""

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

MODEL = {"kind": "transformer", "n_heads": 2, "d_model": 8, "d_vocab": 8}


def killed_at(rename: int) -> Callable[[], int]:
    """From now on, this process is killed just before its rename of that number. Returns: how many there were."""
    done = 0

    def count(function: Any) -> Any:
        def run(*args: Any, **kwargs: Any) -> Any:
            nonlocal done
            if done == rename:
                os.kill(os.getpid(), signal.SIGKILL)
            done += 1
            return function(*args, **kwargs)

        return run

    os.rename, os.replace = count(os.rename), count(os.replace)
    return lambda: done


def forked(work: Callable[[], Any], after: float | None = None) -> bool:
    """Do the work in a child, killed after some seconds if it is not done. Returns: whether it ended by itself."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            os._exit(1)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(child, signal.SIGKILL)
    return not os.WIFSIGNALED(os.waitpid(child, 0)[1])


# ---------------------------------------------------------------------- trainings


def recipe(**more: Any) -> Any:
    """Eight steps, with checkpoints on the way."""
    from interp.training.recipe import TrainConfig

    fields = {"steps": 8, "batch": 2, "length": 3, "warmup": 2, "evaluate_every": 4, "evaluate_lengths": (3,)}
    return TrainConfig(**{**fields, "evaluate_strings": 2, "checkpoint_every": 2, **more})


def train_in(folder: Path, resume: bool = False) -> Any:
    """Train there, or go on; returns the weights."""
    from interp.models import build
    from interp.tasks.copy import CopyTask
    from interp.training.loop import train

    model = build(MODEL)
    train(model, CopyTask(4), recipe(), folder, resume=resume, progress=False)
    return {name: value.clone() for name, value in model.state_dict().items()}


def training(rename: int | None, after: float | None, times: int = 1) -> str:
    """Kill a training so often, going on each time, then let it end.

    Returns: what became of it, "same" where its weights are those of one that was let alone.
    """
    import torch

    from interp.training.run_folder import CONFIG, load_run

    whole, folder = train_in(Path("whole")), Path("run")
    for _ in range(times):
        begun = (folder / CONFIG).exists()

        def work(begun: bool = begun) -> None:
            if rename is not None:
                killed_at(rename)
            train_in(folder, resume=begun)

        if forked(work, after):
            break
        if (folder / CONFIG).exists():
            load_run(folder)  # what is there can be read
    again = train_in(folder, resume=(folder / CONFIG).exists())
    if left := [path.name for path in folder.iterdir() if path.name.startswith(".")]:
        return f"left {left}"
    kept = load_run(folder).model.state_dict()
    same = all(torch.equal(whole[name], again[name]) and torch.equal(whole[name], kept[name]) for name in whole)
    return "same" if same else "other weights"


def two_trainings() -> list[bool]:
    """Two trainings into one folder at once. Returns: which of the two ended well."""
    first = os.fork()
    if not first:
        try:
            train_in(Path("run"))
        except BaseException:
            os._exit(2)
        os._exit(0)
    second = forked_code(lambda: train_in(Path("run")))
    return [os.waitstatus_to_exitcode(os.waitpid(first, 0)[1]) == 0, second == 0]


def forked_code(work: Callable[[], Any]) -> int:
    """The exit code of some work in a child."""
    child = os.fork()
    if not child:
        try:
            work()
        except BaseException:
            os._exit(2)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# ---------------------------------------------------------------------- kept models


def kept(rename: int | None, after: float | None) -> str:
    """Kill a retraining of a kept model. Returns: "same" where whoever asks then has the model."""
    import torch

    from interp.tasks.copy import CopyTask
    from interp.training.kept_runs import kept_run
    from interp.training.run_folder import load_run

    os.environ["INTERP_HOME"] = str(Path.cwd() / "home")

    def ask(retrain: bool = False) -> Any:
        return kept_run("a", MODEL, CopyTask(4), recipe(), retrain=retrain, progress=False, read=load_run)

    def again() -> None:
        if rename is not None:
            killed_at(rename)
        ask(retrain=True)

    before = ask().model.state_dict()
    forked(again, after)
    found = ask()
    if not found.stamp.finished:
        return "unfinished"
    now = found.model.state_dict()
    return "same" if all(torch.equal(before[name], now[name]) for name in before) else "other weights"


def reader_beside_a_retraining() -> list[str]:
    """Ask for a kept model while another retrains it. Returns: what every reader found."""
    from interp.tasks.copy import CopyTask
    from interp.training.kept_runs import kept_run
    from interp.training.run_folder import load_run

    os.environ["INTERP_HOME"] = str(Path.cwd() / "home")

    def ask(retrain: bool = False) -> Any:
        return kept_run("a", MODEL, CopyTask(4), recipe(), retrain=retrain, progress=False, read=load_run)

    ask()
    writer = os.fork()
    if not writer:
        for _ in range(3):
            ask(retrain=True)
        os._exit(0)
    found = []
    while os.waitpid(writer, os.WNOHANG)[0] == 0:
        found.append("whole" if ask().stamp.finished else "unfinished")
    return found


# ---------------------------------------------------------------------- results


def curve(value: int) -> Any:
    """A result, all of whose numbers are told by one."""
    import numpy as np

    from interp.base.interval import Interval
    from interp.results.accuracy import StepCurve

    numbers = (float(value),) * 2
    intervals = tuple(Interval(number, number, "Student t") for number in numbers)
    return StepCurve(x=(1, 2), value=numbers, interval=intervals, n=value, examples=np.full((2, 200), numbers[0]))


def result(rename: int | None, after: float | None) -> str:
    """Kill the writer of a result into a folder that holds an older one.

    Returns: old or new, or refused: never a mixture; after another save it must be new.
    """
    from interp.base.errors import InterpError
    from interp.results.accuracy import StepCurve

    folder = Path("found")
    curve(1).save(folder)

    def work() -> None:
        if rename is not None:
            killed_at(rename)
        for _ in range(1 if after is None else 1000):
            curve(2).save(folder)

    forked(work, after)
    try:
        found = StepCurve.load(folder)
        seen = {found.n, *found.examples.reshape(-1).tolist()}
        said = {(1, 1.0): "old", (2, 2.0): "new"}.get((found.n, found.examples[0, 0]), "mixture")
        said = said if len(seen) == 1 else "mixture"
    except InterpError:
        said = "refused"
    curve(2).save(folder)
    return said if StepCurve.load(folder).n == 2 and len(list(folder.iterdir())) == 2 else "stuck"


def reader_beside_a_writer(seconds: float) -> dict[str, int]:
    """Read a result while another writes two in turn into its folder. Returns: how often it was what."""
    from interp.base.errors import InterpError
    from interp.results.accuracy import StepCurve

    folder, said = Path("found"), {"1": 0, "2": 0, "refused": 0, "mixture": 0}
    curve(1).save(folder)
    writer = os.fork()
    if not writer:
        while True:
            for value in (1, 2):
                curve(value).save(folder)
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            found = StepCurve.load(folder)
            seen = {found.n, *found.examples.reshape(-1).tolist()}
            said[str(found.n) if len(seen) == 1 else "mixture"] += 1
        except InterpError:
            said["refused"] += 1
    os.kill(writer, signal.SIGKILL)
    os.waitpid(writer, 0)
    return said
