"""How full is a model's state, what does it still hold, and what does the bound say?

Measures the bits of a string that the state holds and that the answer uses, by length, with what any untrained model
would hold beside it; finds where they stop growing; puts the state of one string into the run on another, whole and in
parts; and leaves one page to look at.

  python analyses/measure_saturation.py                                             a small Mamba, trained once and kept
  python analyses/measure_saturation.py --model mamba --model lstm --model hard-alibi             three, side by side
  python analyses/measure_saturation.py --model 'planted:register?k=8'              a memory whose capacity is known
  python analyses/measure_saturation.py --model runs/mine --lengths 4 8 16 32       a model and lengths of your own
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tyro.conf import UseAppendAction

from interp.base.errors import UserError
from interp.cli import Common, resolve_device, result_folder, run

if TYPE_CHECKING:
    from interp.studies.state.result import StateProfile


@dataclass(frozen=True)
class Options(Common):
    """Options of this analysis."""

    model: UseAppendAction[tuple[str, ...]] = ()  # pyright: ignore[reportIncompatibleVariableOverride]
    """What to look at; given several times, for models side by side; given never, mamba. A run folder; a preset,
    trained once and kept (mamba, mamba2, lstm, hybrid, hard-alibi, ...); or a memory built by hand
    (planted:register?k=8)."""
    lengths: tuple[int, ...] = ()
    """Letters of the strings, three or more; by default from a sixth of the longest trained to four times as long."""


def main(options: Options) -> None:
    from interp.loading import load
    from interp.studies.state.report import write_state_report
    from interp.studies.state.run import saturation_study
    from interp.studies.state.settings import SaturationSettings

    device = resolve_device(options.device)
    settings = SaturationSettings.tiny() if options.tiny else SaturationSettings()
    settings = replace(settings, lengths=options.lengths or settings.lengths)
    specs, profiles = options.model or ("mamba",), []
    if twice := [spec for spec in dict.fromkeys(specs) if specs.count(spec) > 1]:
        raise UserError(f"each model is measured once; given more than once: {', '.join(twice)}.")
    for spec in specs:
        print(f"model: {spec} on {device}")
        loaded = load(spec, device=device, seed=options.seed, retrain=options.retrain)
        profiles.append(saturation_study(loaded, options.seed, settings, on_step=lambda step: print(f"  {step} ...")))
    page = write_state_report(profiles, result_folder("measure_saturation", options, "-".join(specs)))
    for profile in profiles:
        print_table(profile)
        print(f"\n{profile.verdict}")
    print(f"\n{page}")


def print_table(profile: "StateProfile") -> None:
    """Bits and accuracy by length."""
    print(f"\n{profile.model['spec']}")
    print(
        f"{'letters':>8} {'needed':>8} {'used, 95 %':>24} {'held, 95 %':>24} {'strings':>8} {'letters':>8} {'bound':>8}"
    )
    for i, length in enumerate(profile.lengths):
        used = f"{profile.used.total[i]:.1f} [{profile.used.interval[i][0]:.1f}, {profile.used.interval[i][1]:.1f}]"
        held = profile.held.held
        kept = f"{held.total[i]:.1f} [{held.interval[i][0]:.1f}, {held.interval[i][1]:.1f}]"
        letters = profile.behaviour.letter_accuracy[i].mean()
        shares = f"{profile.accuracy[i]:8.1%} {letters:8.1%} {profile.accuracy_bound[i]:8.2g}"
        print(f"{length:>8} {profile.bits_needed[i]:8.1f} {used:>24} {kept:>24} {shares}")


if __name__ == "__main__":
    run(main, Options)
