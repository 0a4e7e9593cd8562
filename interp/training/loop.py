"""The training loop: a step, now and then an evaluation and a checkpoint, and every way in which it can end.

It ends after the last step, or when a target accuracy is reached, or by Ctrl-C (the folder is left resumable), or by an
error (the last checkpoint is left as it was). Devices and processes are accelerate's: the same call trains in one
process or, under `accelerate launch`, in several that share each batch.
"""

import math
from collections.abc import Sequence
from inspect import signature
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from accelerate.tracking import GeneralTracker
from accelerate.utils import broadcast
from torch import Tensor, nn
from tqdm.auto import tqdm

from interp.base.calls import checked_call
from interp.base.errors import DivergedError, UserError
from interp.results.training import TrainLog
from interp.tasks.base import Task
from interp.training.average import RunningAverage
from interp.training.data import count_examples, draw, generator_for, share
from interp.training.evaluate import accuracy_by_length
from interp.training.interrupt import Interruption
from interp.training.log import LogFile, Record, train_log
from interp.training.passing import make_passing
from interp.training.recipe import TrainConfig
from interp.training.run_folder import LOG
from interp.training.step import make_optimizer, take_step
from interp.training.trackers import PROJECT, hyperparameters, numbers
from interp.training.under_way import RunFolder

READ_EVERY = 10
"""Steps whose losses are read from the device at once: reading one waits for it."""


@checked_call
def train(
    model: nn.Module,
    task: Task,
    config: TrainConfig,
    folder: str | Path | None = None,
    *,
    resume: bool = False,
    progress: bool = True,
    trackers: Sequence[GeneralTracker] = (),
) -> TrainLog:
    """Train `model` in place, where it stands (in several processes: on each one's device).

    >>> model = interp.HookedTransformer(interp.TransformerConfig(n_layers=1, n_heads=2, d_model=16), seed=0)
    >>> config = interp.TrainConfig(steps=2, batch=4, length=(1, 4), evaluate_lengths=(4,), evaluate_strings=8)
    >>> log = interp.train(model, interp.CopyTask(), config, progress=False)
    >>> log.examples.tolist()
    [4, 8]

    Args:
        model: tokens to logits.
        task: draws the strings.
        config: the recipe.
        folder: where the run is kept (see `interp.training.run_folder`); None keeps nothing.
        resume: continue from the checkpoint in `folder`, to the very weights that an uninterrupted training would have.
        progress: whether to show a progress bar.
        trackers: what follows it besides the folder's `log.jsonl`: of `interp.training.trackers`, or accelerate's own.

    Raises: UserError if `folder` holds a run already (or, to resume, none of this recipe); DivergedError if the loss is
        no longer finite; InterpError if a file cannot be written; KeyboardInterrupt after Ctrl-C, once the checkpoint
        is written.
    """
    return _Training(model, task, config, folder, resume, progress, trackers).run()


