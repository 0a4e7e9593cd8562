"""What three studies found of the recurrent presets, in lines of JSON, and the tables of the site that they make.

For each preset, here `gla`, with the seed 0 of its training and on one thread:

    interp heads --model gla --out FOLDER/heads-gla
    interp state --model gla --out FOLDER/state-gla
    interp grow --kind gla --vary d_key --values 8 16 32 --rates 0.012 --seeds 1 --steps 600 --longest 16 \\
        --out FOLDER/grow-gla

What varies is `d_state` (4 8 16) for Mamba-3 and `gated_deltanet.d_key` for the hybrid; rates are the presets' own. The
state of the hybrid is asked at `--lengths 8 15 30 60`. `--folder FOLDER` prints the lines; `--read FILE` prints the
tables that they make (`docs/recurrent_studies.jsonl`).
"""

import json
from collections.abc import Sequence
from math import log2
from pathlib import Path
from typing import Any

import numpy as np
import tyro
from recurrent_presets import NAMES, cells, under

from interp.base.interval import Interval
from interp.experiments.state_growth.result import StateGrowth
from interp.studies.heads.result import HashHeadStudy
from interp.studies.state.result import StateProfile
from interp.training.presets import preset

NONE = "\N{EN DASH}"
"""Stands where there is no number."""


def found_of(name: str, folder: Path) -> dict[str, Any]:
    """What the three found of a preset, in short."""
    return {
        "name": name,
        "heads": heads(HashHeadStudy.load(folder / f"heads-{name}")),
        "state": state(StateProfile.load(folder / f"state-{name}")),
        "growth": growth(StateGrowth.load(folder / f"grow-{name}")),
    }


def heads(study: HashHeadStudy) -> dict[str, Any]:
    """Which heads attend to the source, which look n letters up, and what is left without those that attend to it."""
    use = study.use
    without = use and (use.both or use.lookups or use.others)
    return {
        "strings": use and use.whole.strings,
        "heads": [[head.name, head.kind, head.role, head.n, round(head.score, 3)] for head in study.heads],
        "flagged": [head.name for head in study.heads if head.flagged],
        "without": without and [list(without.heads), without.strings, without.letters],
    }


def state(study: StateProfile) -> dict[str, Any]:
    """Bits used and held, where they stop, and how little of the state is enough, by length."""
    size, bend = study.effective_size, study.saturation_length
    return {
        "lengths": study.lengths,
        "used": _rounded(study.bits_recovered),
        "held": _rounded(study.bits_probe),
        "state_bits": study.state_bits,
        "saturation": [bend.value and round(bend.value, 2), _ends(bend.interval)],
        "fewest_bits": dict(zip(size.lengths, size.fewest_bits, strict=True)),
        "fewest_directions": dict(zip(size.lengths, size.fewest_directions, strict=True)),
    }


def growth(study: StateGrowth) -> dict[str, Any]:
    """Each member's numbers of state, most bits and bend; and the exponent over those that bend."""
    return {
        "swept": study.swept,
        "examples": study.examples,
        "members": [
            {
                "name": member.name,
                "numbers": member.state_floats,
                "windows": member.window_floats,
                "letters": round(max(member.rate_accuracy), 4),
                "most_bits": round(member.most_bits, 1),
                "saturation": member.saturation_length.value and round(member.saturation_length.value, 2),
            }
            for member in study.members
        ],
        "exponent": [study.exponent and round(study.exponent, 2), _ends(study.exponent_interval)],
    }


def _rounded(values: Sequence[float]) -> list[float]:
    return [round(float(value), 1) for value in values]


def _ends(interval: Interval | None) -> list[float] | None:
    return interval and [round(interval.low, 2), round(interval.high, 2)]


def heads_table(lines: Sequence[dict[str, Any]]) -> str:
    """Heads whose attention to the source is flagged, their scores, and what is left of the copy without them."""
    return under(
        ("model", "attend to the source (score)", "look n letters up", "strings right", "without (letters)"),
        [_heads_row(line["name"], line["heads"]) for line in lines],
    )


def _heads_row(name: str, found: dict[str, Any]) -> str:
    flagged = [f"{head} ({score:.2f})" for head, _, _, _, score in found["heads"] if head in found["flagged"]]
    lookups = [f"{head} ({n})" for head, _, role, n, _ in found["heads"] if role == "lookup"]
    without = found["without"]
    return cells(
        name,
        ", ".join(flagged) or "none",
        ", ".join(lookups) or "none",
        f"{found['strings']:.3f}" if found["strings"] is not None else NONE,
        f"{without[1]:.3f} ({without[2]:.3f})" if without else NONE,
    )


def state_table(lines: Sequence[dict[str, Any]]) -> str:
    """Bits of the string, and how little of the state is enough for the longest strings of training."""
    head = ("model", "state bits", "letters", "bits needed", "used", "held", "most used (letters)", "held there")
    head += ("used bits stop at", "bits a number enough", "directions enough")
    return under(head, [_state_row(line["name"], line["state"]) for line in lines])


def _state_row(name: str, found: dict[str, Any]) -> str:
    _, task, training = preset(name)
    longest, most = training.lengths[1], int(np.argmax(found["used"]))
    at, (bend, ends) = found["lengths"].index(longest), found["saturation"]
    return cells(
        name,
        f"{found['state_bits'][at]:,.0f}",
        str(longest),
        f"{longest * log2(task.n_letters):.1f}",
        f"{found['used'][at]:.1f}",
        f"{found['held'][at]:.1f}",
        f"{found['used'][most]:.1f} ({found['lengths'][most]})",
        f"{found['held'][most]:.1f}",
        _bend(bend) + (f" [{ends[0]:.1f}, {ends[1]:.1f}]" if ends else ""),
        *(_enough(found[name][str(longest)]) for name in ("fewest_bits", "fewest_directions")),
    )


def _enough(least: int | None) -> str:
    return "more than tried" if least is None else str(least)


def growth_table(lines: Sequence[dict[str, Any]]) -> str:
    """Numbers of state, most bits used, and letters at which the bits stop, for each member; the exponent over them."""
    return under(
        ("model", "varies", "numbers of state: most bits used (bits stop at)", "exponent"),
        [_growth_row(line["name"], line["growth"]) for line in lines],
    )


def _growth_row(name: str, found: dict[str, Any]) -> str:
    members = [f"{m['numbers']:,}: {m['most_bits']:.1f} ({_bend(m['saturation'])})" for m in found["members"]]
    value, ends = found["exponent"]
    exponent = NONE if value is None else f"{value:.2f} [{ends[0]:.2f}, {ends[1]:.2f}]"
    return cells(name, found["swept"].split(" of ")[0], "; ".join(members), exponent)


def _bend(value: float | None) -> str:
    return "no bend" if value is None else f"{value:.1f}"


def tables(lines: Sequence[dict[str, Any]]) -> str:
    """All three."""
    return "\n\n".join(table(lines) for table in (heads_table, state_table, growth_table))


def main(folder: Path | None = None, read: Path | None = None) -> None:
    """Print a line of JSON for each preset, or the tables that such lines make.

    Args:
        folder: holds three folders for each preset, as the commands above leave them.
        read: a file of such lines.
    """
    if read is not None:
        print(tables([json.loads(text) for text in read.read_text(encoding="utf-8").splitlines()]))
    elif folder is not None:
        for name in NAMES[1:]:
            print(json.dumps(found_of(name, folder)), flush=True)


if __name__ == "__main__":
    tyro.cli(main)
