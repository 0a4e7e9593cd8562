"""The options that commands share, each written once."""

from dataclasses import dataclass

from tyro.conf import UseAppendAction


@dataclass(frozen=True)
class Shared:
    """Options of every command that computes something."""

    out: str | None = None
    """Folder for the results; by default a new one, under results/ or runs/."""
    device: str = "auto"
    """auto (CUDA if there is any, else the CPU), cpu, cuda or cuda:N."""
    seed: int = 0
    """Seed of everything that is drawn at random."""
    quiet: bool = False
    """Print only where the results are."""


@dataclass(frozen=True)
class Analysis(Shared):
    """Options of a study or an experiment."""

    retrain: bool = False
    """Train again instead of using what was kept from an earlier run."""
    tiny: bool = False
    """A quick look at the machinery on few strings; the numbers mean nothing. Options that you give still count."""


@dataclass(frozen=True)
class Named:
    """The models to look at."""

    model: UseAppendAction[tuple[str, ...]] = ()
    """What to look at: a run folder, also one on the hub (hub:USER/NAME); a preset, trained once and kept (see
    `interp presets`); a model built by hand (planted:ngram?n=3); or a language model, in the Hugging Face format
    (hf:PATH_OR_NAME) or in one file (gguf:PATH). Where models can stand side by side, it may be given several times."""


@dataclass(frozen=True)
class OfModel(Analysis, Named):
    """Options of a study of one model: the model comes first."""

    task: str | None = None
    """What to ask, instead of what the model was trained on: copy, 'ngram?n=2', reverse, 'recall?queries=2', ... with
    options behind a question mark, spoken in the model's own tokens."""
