"""Does a model with a larger state copy longer strings before it is full?

Trains a family of models that differ in the size of their state, on strings longer than they can copy, each at several
learning rates (kept, so that a second run is quick), measures how many bits of a string each uses, by length, and where
that stops growing; and leaves one page to look at.

  python analyses/grow_state.py                                          Mambas of six state sizes
  python analyses/grow_state.py --kind lstm --vary d_model --values 16 24 32 48 64 --longest 16
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from interp.cli import resolve_device, result_folder, run

if TYPE_CHECKING:
    from interp.experiments.state_growth.result import StateGrowth


@dataclass(frozen=True)
class Options:
    """Options of this analysis."""

    kind: str = "mamba"
    """Kind of model: mamba, mamba2 or lstm; what is not varied it has from the preset of that name."""
    vary: str = "d_state"
    """The field of its config in which the members differ: d_state, d_model, n_layers, expand, ..."""
    values: tuple[int, ...] = (1, 2, 3, 4, 5, 6)
    """Its values, one for each member."""
    rates: tuple[float, ...] = (0.004, 0.008)
    """Learning rates that each member is trained at."""
    seeds: int = 2
    """Trainings at each rate; the best of all is measured."""
    initialization: str | None = None
    """First weights of Mamba and Mamba-2: authors, or mimetic, as their presets have; from the authors' some trainings
    never begin to copy."""
    steps: int = 1200
    """Steps of 64 strings, for each training."""
    longest: int = 24
    """Letters of the longest strings of training."""
    out: Path | None = None
    """Folder for what is found; by default a folder of its own under results/."""
    device: str = "auto"
    """auto (CUDA if there is any, else the CPU), cpu, cuda or cuda:N."""
    seed: int = 0
    """Of everything that is drawn at random."""
    retrain: bool = False
    """Train the family anew, even if it is kept from an earlier run."""
    tiny: bool = False
    """A quick look at the machinery; the numbers mean nothing."""

    @property
    def model(self) -> str:
        """What the result is named after."""
        return f"{self.kind}-{self.vary}"


def main(options: Options) -> None:
    from interp.experiments.state_growth.report import write_growth_report
    from interp.experiments.state_growth.run import GrowthSettings, growth_study

    device = resolve_device(options.device)
    chosen = {name: getattr(options, name) for name in ("kind", "vary", "values", "rates", "seeds", "steps", "longest")}
    chosen["others"] = {"initialization": options.initialization} if options.initialization else {}
    settings = GrowthSettings(**chosen)
    if options.tiny:
        tiny = GrowthSettings.tiny()
        values = options.values[:2] if (options.kind, options.vary) != ("mamba", "d_state") else tiny.values
        settings = replace(tiny, kind=options.kind, vary=options.vary, values=values, others=settings.others)
    growth = growth_study(
        settings, device=device, seed=options.seed, retrain=options.retrain, on_step=lambda step: print(f"  {step} ...")
    )
    page = write_growth_report(growth, result_folder("grow_state", options))
    print_table(growth)
    print(f"\n{growth.verdict}\n\n{page}")


def print_table(growth: "StateGrowth") -> None:
    """One line for each member."""
    print(f"\n{'member':14}{'numbers of state':>17}{'learning rate':>15}{'saturation length':>27}{'most bits':>24}")
    for m in growth.members:
        knee, low_high = m.saturation_length, m.saturation_length.interval
        interval = "" if low_high is None else f" [{low_high[0]:.1f}, {low_high[1]:.1f}]"
        length = "none" if knee.value is None else f"{knee.value:.1f}{interval}"
        bits = f"{m.most_bits:.1f} [{m.most_bits_interval[0]:.1f}, {m.most_bits_interval[1]:.1f}]"
        print(f"{m.name:14}{m.state_floats:>17,}{m.rate:>15g}{length:>27}{bits:>24}")


if __name__ == "__main__":
    run(main, Options)
