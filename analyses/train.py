"""Train a small copier and keep it in a run folder.

    python analyses/train.py                                     the demo's model, under a minute on two CPU cores
    python analyses/train.py --model rope --seed 1 --out runs/rope-1
    python analyses/train.py --resume --out runs/rope-1          go on after Ctrl-C, a crash or a power cut
    accelerate launch --multi_gpu --num_processes 2 analyses/train.py
                                                                 GPUs (without any: CPU processes) share each batch

Presets: hard-alibi, rope, nope, alibi; mamba, mamba2, lstm, hybrid. The folder can be given to every other script as
--model. Its log is log.jsonl: one JSON object per step and per evaluation.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from interp.cli import resolve_device, run


@dataclass(frozen=True)
class Options:
    model: str = "hard-alibi"
    """Preset: hard-alibi, rope, nope, alibi, mamba, mamba2, lstm or hybrid."""
    out: Path | None = None
    """Run folder; by default runs/PRESET-seedN."""
    resume: bool = False
    """Go on with the training that was cut short in the run folder, to the same bits as if it had not been."""
    seed: int = 0
    """Of the first weights and of the strings."""
    device: str = "auto"
    """auto (CUDA if there is any, else the CPU), cpu, cuda or cuda:N; under accelerate, each process has its own."""
    steps: int | None = None
    """Steps, instead of the preset's."""
    batch: int | None = None
    """Strings per step, instead of the preset's."""
    length: tuple[int, int] | None = None
    """Shortest and longest string, instead of the preset's; the longest is then what is evaluated."""
    learning_rate: float | None = None
    """Peak of the learning rate, instead of the preset's."""
    precision: Literal["fp32", "bf16"] = "fp32"
    """bf16 runs forward and loss under autocast."""
    compile: bool = False
    """Run the training step through torch.compile."""
    log_to: tuple[Literal["tensorboard", "wandb"], ...] = ()
    """Also log to these, below the run folder."""


def main(options: Options) -> None:
    from accelerate import PartialState

    from interp.models import build
    from interp.training.loop import train
    from interp.training.presets import preset
    from interp.training.sinks import make_sink

    config, task, training = preset(options.model)
    wanted = {name: getattr(options, name) for name in ("steps", "batch", "length", "learning_rate")}
    given = {name: value for name, value in wanted.items() if value is not None}
    if options.steps is not None:
        given["warmup"] = min(training.warmup, options.steps)
        given["hard_from"] = min(training.hard_from, options.steps)
    if options.length is not None:
        given["evaluate_lengths"] = (options.length[1],)
    training = replace(training, seed=options.seed, precision=options.precision, compile=options.compile, **given)
    folder = options.out or Path("runs") / f"{options.model}-seed{options.seed}"
    model = build(config, seed=options.seed).to(resolve_device(options.device))
    sinks = [make_sink(name, folder) for name in options.log_to]
    log = train(model, task, training, folder, resume=options.resume, sinks=sinks)
    if PartialState().is_main_process:
        copied, length, examples = log.string_accuracy[-1, -1], log.lengths[-1], log.examples[-1]
        print(f"{copied:.1%} of strings of {length} letters copied after {examples:,} examples.")
        print(f"The run is kept in {folder}")


if __name__ == "__main__":
    run(main, Options)
