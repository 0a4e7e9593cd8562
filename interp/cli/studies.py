"""The command of a study: load each model, ask the question, write the page, then print."""

from dataclasses import field, make_dataclass
from typing import Annotated, Any

import tyro

from interp.base.errors import UserError
from interp.cli.devices import resolve_device
from interp.cli.options import OfModel
from interp.cli.places import result_folder
from interp.cli.streams import say, say_paragraph, show_tables
from interp.studies.study import Study, silent

DEFAULT_MODEL = {"state": "mamba", "hybrid": "hybrid", "backwards": "planted:reverse?n=3&across=true"}
"""Where it is not the demo's: a transformer carries no state of a size of its own, is no hybrid, writes forwards."""
DEMO = "short"
NAMED = ("language",)
"""Studies of models that none of the presets is."""


def options_of(study: Study) -> tuple[type[Any], OfModel]:
    """The options of a study: the shared ones and, beside them, its own settings; and the same with tiny settings."""
    settings = ("settings", Annotated[study.Settings, tyro.conf.arg(name="")], field(default_factory=study.Settings))
    options = make_dataclass(study.name.title(), [settings], bases=(OfModel,), frozen=True)
    return options, options(settings=study.Settings.tiny())


def ask(study: Study, options: Any) -> None:
    """Ask the question of the models that were named.

    Raises: UserError for a model twice, or several where the study shows one, or none where it has no default.
    """
    if study.name in NAMED and not options.model:
        raise UserError(
            f"--model must be given to interp {study.name}; got none. Name a language model: hf:PATH, gguf:PATH."
        )
    specs = options.model or (DEFAULT_MODEL.get(study.name, DEMO),)
    on_line = silent if options.quiet else say
    on_line(f"interp {study.name}: {', '.join(specs)} on device {options.device}, seed {options.seed}")
    if twice := [spec for spec in dict.fromkeys(specs) if specs.count(spec) > 1]:
        raise UserError(
            f"--model must name each model once; got {', '.join(twice)} more than once. Leave the repetition out."
        )
    if len(specs) > 1 and not study.compares:
        raise UserError(
            f"--model must be given once to interp {study.name}; got {', '.join(specs)}. Run the command once for each."
        )
    with result_folder(study.name, options.out, "-".join(specs)) as folder:
        device = resolve_device(options.device)
        from interp.loading import load

        results = []
        for spec in specs:
            kept = {"seed": options.seed, "retrain": options.retrain, "progress": not options.quiet}
            loaded = load(spec, options.task, device=device, **kept)
            if len(specs) > 1:
                on_line(f"  {spec}")
            results.append(study.run(loaded, options.settings, options.seed, lambda step: on_line(f"  {step} ...")))
        page = study.compare(results, folder)
    if not options.quiet:
        for result in results:
            show_tables(study.tables(result))
            say_paragraph(f"\n{result.verdict}")
        say()
    say(str(page))
