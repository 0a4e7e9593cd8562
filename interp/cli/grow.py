"""`interp grow`: a family of models that differ in the size of their state, and where each is full.

Trains each member on strings longer than it can copy, at several learning rates (kept, so that a second run is quick),
measures how many bits of a string it uses, by length, and where they stop growing; and leaves one page to look at.
"""

from dataclasses import dataclass
from typing import ClassVar

from interp.base.bounds import Bounds
from interp.base.errors import UserError
from interp.cli.devices import resolve_device
from interp.cli.options import Analysis
from interp.cli.places import result_folder
from interp.cli.streams import say, say_paragraph, show_tables
from interp.experiments.state_growth.settings import GrowthSettings
from interp.studies.study import silent


@dataclass(frozen=True)
class Options(Analysis):
    """Options of this command."""

    kind: str = "mamba"
    """Kind of model: a recurrent family such as mamba, gla or lstm, or a preset with layers of one, such as hybrid;
    what is not varied comes from the preset of that name."""
    vary: str = "d_state"
    """The field of its config in which the members differ: d_state, d_key, d_model, n_layers, ...; of a hybrid's
    recurrent layers, mamba.d_state."""
    values: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    """Values of what varies, one for each member."""
    rates: tuple[float, ...] = (0.004, 0.008)
    """Learning rates that each member is trained at."""
    seeds: int = 2
    """Trainings at each rate; the best of all is measured."""
    initialization: str | None = None
    """First weights of Mamba and Mamba-2: authors, or mimetic, as their presets have; with the authors' some trainings
    never begin to copy."""
    steps: int = 1200
    """Steps of each training, of 64 strings."""
    longest: int = 24
    """Letters of the longest strings of training."""
    strings: int = 512
    """Strings of each length that is measured."""
    workers: int = 1
    """Trainings at the same time, in processes of this machine."""

    BOUNDS: ClassVar[Bounds] = GrowthSettings.BOUNDS


TINY = Options(values=(1, 2), rates=(0.01,), seeds=1, steps=8, longest=6, strings=16)
NO_SIZE = ("d_vocab", "kind")
"""Fields that the task or the family gives."""


def work(options: Options) -> None:
    """Train the family, measure it, write the page, then print."""
    on_line = silent if options.quiet else say
    family = f"{options.kind}-{options.vary}"
    if options.vary in NO_SIZE:
        raise UserError(f"--vary must be a field that changes the size of a state; got {options.vary}.")
    on_line(f"interp grow: {family} {options.values} on device {options.device}, seed {options.seed}")
    with result_folder("grow", options.out, family) as folder:
        device = resolve_device(options.device)
        from interp.experiments.executor import Processes, Serial
        from interp.experiments.state_growth.report import tables, write_growth_report
        from interp.experiments.state_growth.run import growth_study

        settings = GrowthSettings(
            kind=options.kind,
            vary=options.vary,
            values=options.values,
            others={"initialization": options.initialization} if options.initialization else {},
            rates=options.rates,
            seeds=options.seeds,
            steps=options.steps,
            longest=options.longest,
            strings=options.strings,
        )
        growth = growth_study(
            settings,
            device=device,
            seed=options.seed,
            retrain=options.retrain,
            progress=not options.quiet,
            on_step=lambda step: on_line(f"  {step} ..."),
            executor=Serial() if options.workers == 1 else Processes(options.workers),
        )
        page = write_growth_report(growth, folder)
    if not options.quiet:
        show_tables(tables(growth))
        say_paragraph(f"\n{growth.verdict}\n")
    say(str(page))