class _Training:
    """The state of a training between steps."""

    def __init__(
        self,
        model: nn.Module,
        task: Task,
        config: TrainConfig,
        folder: str | Path | None,
        resume: bool,
        progress: bool,
        trackers: Sequence[GeneralTracker],
    ) -> None:
        # Without CUDA it would leave processes that were launched together unconnected, each training on its own.
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available(), log_with=list(trackers) or None)
        self.processes = self.accelerator.num_processes
        if config.batch < self.processes:
            raise UserError(
                f"batch must be at least {self.processes}, a string for each process; got {config.batch}. Raise "
                "it, or use fewer processes."
            )
        if config.isolate and not getattr(model, "isolates", True):
            raise UserError(
                "isolate must be False for recurrent models, whose state crosses from one packed string to the "
                "next; got True. Leave context out to train on one string per row."
            )
        if self.processes > 1:
            model.to(self.accelerator.device)
        self.device = next(model.parameters()).device
        self.model, self.task, self.config = model, task, config
        self.optimizer = make_optimizer(model, config)
        self.average = RunningAverage(self.optimizer, config.average)
        self.passing = make_passing(model, task, config, self.accelerator.process_index, self.processes, self.device)
        self.records: list[Record] = []
        self.done = 0
        self.examples = 0
        self.finished = False
        self.pending: list[tuple[int, int, Tensor, Tensor]] = []
        self.folder = None if folder is None else RunFolder(folder, model, task, config)
        self.log: LogFile | None = None
        self.trackers: list[GeneralTracker] = []
        if self.folder is None and (resume or config.keep):
            wanted = "resume a training" if resume else "keep checkpoints"
            raise UserError(f"folder must be given to {wanted}; got none. Name the folder of the run.")
        if self.folder is not None and self.accelerator.is_main_process:
            self.folder.take()
        try:
            self._open(resume)
        except BaseException:
            self._close()
            raise
        self.bar = tqdm(
            total=config.steps * config.batch,
            initial=self.done * config.batch,
            unit="ex",
            desc="training",
            disable=not (progress and self.accelerator.is_main_process),
        )

    def run(self) -> TrainLog:
        try:
            if not self.finished:
                self._steps()
            self.average.settle()
        finally:
            self.bar.close()
            self.model.eval()
            self._close()
        return train_log(self.records, self.config)

    def _steps(self) -> None:
        stepped: Any = self.accelerator.prepare_model(self.model, device_placement=False)
        if self.config.compile:
            stepped = torch.compile(stepped)
        answers_only = "queries_from" in signature(self.model.forward).parameters
        with Interruption() as interruption:
            while not self.finished:
                batch = draw(self.task, self.config, self.done)
                mine = share(batch, self.accelerator.process_index, self.processes, self.device, answers_only)
                past = self.passing(self.done)
                loss, norm = take_step(stepped, self.optimizer, mine, self.config, self.done, past)
                self.done += 1
                self.examples += count_examples(batch)
                self.pending.append((self.done, self.examples, loss, norm))
                self._after_step(interruption)

    def _after_step(self, interruption: Interruption) -> None:
        last = self.done == self.config.steps
        if last or self.done % READ_EVERY == 0:
            self._read_losses()
        if last or self.done % self.config.evaluate_every == 0:
            self._evaluate()
            self.finished = last or self._target_reached()
        if self.done in self.config.keep:
            self._keep()
        interrupted = self._agree(interruption)
        if self.finished or interrupted or self.done % self.config.checkpoint_every == 0:
            self._checkpoint()
        if interrupted and not self.finished:
            kept = "" if self.folder is None else f"{self.folder.path} can be resumed from step {self.done}."
            raise KeyboardInterrupt(kept)

    def _read_losses(self) -> None:
        """Turn the losses of the last steps into records; all of them must be finite."""
        if not self.pending:
            return
        losses = torch.stack([loss for _, _, loss, _ in self.pending])
        norms = torch.stack([norm for _, _, _, norm in self.pending])
        losses = self.accelerator.reduce(losses, "mean") if self.processes > 1 else losses
        values = zip(self.pending, losses.tolist(), norms.tolist(), strict=True)
        self.pending = []
        for (step, examples, _, _), loss, norm in values:
            rate = self.config.learning_rate_at(step - 1)
            if not (math.isfinite(loss) and math.isfinite(norm)):
                raise DivergedError(self._diverged(step, rate, loss))
            self._write({"step": step, "examples": examples, "loss": loss, "learning_rate": rate, "gradient": norm})
        self.bar.update(self.done * self.config.batch - self.bar.n)
        self.bar.set_postfix(self._shown(), refresh=False)

    def _diverged(self, step: int, rate: float, loss: float) -> str:
        config = self.config
        kept = "" if self.folder is None else f" The last checkpoint in {self.folder.path} is whole."
        return (
            f"the loss and its gradient must stay finite; got a loss of {loss} at step {step} "
            f"(learning rate {rate:.2g}). Lower the learning rate of {config.learning_rate:.2g}, or lengthen the "
            f"warm-up of {config.warmup} steps.{kept}"
        )

    def _evaluate(self) -> None:
        self._read_losses()
        config = self.config
        generator = generator_for(config.seed, "evaluate")
        with self.average.in_place():
            asked = config.evaluate_lengths
            found = accuracy_by_length(self.model, self.task, asked, config.evaluate_strings, generator)
        record: Record = {"step": self.done, "examples": self.examples}
        for name, values in (("string_accuracy", found.string_correct), ("letter_accuracy", found.letter_accuracy)):
            means = torch.as_tensor(values.mean(axis=1, dtype=np.float64))
            if self.processes > 1:  # all evaluate, and take the first one's word, so as to stop together
                means = broadcast(means.to(self.device))
            record[name] = dict(zip(map(str, config.evaluate_lengths), means.tolist(), strict=True))
        self._write(record)
        self.bar.set_postfix(self._shown(), refresh=False)

    def _target_reached(self) -> bool:
        length = self.config.stop_length
        return length is not None and self.records[-1]["string_accuracy"][str(length)] >= self.config.stop_accuracy

    def _agree(self, interruption: Interruption) -> bool:
        """Whether any process was asked to end. Several agree on it only when losses are read: asking costs time."""
        if self.processes == 1:
            return interruption.asked
        if self.done % READ_EVERY:
            return False
        if interruption.asked:
            self.accelerator.set_trigger()
        return self.accelerator.check_trigger()

    def _shown(self) -> dict[str, str]:
        """What stands beside the progress bar."""
        losses = [record["loss"] for record in self.records[-READ_EVERY:] if "loss" in record]
        shown = {"loss": f"{sum(losses) / len(losses):.3f}"} if losses else {}
        accuracy = next((r["string_accuracy"] for r in reversed(self.records) if "string_accuracy" in r), None)
        length = self.config.stop_length or self.config.evaluate_lengths[-1]
        return shown if accuracy is None else {**shown, f"copied at {length}": f"{accuracy[str(length)]:.1%}"}

    def _write(self, record: Record) -> None:
        self.records.append(record)
        if self.log is not None:
            self.log.write(record)
        for tracker in self.trackers:
            tracker.log(numbers(record), step=record["examples"])

    def _keep(self) -> None:
        self._read_losses()  # weights of a training that has diverged are not kept
        if self.folder is not None and self.accelerator.is_main_process:
            with self.average.in_place():
                self.folder.keep(self.model, self.done, self.examples)

    def _checkpoint(self) -> None:
        self._read_losses()
        if self.folder is not None and self.accelerator.is_main_process:
            self.folder.checkpoint(self.model, self.average, self.done, self.examples, self.finished)

    def _open(self, resume: bool) -> None:
        """Find the training that is to continue, or begin one; a tracker that cannot start leaves the folder as it
        was."""
        if self.folder is not None and resume:
            stamp, self.records = self.folder.resume(self.model, self.optimizer)
            self.done, self.examples, self.finished = stamp.step, stamp.examples, stamp.finished
            if self.finished and self.accelerator.is_main_process:
                with self.average.in_place():
                    self.folder.complete(self.model, stamp)
        elif self.folder is not None:
            self.folder.refuse_if_begun()
        self.accelerator.wait_for_everyone()  # all have looked before one writes
        recipe = {"training": self.config.to_dict()} if self.folder is None else self.folder.recipe
        self.accelerator.init_trackers(PROJECT, hyperparameters(recipe))
        self.trackers = self.accelerator.trackers  # of the main process alone
        if self.folder is not None and self.accelerator.is_main_process:
            if not resume:
                self.folder.begin(self.model, self.average)
            self.log = LogFile(self.folder.path / LOG, self.records)
        self.accelerator.wait_for_everyone()

    def _close(self) -> None:
        if self.log is not None:
            self.log.close()
        if self.folder is not None:
            self.folder.release()
        for tracker in self.trackers:
            tracker.finish()
