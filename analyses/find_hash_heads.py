"""Which heads of a model copy by looking n-grams up, for which n, and is that really how it copies?

Trains a small Hard-ALiBi transformer on the copy task (or takes the model you name), scores every head, takes the
lookup heads away, compares that with taking away as many others, and leaves one page to look at.

  python analyses/find_hash_heads.py                              the demo model, trained once and kept
  python analyses/find_hash_heads.py --model 'planted:ngram?n=4'  a model whose mechanism is known
  python analyses/find_hash_heads.py --model runs/mine            a model of your own
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from interp.cli import Common, resolve_device, result_folder, run

if TYPE_CHECKING:
    from interp.studies.heads.result import HashHeadStudy


@dataclass(frozen=True)
class Options(Common):
    """Options of this analysis."""


def main(options: Options) -> None:
    from interp.loading import load
    from interp.studies.heads.report import write_report
    from interp.studies.heads.run import hash_head_study
    from interp.studies.heads.settings import HeadStudySettings

    device = resolve_device(options.device)
    print(f"model: {options.model} on {device}")
    loaded = load(options.model, device=device, seed=options.seed, retrain=options.retrain)
    settings = HeadStudySettings.tiny() if options.tiny else HeadStudySettings()
    study = hash_head_study(loaded, options.seed, settings, on_step=lambda step: print(f"  {step} ..."))
    folder = result_folder("find_hash_heads", options)
    page = write_report(study, folder)
    print_table(study)
    print(f"\n{study.verdict}\n\n{page}")


def print_table(study: "HashHeadStudy") -> None:
    """The heads with a role, and what their ablation does."""
    print(f"\n{'head':6} {'role':7} {'n':>2} {'attention or effect':>20} {'q':>7}  gathers letters back")
    for head in study.heads:
        if head.role == "lookup":
            print(f"{head.name:6} {head.role:7} {head.n:>2} {_with(head.score, head.interval):>20} {head.q_value:7.4f}")
        if head.role == "gather":
            effect, offsets = _with(head.gather_effect, head.gather_interval), " ".join(map(str, head.offsets))
            print(f"{head.name:6} {head.role:7} {'':2} {effect:>20} {'':7}  {offsets}")
    print(f"\n{'taken away':34} {'string accuracy':>16} {'drop, 95 %':>18}   control")
    for a in study.ablations:
        if a.group in ("all", "edges"):
            accuracy = f"{a.string_accuracy_before:.2f} -> {a.string_accuracy_after:.2f}"
            control = "none" if a.control_mean is None else f"{a.control_mean:.2f}"
            print(f"{a.name:34} {accuracy:>16} {f'[{a.interval[0]:.2f}, {a.interval[1]:.2f}]':>18}   {control}")


def _with(value: float | None, interval: tuple[float, float] | None) -> str:
    return "" if value is None or interval is None else f"{value:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"


if __name__ == "__main__":
    run(main, Options)
