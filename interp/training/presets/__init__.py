"""Presets: small copiers whose recipes were found by measuring, trained once and kept.

| preset | layers | training | CPU time | string accuracy on the plain task |
|---|---|---|---|---|
| short | 2 | 19,200 strings of 1 to 30 letters | 10 s | .993 and more up to 30; .94 and more at 100, .77 at 200 |
| hard-alibi | 2 | 25,600 strings of 20 to 30 letters | 35 s | .995 and more up to 30; .93 and more at 100, .87 at 200 |
| rope | 2 | 32,000 strings of 5 to 30 letters | 60 s | .995 and more from 5 to 30; .12 at 35, 0 from 40 on |
| alibi | 2 | 32,000 strings of 5 to 30 letters | 50 s | .99 and more up to 30; .94 at 50, .40 at 100 |
| nope | 3 | 96,000 strings of 5 to 30 letters | 215 s | .995 and more from 5 to 30; .45 at 40, 0 from 50 on |
| mamba | 2 | 128,000 strings of 1 to 10 letters | 90 s | .994 and more up to 10; .55 to .93 at 11, .30 and less at 12 |
| mamba2 | 2 | 128,000 strings of 1 to 12 letters | 115 s | .993 and more up to 8; .94 at 12, .80 at 15, .23 at 20 |
| lstm | 2 | 153,600 strings of 1 to 6 letters | 80 s | .997 and more up to 6; .76 at 7, .19 at 8 |
| long | 2 | 230,400 strings of 1 to 50 letters | 150 s | .99 and more up to 50; copies 10,000, see `docs/record.md` |
| long32 | 2 | 310,400 strings of 1 to 64 letters of 32 | 310 s | .99 and more up to 64; copies 65,536, see there |
| backwards32 | 1 | 102,400 strings of 1 to 64 letters, backwards | 240 s | .99 up to 64, see `docs/backwards.md` |
| hybrid | 2 | 44,800 strings of 5 to 30 letters | 60 s | .997 and more up to 30; .97 at 40, .90 at 60, .68 at 100 |
| gated_deltanet | 2 | 128,000 strings of 1 to 10 letters | 140 s | .952 to .963 at 10; half at 14.3 to 15.9 |
| gla | 2 | 128,000 strings of 1 to 10 letters | 140 s | .902 to .950 at 10; half at 11.8 to 14.5 |
| rwkv7 | 2 | 128,000 strings of 1 to 10 letters | 160 s | .984 to .996 at 10; half at 16.1 to 16.7 |
| mlstm | 2 | 128,000 strings of 1 to 10 letters | 80 s | .894 to .973 at 10; half at 13.2 to 14.8 |
| mamba3 | 2 | 128,000 strings of 1 to 10 letters | 100 s | .925 to .999 at 10; half at 10.5 to 11.4 |
| gated_deltanet_hybrid | 2 | 128,000 strings of 5 to 30 letters | 250 s | .994 to .999 at 30; half at 63 or beyond 90 |

Measured on one thread of a 2.6 GHz AMD EPYC, the six last of an Intel Xeon; short and hard-alibi over five seeds (the
worst is given), long, long32 and backwards32 over five, mamba and the six last over three, the others over one; 1,000
strings of each length up to 60, fewer beyond. In the first five, all attention-only, half of each batch from some step
on are strings of few letters (`TrainConfig.hard_letters`): not the paper's distribution, but the accuracies are the
plain task's. They do not compare architectures or position encodings: lengths, layers and numbers of strings differ;
only the six last, and mamba beside them, have equal state, weights and examples. How those with recurrences were found
stands in `docs/presets.md`; `long` and `long32`, which copy strings many times as long as those of their training, in
`docs/record.md`.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from interp.base.errors import unknown
from interp.training.kept_runs import kept_run
from interp.training.presets import attention, recurrent
from interp.training.presets.form import Preset
from interp.training.recipe import TrainConfig


@dataclass(frozen=True)
class Measured:
    """What the training of a preset took and gave, as the table above has it."""

    accuracy: float
    """Share of plain strings of the longest trained length that are copied whole, in the worst seed: at least this."""
    cpu_seconds: float


MEASURED: dict[str, Measured] = {
    "short": Measured(0.993, 10.0),
    "hard-alibi": Measured(0.995, 35.0),
    "rope": Measured(0.995, 60.0),
    "nope": Measured(0.995, 215.0),
    "alibi": Measured(0.99, 50.0),
    "mamba": Measured(0.994, 90.0),
    "mamba2": Measured(0.94, 115.0),
    "lstm": Measured(0.997, 80.0),
    "hybrid": Measured(0.997, 60.0),
    "long": Measured(0.99, 150.0),
    "long32": Measured(0.99, 310.0),
    "backwards32": Measured(0.99, 240.0),
    "gated_deltanet": Measured(0.952, 140.0),
    "gla": Measured(0.902, 140.0),
    "rwkv7": Measured(0.984, 160.0),
    "mlstm": Measured(0.894, 80.0),
    "mamba3": Measured(0.925, 100.0),
    "gated_deltanet_hybrid": Measured(0.994, 250.0),
}

PRESETS: dict[str, Callable[[], Preset]] = {
    "short": attention.short,
    "hard-alibi": attention.hard_alibi,
    "rope": attention.rope,
    "nope": attention.nope,
    "alibi": attention.alibi,
    "mamba": recurrent.mamba,
    "mamba2": recurrent.mamba2,
    "lstm": recurrent.lstm,
    "hybrid": recurrent.hybrid,
    "long": attention.long,
    "long32": attention.long32,
    "backwards32": attention.backwards32,
    "gated_deltanet": recurrent.gated_deltanet,
    "gla": recurrent.gla,
    "rwkv7": recurrent.rwkv7,
    "mlstm": recurrent.mlstm,
    "mamba3": recurrent.mamba3,
    "gated_deltanet_hybrid": recurrent.gated_deltanet_hybrid,
}


def preset(name: str) -> Preset:
    """The model, task and training of a preset. Raises: UserError for an unknown name."""
    if name not in PRESETS:
        raise unknown("preset", name, PRESETS)
    return PRESETS[name]()


def preset_place(name: str) -> str:
    """The path below `home()` at which a preset's runs begin."""
    return f"presets/{name}"


def trained_preset(
    name: str,
    *,
    device: torch.device | str = "cpu",
    seed: int = 0,
    retrain: bool = False,
    progress: bool = True,
    read: Callable[[Path], Any] | None = None,
) -> Any:
    """The run folder of a preset, trained now unless it is kept from before.

    Kept under `home()` by name, seed and recipe: a changed recipe is trained anew. An interrupted training continues.

    Args:
        read: as of `kept_run`.

    Raises: UserError for an unknown name; InterpError if nothing can be kept there; otherwise as `train`.
    """
    config, task, training = preset(name)
    training = replace(training, seed=seed)
    place = preset_place(name)
    how = {"device": device, "retrain": retrain, "progress": progress, "read": read}
    return kept_run(place, config, task, training, announces=_announces(name, training), **how)


def _announces(name: str, training: TrainConfig) -> str:
    """What is trained, and for how long."""
    took = f", about {MEASURED[name].cpu_seconds:.0f} s of processor time" if name in MEASURED else ""
    return f"{name} is trained once and kept: {training.steps * training.batch:,} strings{took}."
