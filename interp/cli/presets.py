"""`interp presets`: a table of the models that there are by name."""

from dataclasses import dataclass

from interp.cli.streams import say, show_table

TINY = None


@dataclass(frozen=True)
class Options:
    """Options of this command."""

    seed: int = 0
    """Seed of the training whose run may be kept."""


def work(options: Options) -> None:
    """Print what there is."""
    say(f"interp presets: models by name, trained with seed {options.seed}")
    from interp.training.catalogue import presets
    from interp.training.kept_runs import home

    columns = ("name", "layers", "parameters", "trained on", "copies", "CPU time", "kept")
    rows = [
        (
            facts.name,
            str(facts.layers),
            f"{facts.parameters:,}",
            f"{facts.strings:,} strings of {facts.lengths[0]} to {facts.lengths[1]} letters",
            f"{facts.accuracy:.1%} at {facts.lengths[1]} letters",
            f"{facts.cpu_seconds:.0f} s",
            "yes" if facts.kept else "no",
        )
        for facts in presets(options.seed)
    ]
    show_table("", columns, rows)
    say(f"\nKept in {home()}. Measured: the worst of the seeds that were tried, on one thread of a 2.6 GHz CPU.")
