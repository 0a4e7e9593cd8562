"""What does a model lose without these heads?

Takes heads away, each alone and all together, and compares that with taking away as many other heads, or as much other
attention. Roles are measured first, on other strings, so that no head with a role serves as a control.

  python analyses/ablate_heads.py                                       the lookup heads of the demo model
  python analyses/ablate_heads.py --heads L1H3 L1H5 --kind resample --length 60
"""

from dataclasses import dataclass
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
    from interp.base.errors import UserError
    from interp.base.provenance import provenance
    from interp.base.seeds import own_generator
    from interp.loading import load
    from interp.measure.ablation.ablate import ablate, parse_heads
    from interp.measure.ablation.plans import named_questions
    from interp.models.heads import head_name
    from interp.studies.ablation.report import write_ablation_report
    from interp.studies.ablation.result import AblationStudy
    from interp.studies.attention.run import view_attention
    from interp.studies.finding import find_heads, strings_to_ablate
    from interp.studies.heads.settings import HeadStudySettings

    if options.strings < 2 or (options.length is not None and options.length < 1):
        raise UserError(
            f"an ablation takes 2 strings or more, of 1 letter or more; --strings {options.strings} and "
            f"--length {options.length} came."
        )
    device = resolve_device(options.device)
    loaded = load(options.model, device=device, seed=options.seed, retrain=options.retrain)
    model, task = loaded.model, loaded.copy_task
    named = parse_heads(options.heads, model)
    settings = HeadStudySettings.tiny() if options.tiny else HeadStudySettings()
    scores = find_heads(loaded, options.seed, settings.heads)
    heads = named or parse_heads(scores.of_role("lookup"), model)
    if not heads:
        print("No lookup head was found and no head was named: there is nothing to take away.")
    n_strings = 20 if options.tiny else options.strings
    if options.length is None:
        strings = strings_to_ablate(loaded, options.seed, n_strings, settings.heads.longest)
    else:
        strings = task.sample(n_strings, options.length, own_generator("ablation", options.seed, str(device)))
    with_role = [head.name for head in scores.heads if head.role != "none"]
    results = ablate(model, task.vocabulary, strings, named_questions(heads), options.kind, with_role, options.seed)
    length = int(strings.answer[0].sum())
    print(f"{len(strings)} strings of {length} letters, {options.kind} ablation; intervals at 95 %")
    print_table(results)
    view = view_attention(
        loaded,
        length=min(length, settings.view_length),
        ablate=tuple(map(head_name, heads)),
        kind=options.kind,
        scores=scores,
        ablations=results,
        seed=options.seed,
    )
    study = AblationStudy(provenance(str(device), options.seed, model), loaded.description, results, view)
    print(write_ablation_report(study, result_folder("ablate_heads", options)))


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
