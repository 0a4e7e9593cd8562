"""`load`: a model from one string, with the task that it is asked to do and what is known about it.

| specification | is |
|---|---|
| `short`, `rope`, ... | a preset: trained once, then kept |
| `planted:ngram?n=3` | a model built by hand, whose mechanism is known: see `interp.models.planted` |
| `hf:PATH_OR_NAME` | a pretrained language model in the Hugging Face format; a Mamba also in its authors' |
| `hf:NAME?revision=TAG&dtype=bfloat16&device_map=auto` | as it was then, in half the memory, over several devices |
| `gguf:PATH` | a pretrained language model in one GGUF file, of an architecture like Llama's |
| `hub:USER/NAME` | a run folder on the Hugging Face hub, which `push_to_hub` put there |
| anything else | the path of a run folder, which a training left behind |
| `runs/x@75` | the same as it was after step 75, of those that it keeps (`TrainConfig.keep`); `@last`: at the end |

A model is asked what it was trained on, a pretrained one to copy; `task` asks something else (`interp.tasks.registry`).
"""

import dataclasses
import html
import json
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar, cast

import torch
from torch import nn

from interp.base.calls import checked_call
from interp.base.errors import UserError
from interp.base.seeds import check_seed
from interp.base.words import count
from interp.loading.letters import vocabulary_over as vocabulary_over
from interp.models.hooks.model import HookedModel
from interp.models.planted import (
    HybridPlanting,
    MemoryTruth,
    PlantedCapacity,
    Planting,
    ReversePlanting,
    planted_from_spec,
)
from interp.models.recurrent.model import RecurrentModel
from interp.models.surface import Model
from interp.results.training import TrainLog
from interp.tasks import CopyTask, ReverseCopy, Task, task_class, task_from_spec
from interp.training.presets import PRESETS, preset, trained_preset
from interp.training.run_folder import Run, check_kept, load_run
from interp.training.run_specs import at_step, run_folder


@dataclass(frozen=True, repr=False)
class Loaded:
    """A model with its task, and what is known about both: what `load` returns and every study takes.

    >>> loaded = interp.load("planted:ngram?n=2")
    >>> loaded.task.n_letters, loaded.model.cfg.n_layers
    (26, 2)
    """

    WANTED: ClassVar[str] = "what interp.load returns"
    ADVICE: ClassVar[str] = "Pass interp.loading.Loaded(model, task, {}) for a model of your own."

    model: Model
    task: Task
    """What it is asked."""
    description: dict[str, Any]
    """What it is, as JSON values: stands as `model` in `results.json`."""
    trained_lengths: tuple[int, int] | None = None
    """Shortest and longest string of its training, if known."""
    training: TrainLog | None = None
    folder: Path | None = None
    """Its run folder, if it has one."""
    planting: Planting | ReversePlanting | PlantedCapacity | MemoryTruth | HybridPlanting | None = None
    """The ground truth of a planted model."""
    pretrained: Any = None
    """What is known of a pretrained model's tokens: `interp.models.pretrained.bridge.Pretrained`."""

    def __repr__(self) -> str:
        known = [type(self.model).__name__]
        known += [count(size, "parameter")] if (size := self.description.get("n_parameters")) else []
        known += [f"asked {type(self.task).__name__}"]
        known += ["trained on {} to {} letters".format(*self.trained_lengths)] if self.trained_lengths else []
        return f"<Loaded {self.description.get('spec', 'a model')}: {', '.join(known)}>"

    def _repr_html_(self) -> str:
        """A line, for notebooks."""
        return f"<code>{html.escape(repr(self))}</code>"


@checked_call
def load(
    spec: str | Path,
    task: str | Task | None = None,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    retrain: bool = False,
    progress: bool = True,
) -> Loaded:
    """Open the model that a specification means, in evaluation mode.

    Args:
        spec: see the table above.
        task: what it is asked, instead of what it was trained on: a name with options such as `copy?alphabet=8` or
            `ngram?n=2`, spoken in the tokens that the model was trained on, or a `Task` as it is. A pretrained model
            gets the marks that a task needs (a separator) from its ordinary tokens.
        device: where the model goes, and where a preset is trained.
        seed: a preset's: of its training. A pretrained model's: of the tokens that serve as letters.
        retrain: train a preset anew even if it is kept.
        progress: show a bar while a preset is trained.

    Raises:
        UserError: for a specification that means nothing, naming the nearest that do.
        InterpError: for damaged files.

    >>> load("planted:ngram?n=2&alphabet=5", "copy?alphabet=3").task.n_letters
    3
    """
    if not isinstance(spec, str | Path):
        raise UserError(
            f"a model must be named by text or a path, as in load('hard-alibi'); got a {type(spec).__name__}."
        )
    check_seed(seed)
    loaded = _opened(str(spec), device, seed, retrain, progress)
    cast(nn.Module, loaded.model).eval()  # a bridge is one, too
    return loaded if task is None else _asked(loaded, task, seed)


