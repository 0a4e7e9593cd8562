"""What does a model lose without these heads?

Takes heads away, each alone and all together, and compares that with taking away as many other heads, or as much other
attention. Roles are measured first, on other strings, so that no head with a role serves as a control.

  python analyses/ablate_heads.py                                       the lookup heads of the demo model
  python analyses/ablate_heads.py --heads L1H3 L1H5 --kind resample --length 60
"""

from dataclasses import dataclass, replace
from typing import Literal

from interp.cli import Common, resolve_device, result_folder, run


@dataclass(frozen=True)
class Options(Common):
    heads: tuple[str, ...] = ()
    """Heads by name, layer and head counted from 0: L1H3 L1H5. By default the lookup heads that are found."""
    kind: Literal["zero", "mean", "mean-per-position", "resample", "edges"] = "mean"
    """What a head does instead: write nothing; its mean output, over strings and positions or over strings alone; what
    it writes on another string; or look anywhere but at the match."""
    length: int | None = None
    """Letters of a string; by default as in training, else 30."""
    strings: int = 200
    """How many strings: 2 or more."""


def main(options: Options) -> None:
    from interp.loading import load
    from interp.studies.ablation.report import write_ablation_report
    from interp.studies.ablation.run import head_ablation_study
    from interp.studies.ablation.settings import AblationSettings

    settings = AblationSettings.tiny() if options.tiny else AblationSettings()
    chosen = {name: getattr(options, name) for name in ("heads", "kind", "length")}
    settings = replace(settings, **chosen, strings=settings.strings if options.tiny else options.strings)
    settings.check()
    loaded = load(options.model, device=resolve_device(options.device), seed=options.seed, retrain=options.retrain)
    study = head_ablation_study(loaded, options.seed, settings, on_step=lambda step: print(f"  {step} ..."))
    page = write_ablation_report(study, result_folder("ablate_heads", options))
    print_table(study.ablations)
    print(f"\n{study.verdict}\n\n{page}")


def print_table(results: tuple) -> None:
    layout = "{:10} {:>15} {:>15} {:>15} {:>20}   {}"
    print(layout.format("without", "strings right", "drop", "letters right", "rise in loss", "strings: controls"))
    for r in results:
        controls = (f"{c.name} {c.string_accuracy:.2f}" if c.draws else f"{c.name} none" for c in r.controls)
        strings = f"{r.string_accuracy_before:.2f} -> {r.string_accuracy_after:.2f}"
        letters = f"{r.letter_accuracy_before:.2f} -> {r.letter_accuracy_after:.2f}"
        drop, (low, high) = "[{:.2f}, {:.2f}]".format(*r.interval), r.loss_interval
        loss = f"{r.loss_after - r.loss_before:.2f} [{low:.2f}, {high:.2f}]"
        print(layout.format(r.name, strings, drop, letters, loss, ", ".join(controls)))


if __name__ == "__main__":
    run(main, Options)
