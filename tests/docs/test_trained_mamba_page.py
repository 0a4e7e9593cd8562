"""What the page says of a Mamba that was trained on text is what `docs/language/mamba/` holds, row by row."""

from pathlib import Path

import numpy as np

from interp.base.estimates import mean_intervals
from interp.figures.tables import text_state_rows
from interp.studies.language.result import LanguageStudy

DOCS = Path(__file__).parents[2] / "docs"


def ends(row: dict, name: str) -> str:
    return f"{row[name]:.1f} [{row[f'{name}_low']:.1f}, {row[f'{name}_high']:.1f}]"


def test_every_row_and_every_number_of_the_trained_mamba_was_measured():
    page = (DOCS / "how-to" / "language.md").read_text(encoding="utf-8")
    section = page.split("### A trained Mamba")[1].split("\n## ")[0]
    study = LanguageStudy.load(DOCS / "language" / "mamba")
    state, told = study.state, [line for line in section.splitlines() if line.startswith("| ") and "[" in line]
    rows = text_state_rows("", state)
    assert told == [
        f"| {row['length']} | {row['alone']:.1f} | {ends(row, 'saved')} | {row['share']:.1%} "
        f"| {ends(row, 'saved_by_another')} |"
        for row in rows
    ]
    swaps = {
        part: (state.transplants.donor[i], state.transplants.host[i]) for i, part in enumerate(state.transplants.parts)
    }
    for part in ("whole state", "blocks.1"):
        donor = swaps[part][0]
        low, high, *_ = mean_intervals(donor[None])[0]
        assert f"{donor.mean():.1f} bits [{low:.1f}, {high:.1f}]" in section
    assert f"{swaps['whole state'][1].mean():.1f}" in section and swaps["blocks.0"][0].mean() < 0
    assert f"{max(state.share_of_state):.3%} of the bits of its {state.size.floats[0]:,} numbers" in section
    twelve = state.bits.lengths.index(12)
    own, others = state.remembrance.effect[twelve, :12], state.remembrance.elsewhere[twelve, :12]
    assert f".{round(100 * own.min())} to .{round(100 * own.max())}" in section
    assert (
        f".{round(100 * others[1:].max())} at most" in section and f"by .{round(100 * others[0])}: the copy" in section
    )
    assert state.saturation.kind == "late" and f"{study.model['n_parameters']:,} parameters" in section
    assert study.verdict.evidence("text_bits").n == 48 and np.isfinite(state.bits.used).all()