def _opened(spec: str, device: torch.device | str, seed: int, retrain: bool, progress: bool) -> Loaded:
    kind, colon, rest = spec.partition(":")
    if colon and kind == "planted":
        return _planted(rest, device)
    if colon and kind == "hf":
        from interp.loading.pretrained import open_pretrained

        model, known = open_pretrained(rest, device)
        return of_bridge(model, spec, seed) if known is None else of_pretrained(model, known, spec, seed)
    if colon and kind == "gguf":
        from interp.models.pretrained.gguf import load_gguf

        return of_bridge(load_gguf(rest, device), spec, seed)
    name, step = at_step(spec)
    if colon and kind == "hub":
        from interp.loading.hub import fetch_run

        return of_run(load_run(fetch_run(name.partition(":")[2]), device=str(device), step=step), spec)
    read = partial(load_run, device=str(device), step=step)
    if name in PRESETS:
        if step is not None:  # before minutes of training
            check_kept(name, step, preset(name)[2].keep)
        run = trained_preset(name, device=device, seed=seed, retrain=retrain, progress=progress, read=read)
    else:
        run = read(run_folder(name))
    return of_run(run, spec)


def as_loaded(what: object, seed: int = 0) -> Loaded:
    """What a study is asked of, opened if it is a specification.

    Args:
        what: what `load` returned, or a specification as `load` takes it.
        seed: as in `load`.

    Raises: UserError for anything else, a bare model among it, and as `load` does.
    """
    if isinstance(what, Loaded):
        return what
    if isinstance(what, str | Path):
        return load(what, seed=seed)
    raise UserError(
        f"loaded must be what interp.load returns, or a model specification; got a {type(what).__name__}. "
        f"Pass interp.loading.Loaded(model, task, {{}}) for a model of your own."
    )


def of_run(run: Run, spec: str) -> Loaded:
    """Put what is known of a run under a name."""
    more = {"training": run.config.to_dict(), **({} if run.stamp.finished else {"step": run.stamp.step})}
    description = _describe(run.model, spec, "trained here", run.task, **more)
    return Loaded(run.model, run.task, description, run.config.lengths, run.log, run.folder)


def _asked(loaded: Loaded, wanted: str | Task, seed: int) -> Loaded:
    """The model with another task in place of its own.

    Raises: UserError for a task whose tokens the model does not have.
    """
    if isinstance(wanted, Task):
        task = wanted
    elif not isinstance(wanted, str):
        raise UserError(
            f"task must be text such as 'copy?alphabet=8', or a Task; got a {type(wanted).__name__}. Name it, "
            "or make one: CopyTask()."
        )
    else:
        vocabulary = loaded.task.vocabulary
        if loaded.pretrained is not None and task_class(wanted).needs_separator:
            vocabulary = vocabulary_over(loaded.pretrained, seed, separator=True)
        task = task_from_spec(wanted, vocabulary)
    if (size := task.vocabulary.size) > loaded.model.cfg.d_vocab:
        raise UserError(
            f"task must use the model's tokens, ids below {loaded.model.cfg.d_vocab}; got a task over {size} "
            "tokens. Name it, as in task='copy', and it uses the tokens that the model knows."
        )
    description = loaded.description | {"task": type(task).__name__, "letters": task.n_letters}
    return dataclasses.replace(loaded, task=task, description=description)


def _planted(rest: str, device: torch.device | str) -> Loaded:
    model, planting = planted_from_spec(rest)
    task = (ReverseCopy if isinstance(planting, ReversePlanting) else CopyTask)(planting.alphabet)
    description = _describe(model, f"planted:{rest}", "built by hand", task, planted=dataclasses.asdict(planting))
    return Loaded(model.to(device), task, description, planting=planting)


def of_bridge(bridge: Any, spec: str, seed: int) -> Loaded:
    """Put what is known of a bridge under a name, and what was tried of its attention (`pretrained.checks`)."""
    from interp.models.pretrained.bridge import Pretrained
    from interp.models.pretrained.checks import what_holds

    return of_pretrained(bridge, Pretrained.of(bridge), spec, seed, **what_holds(bridge))


def of_pretrained(model: Any, known: Any, spec: str, seed: int, **more: Any) -> Loaded:
    """Ask a pretrained model for copies of random strings of its own tokens.

    Args:
        model: ours or a bridge.
        known: its `Pretrained`.
        spec: what it is called.
        seed: of the tokens that serve as letters.
        more: what else its description says.
    """
    task = CopyTask(vocab=vocabulary_over(known, seed))
    return Loaded(model, task, _describe(model, spec, "pretrained", task, **more), pretrained=known)


def _describe(model: Any, spec: str, origin: str, task: Task, **more: Any) -> dict[str, Any]:
    """What a model is, as JSON values. One without attention has no heads."""
    names = ["n_layers", "n_heads", "d_model", "d_head", "d_vocab"]
    if isinstance(model, RecurrentModel) and model.attention is None:
        names = ["n_layers", "d_model", "d_vocab"]
    own = isinstance(model, HookedModel)
    description = {
        "spec": spec,
        "origin": origin,
        "task": type(task).__name__,
        "letters": task.vocabulary.n_letters,
        "n_parameters": sum(parameter.numel() for parameter in model.parameters()),
        **{name: getattr(model.cfg, name) for name in names},
        **({"config": model.config_dict()} if own else {"architecture": model.cfg.architecture}),
        **more,
    }
    return json.loads(json.dumps(description))  # tuples become lists, as they will on the disk
