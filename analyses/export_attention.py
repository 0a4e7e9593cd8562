"""How do the heads of a model attend on one string? One page to look at, to work with and to send to others.

Scores the heads (which look an n-gram up, for which n), takes the lookup heads and then the gather heads away, and
writes one self-contained page: every head small, one of them large, the string, its matches, what the head is known to
do.

  python analyses/export_attention.py                                          the demo model on a string that is drawn
  python analyses/export_attention.py --prompt kqvbtzahkqv --heads L1H5 L1H6   a string and heads of your own
  python analyses/export_attention.py --model mamba --ablate L0H0 --kind zero  hidden attention, and without one layer's
  python analyses/export_attention.py --model hf:PATH --prompt 'any text'      a pretrained model
"""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from interp.cli import Common, resolve_device, result_folder, run

if TYPE_CHECKING:
    from interp.results.attention import AttentionView


@dataclass(frozen=True)
class Options(Common):
    """Options of this analysis."""

    prompt: str | None = None
    """The string to copy, of the model's letters; for a pretrained model any text. By default one is drawn."""
    length: int | None = None
    """Letters of the string that is drawn; by default of the longest of training, up to 40."""
    heads: tuple[str, ...] = ()
    """Heads to show, by layer and number (L1H5); by default all."""
    ablate: tuple[str, ...] = ()
    """Heads that a second variant goes without; by default the lookup heads that are found, and in a third one the
    gather heads."""
    kind: Literal["zero", "mean", "mean-per-position", "resample", "edges"] = "mean"
    """How they are ablated."""
    plain: bool = False
    """Do not score the heads: quicker, and the page does not say what they do."""
    headvis: bool = False
    """Also write headvis/, the data tree that HeadVis opens."""


def main(options: Options) -> None:
    from interp.loading import load
    from interp.studies.attention.report import write_attention_report
    from interp.studies.attention.run import attention_study
    from interp.studies.attention.settings import AttentionSettings

    device = resolve_device(options.device)
    print(f"model: {options.model} on {device}")
    loaded = load(options.model, device=device, seed=options.seed, retrain=options.retrain)
    names = ("prompt", "length", "heads", "ablate", "kind", "plain", "headvis")
    settings = AttentionSettings.tiny() if options.tiny else AttentionSettings()
    settings = replace(settings, **{name: getattr(options, name) for name in names})
    study = attention_study(loaded, options.seed, settings, on_step=lambda step: print(f"  {step} ..."))
    page = write_attention_report(study, result_folder("export_attention", options))
    print_table(study.view)
    print(f"\n{page}")


def print_table(view: "AttentionView") -> None:
    """Attention of each head to the place copied from, under every variant."""
    from interp.figures.theme import visible

    names = [variant.name for variant in view.variants]
    shares = [view.on_source(index) for index in range(len(names))]
    print(f"\n{''.join(map(visible, view.labels))}\n\nmean attention to the place copied from")
    print(f"{'head':8}{'role':9}" + "".join(f"{name:>{max(12, len(name) + 2)}}" for name in names))
    for index, head in enumerate(view.heads):
        cells = "".join(f"{s[index]:>{max(12, len(n) + 2)}.3f}" for n, s in zip(names, shares, strict=True))
        print(f"{head.name:8}{head.found.role if head.found else '':9}{cells}")


if __name__ == "__main__":
    run(main, Options)
