"""`interp record`: small copiers trained on short strings, followed to the length at which they stop.

Trains each (kept, so that a second run is quick), says from margins on short strings how far it will copy, copies long
ones, and leaves one page to look at.
"""

from dataclasses import dataclass, replace
from typing import ClassVar

from interp.base.bounds import Bounds
from interp.cli.devices import resolve_device
from interp.cli.options import Analysis
from interp.cli.places import result_folder
from interp.cli.streams import say, say_paragraph, show_tables
from interp.studies.study import silent


@dataclass(frozen=True)
class Options(Analysis):
    """Options of this command."""

    size: str = "laptop"
    """laptop (hours, most of them for the longest strings), or tiny, as `--tiny` asks."""
    arms: tuple[str, ...] = ()
    """Copiers to train: long32, even-windows, learned-windows, nope, alibi, rope, softmax-nape, log-n-nape, ssmax-nape,
    entmax-nape, forget, path, one-layer, plain-strings, strings-of-20, strings-of-32, backwards32,
    backwards32-marked, published; by default long32."""
    seeds: int | None = None
    """Trainings of each."""
    lengths: tuple[int, ...] = ()
    """Letters of the strings that are copied."""
    strings: tuple[int, ...] = ()
    """How many strings of each of the lengths."""
    learning_rate: float | None = None
    """Peak of the learning rate, in place of each recipe's own."""

    BOUNDS: ClassVar[Bounds] = {"seeds": (1, 1000), "lengths": (1, 10_000_000), "strings": (1, 1_000_000)}


TINY = Options(size="tiny")


def work(options: Options) -> None:
    """Train, predict, measure, write the page, then print."""
    on_line = silent if options.quiet else say
    from interp.experiments.record.settings import RecordSettings

    given = {name: getattr(options, name) for name in ("arms", "seeds", "lengths", "strings", "learning_rate")}
    settings = replace(
        RecordSettings.of_size(options.size),
        **{name: value for name, value in given.items() if value not in ((), None)},
    )
    on_line(f"interp record: {', '.join(settings.arms)} on device {options.device}, seed {options.seed}")
    with result_folder("record", options.out, "-".join(settings.arms)) as folder:
        device = resolve_device(options.device)
        from interp.experiments.record.report import tables, write_record_report
        from interp.experiments.record.run import record_study

        found = record_study(
            settings,
            device=device,
            seed=options.seed,
            retrain=options.retrain,
            progress=not options.quiet,
            on_step=lambda step: on_line(f"  {step} ..."),
        )
        page = write_record_report(found, folder)
    if not options.quiet:
        show_tables(tables(found))
        say_paragraph(f"\n{found.verdict}\n")
    say(str(page))
