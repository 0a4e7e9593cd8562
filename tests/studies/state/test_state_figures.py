"""Figures and page of the states of one model and of several: fabricated profiles, no model."""

import csv
import html
import json
import re
import shutil
import subprocess
from dataclasses import replace

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.figures.ends import NAME
from interp.results.accuracy import LengthAccuracy
from interp.results.state import (
    Bits,
    EffectiveSize,
    Geometry,
    HeldBits,
    Knee,
    Remembrance,
    StateAblation,
    StateMovie,
    StateSize,
    Transplant,
)
from interp.studies.state.figures.bits import against_needed, by_distance, recoverability
from interp.studies.state.figures.movie import state_view
from interp.studies.state.figures.shape import time_constants
from interp.studies.state.report import state_figures, state_tables, summary, write_state_report
from interp.studies.state.result import StateProfile
from interp.studies.study import Verdict

CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
LENGTHS = (2, 4, 8, 16)
CHANCE = 1 / 8
READ = np.array([[0.9, np.nan, np.nan], [0.9, 0.8, np.nan], [0.2, CHANCE, 1.0]])
"""The first letter is read, then lost with the second."""
MOVIE = StateMovie(
    letters=("a", "b", "<c>"),
    chance=CHANCE,
    parts=("blocks.0.h",),
    states=(np.array([[1.0, -2.0, 4.0], [0.0, 0.0, 0.0]]),),
    time_constants=((1.5, 90.0),),
    readable=READ,
    average=READ,
)
NEEDED = tuple(3.0 * n for n in LENGTHS)


def ends(low: float, high: float) -> Interval:
    return Interval(low, high, "Korn-Graubard")


def bits(total: tuple[float, ...]) -> Bits:
    by_position = np.full((4, 16), np.nan)
    for row, (length, value) in enumerate(zip(LENGTHS, total, strict=True)):
        by_position[row, :length] = value / length * np.linspace(0.5, 1.5, length)
    interval = tuple(ends(0.9 * value, 1.1 * value) for value in total)
    return Bits(LENGTHS, total, interval, by_position, np.array(total)[:, None] * np.linspace(0.9, 1.1, 5))


def profile(spec: str = "mamba", **changes) -> StateProfile:
    """As of a Mamba that is full at six letters."""
    rng, n = np.random.default_rng(0), 12
    layers = {"blocks.0": bits((6.0, 12.0, 15.0, 15.0)), "blocks.1": bits((1.0, 2.0, 5.0, 6.0))}
    used, held = bits((6.0, 12.0, 18.0, 17.9)), bits((6.0, 12.0, 20.0, 21.0))
    letters = np.repeat([[1.0], [1.0], [0.7], [0.4]], n, axis=1)
    behaviour = LengthAccuracy(
        LENGTHS, (1, 16), letters == 1, letters, np.where(letters == 1, -1, 3), letters * 0.9, {}
    )
    parts_of_it = ("blocks.0.h", "blocks.0.window", "blocks.1.h")
    curves = rng.random((3, 4))
    part = {
        "length": 4,
        "donor_interval": ends(0.9, 1.0),
        "host_interval": ends(0.0, 0.1),
        "by_position": np.ones(4),
    }
    parts = [
        Transplant("whole", "whole", size=999, follows_donor=1.0, follows_host=0.05, largest_difference=2e-6, **part),
        Transplant("layer 0", "layer", size=333, follows_donor=0.25, follows_host=0.75, **part),
    ]
    ablation = StateAblation("layer 0", "zero", 4, 333, 1.0, 0.2, ends(0.7, 0.9), 0.6, ends(0.5, 0.7), np.ones(n))
    constants = np.full((len(parts_of_it), 4, 101), np.nan)
    constants[0] = np.array(LENGTHS)[:, None] * np.geomspace(0.1, 90, 101)  # they grow as the strings do
    found = StateProfile(
        provenance={"command": "python analyses/measure_saturation.py", "seed": 0},
        model={"spec": spec, "n_parameters": 1234},
        verdict=Verdict("yes", says=f"It copies as {spec} does."),
        alphabet=8,
        lengths=LENGTHS,
        behaviour=behaviour,
        accuracy=(1.0, 1.0, 0.0, 0.0),
        expected_accuracy=(1.0, 0.99, 1e-3, 1e-9),
        accuracy_bound=(1.0, 1.0, 1.0, 2.0**-9),
        half_length=Knee(12.3, ends(11.0, 13.5), 4.0, 12.0),
        used=used,
        used_untrained=bits((0.0,) * 4),
        held=HeldBits(held, bits((0.01,) * 4), bits((5.0, 6.0, 6.0, 6.0)), layers, (100, 50, 50)),
        bits_recovered=used.total,
        bits_probe=held.total,
        bits_needed=NEEDED,
        state_size=StateSize({"blocks.0.h": 900, "blocks.0.window": 99}, 32, (999,) * 4, (31968.0,) * 4),
        state_bits=(31968.0,) * 4,
        reachable_bits=None,
        utilisation=tuple(u / b for u, b in zip(used.total, NEEDED, strict=True)),
        saturation_length=Knee(6.0, ends(5.8, 6.2), 3.0, 18.0),
        saturation_held=Knee(None, None, 3.0, 21.0, "late", "the bits still grow at the longest length"),
        effective_size=EffectiveSize(
            LENGTHS, (1, 2, 4), rng.random((4, 3)), (1, 8), rng.random((4, 2)), (1.0,) * 4, (2,) * 4, (None, 8, 8, 8)
        ),
        effective_rank=Geometry(
            LENGTHS,
            parts_of_it,
            curves * 20,
            curves * 30,
            curves * 9,
            curves,
            constants,
        ),
        remembrance=Remembrance(
            LENGTHS, by_length(0.9), by_length(0.1), np.stack([by_length(0.8), by_length(1.0)], -1), "Korn-Graubard"
        ),
        transplant=tuple(parts),
        state_ablations=(ablation, replace(ablation, kind="mean", control_mean=None, control_interval=None)),
        movie=MOVIE,
        training=None,
        notes=("nothing to mind",),
    )
    return replace(found, **changes)


def by_length(value: float) -> np.ndarray:
    return np.where(np.arange(16) < np.array(LENGTHS)[:, None], value, np.nan)


SEVERAL = (profile("mamba"), profile("lstm"), profile("hard-alibi"))


def traces(figure, name: str) -> list:
    return [trace for trace in figure.data if trace.name == name]


def test_the_curves_of_the_bits_are_those_of_the_profile():
    figure = state_figures([profile()])["saturation"]
    (used,), (held,), (needed,) = (traces(figure, name)[-1:] for name in ("used", "held", "needed"))
    assert tuple(used.y) == profile().bits_recovered and tuple(used.x) == LENGTHS
    assert tuple(held.y) == profile().bits_probe
    assert tuple(needed.y) == NEEDED
    assert [a.text for a in figure.layout.annotations if a.name != NAME] == ["used stops at 6.0"]
    assert "18.0 used, 20.0 held of 24.0 at 8" in figure.layout.meta["says"]


def test_the_state_stands_on_the_same_axes_as_what_is_needed_and_used():
    grown = profile("hard-alibi", state_bits=(100.0, 200.0, 400.0, 800.0))
    figure = against_needed([profile(), grown])
    drawn = {trace.name: (tuple(trace.x), tuple(trace.y)) for trace in figure.data}
    assert drawn["needed"] == (LENGTHS, NEEDED)
    assert drawn["mamba: state"][1] == (31968.0,) * 4 and drawn["hard-alibi: state"][1] == grown.state_bits
    assert drawn["mamba: used"] == (LENGTHS, (6.0, 12.0, 18.0, 17.9))
    assert figure.layout.xaxis.type == figure.layout.yaxis.type == "log"


def test_lengths_are_rows_of_one_height_in_every_model():
    figure = recoverability([profile(), profile("lstm")])
    assert {figure.layout[f"yaxis{i}"].type for i in ("", 2, 3, 4)} == {"category"}


def test_time_constants_stand_beside_the_length_of_the_strings():
    figure = time_constants([profile()])
    assert figure.layout.shapes[0].y0 == 16
    assert [a.y for a in figure.layout.annotations if a.text == "16 letters"] == [pytest.approx(np.log10(16))]
    all_of_them, band, median, as_long = figure.data
    np.testing.assert_allclose(all_of_them.y[[0, 100]], [1.6, 1440])
    np.testing.assert_allclose(median.y, 3.0 * np.array(LENGTHS))
    assert max(band.y) == pytest.approx(16 * 0.1 * 900**0.95) and as_long.x == as_long.y == LENGTHS
    assert "h: 6 in the median at 2 letters, 48 at 16" in figure.layout.meta["says"]


def test_recoverability_counts_back_from_the_separator():
    turned = by_distance(profile().used)
    for row, length in enumerate(LENGTHS):
        np.testing.assert_allclose(turned[row, :length], profile().used.by_position[row, :length][::-1])
        assert np.isnan(turned[row, length:]).all()
    heat = state_figures([profile()])["recoverability"].data[0]
    assert heat.z[0][0] == pytest.approx(turned[0, 0] / 3)  # share of the 3 bits of a letter of eight


def test_several_models_stand_side_by_side_under_their_names():
    for name, figure in state_figures(SEVERAL).items():
        drawn = " ".join([a.text or "" for a in figure.layout.annotations] + [t.name or "" for t in figure.data])
        assert all(model in drawn for model in ("mamba", "lstm", "hard-alibi")), name
        assert all(model in figure.layout.meta["says"] for model in ("mamba", "lstm", "hard-alibi")), name


def test_the_legend_names_each_curve_once():
    for name, figure in state_figures(SEVERAL).items():
        shown = [trace.name for trace in figure.data if trace.showlegend and trace.name]
        assert len(shown) == len(set(shown)), name


def test_an_ablations_bars_span_the_accuracy_that_is_left():
    dots = traces(state_figures([profile()])["state_ablations"], "zero")[0]
    assert dots.x[0] + dots.error_x.array[0] == pytest.approx(1 - 0.7)
    assert dots.x[0] - dots.error_x.arrayminus[0] == pytest.approx(1 - 0.9)


def test_without_decays_or_untrained_model_or_knee_the_page_is_still_made(tmp_path):
    bare = profile(
        effective_rank=replace(profile().effective_rank, time_constants=np.full((3, 4, 101), np.nan)),
        held=replace(profile().held, untrained=None),
        used_untrained=None,
        saturation_length=Knee(None, None, 3.0, 48.0, "late", "the bits still grow at the longest length"),
    )
    page = write_state_report([bare], tmp_path).read_text(encoding="utf-8")
    assert "the bits still grow at the longest length" in page
    assert not (tmp_path / "figures" / "time_constants.html").exists()


def test_a_summary_is_that_of_the_length_at_which_most_bits_are_used():
    row = summary(profile())
    assert (row.used_stops.value, row.half.value, row.state, row.exact) == (6.0, 12.3, 31968.0, 2e-6)
    assert (row.used, row.at, row.home) == (18.0, 8, 16)


def test_the_page_formats_the_numbers_of_a_summary(tmp_path):
    page = write_state_report([profile()], tmp_path).read_text(encoding="utf-8")
    for words in (
        "6.0 [5.8, 6.2; 95%, Korn-Graubard]",
        "12.3 [11.0, 13.5; 95%, Korn-Graubard]",
        "of 31,968 bits",
        "18.0 [16.2, 19.8; 95%, Korn-Graubard] at 8 letters",
        "its own logits to within 2e-06.",
    ):
        assert words in page, words
    assert "Held: beyond 16." in page
    several = write_state_report(SEVERAL, tmp_path / "several").read_text(encoding="utf-8")
    assert several.count("<td>6.0 <small>[5.8, 6.2]</small></td><td>beyond 16</td>") == 3
    assert "stops, Korn-Graubard; bits, Korn-Graubard" in several


def test_several_models_stand_in_one_panel_on_one_axis():
    drawn = state_figures(SEVERAL)
    for name in ("saturation", "against_needed", "by_layer", "remembrance"):
        assert {trace.yaxis or "y" for trace in drawn[name].data} == {"y"}, name
    panels = {name: len({trace.yaxis or "y" for trace in drawn[name].data}) for name in ("accuracy", "effective_size")}
    assert panels == {"accuracy": 3, "effective_size": 2}  # a panel a quantity, not a model
    used = [trace for trace in drawn["saturation"].data if (trace.name or "").endswith(", used") and trace.fill is None]
    assert [tuple(trace.y) for trace in used] == [p.bits_recovered for p in SEVERAL]
    assert len({trace.line.color for trace in used}) == 3


def test_of_several_models_the_table_comes_first_and_each_verdict_has_two_sentences(tmp_path):
    told = "It copies. It is full. At 8 letters it uses 18 bits. That is 0.1% of its state."
    some = [profile(name, verdict=Verdict("yes", says=told)) for name in ("mamba", "lstm")]
    page = write_state_report(some, tmp_path).read_text(encoding="utf-8")
    table, first, rest = (
        page.index(text) for text in ("The models side by side", "It copies. It is full.</p>", "That is")
    )
    assert table < first < rest and page[:rest].count("<details") > 0
    assert "<p>At 8 letters it uses 18 bits. That is 0.1% of its state.</p></details>" in page


def test_the_folder_of_three_models_is_small(tmp_path):
    write_state_report(SEVERAL, tmp_path)
    assert sum(path.stat().st_size for path in tmp_path.rglob("*") if path.is_file()) < 8 * 2**20


def test_no_profile_makes_no_page(tmp_path):
    with pytest.raises(UserError, match="at least one profile"):
        write_state_report([], tmp_path)


def test_one_profile_stands_beside_its_page_and_several_in_folders(tmp_path):
    write_state_report([profile()], tmp_path / "one")
    assert StateProfile.load(tmp_path / "one").model["spec"] == "mamba"
    page = write_state_report(SEVERAL, tmp_path / "three").read_text(encoding="utf-8")
    for place, spec in (("1-mamba", "mamba"), ("2-lstm", "lstm"), ("3-hard-alibi", "hard-alibi")):
        assert StateProfile.load(tmp_path / "three" / place).model["spec"] == spec
        assert f'href="{place}/results.json"' in page


def test_tables_hold_the_numbers_of_every_model(tmp_path):
    write_state_report(SEVERAL, tmp_path)
    with (tmp_path / "lengths.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["model"], int(row["length"])) for row in rows] == [
        (p.model["spec"], n) for p in SEVERAL for n in LENGTHS
    ]
    assert [float(row["bits_used"]) for row in rows[:4]] == list(profile().bits_recovered)
    assert state_tables([profile()])["transplants.csv"][0]["donor_low"] == 0.9


def test_each_step_of_a_string_says_what_is_read_and_what_is_lost():
    view = state_view(profile())
    assert view.lines == (
        "a: 1 of 1 letters are read.",
        "b: 2 of 2 letters are read.",
        "<c>: 1 of 3 letters are read; lost: a (1) and b (2).",
    )
    assert "letters 3 of this string" in view.says and "chance: 12.5%" in view.says
    data = json.loads(view.json)
    assert data["states"] == [[[25, -50, 100], [0, 0, 0]]]  # each number by its own largest
    assert data["readable"][1] == [None, 80, 12]  # the second letter, by step
    assert "time constants from 1.5 (top) to 90 positions (bottom)" in view.parts[0][0]


def test_a_profile_without_a_movie_has_no_view_of_it(tmp_path):
    page = write_state_report([profile(movie=None)], tmp_path).read_text(encoding="utf-8")
    assert 'class="state-view"' not in page and "Step by step" not in page


def test_hostile_text_is_shown_as_it_is(studies, tmp_path):
    hostile = profile(studies.HOSTILE, verdict=Verdict("no", says=studies.HOSTILE), notes=(studies.HOSTILE,))
    hostile = replace(hostile, transplant=tuple(replace(part, name=studies.HOSTILE) for part in hostile.transplant))
    text = write_state_report([hostile], tmp_path).read_text(encoding="utf-8")
    body = re.sub(r"<script.*?</script>", "", text, flags=re.S)
    assert "<b>bold" not in body and "<img" not in body
    assert html.escape("<b>bold</b>") in body


@pytest.mark.parametrize("n", [1, 2])
def test_no_name_is_taken_for_markup(studies, n):
    name = studies.HOSTILE
    rank = replace(SEVERAL[0].effective_rank, layers=(name, *SEVERAL[0].effective_rank.layers[1:]))
    hostile = profile(
        name,
        held=replace(SEVERAL[0].held, by_layer={name: SEVERAL[0].held.held, "blocks.1": SEVERAL[0].held.held}),
        effective_rank=rank,
        transplant=tuple(replace(part, name=name) for part in SEVERAL[0].transplant),
        state_ablations=tuple(replace(part, name=name, kind=name) for part in SEVERAL[0].state_ablations),
    )
    for which, figure in state_figures([hostile] * n).items():
        assert studies.markup_in(figure) == set(), which


@pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium to open the page in")
@pytest.mark.parametrize("n", [1, 3])
def test_a_browser_draws_every_figure_offline_without_a_complaint(tmp_path, n):
    page = write_state_report(SEVERAL[:n], tmp_path / "page")
    quiet = ("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-quic")
    start = (CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", *quiet)
    options = ("--enable-logging=stderr", f"--user-data-dir={tmp_path}", "--virtual-time-budget=20000", "--dump-dom")
    found = subprocess.run([*start, *options, page.as_uri()], capture_output=True, text=True, timeout=120, check=True)
    figures = len(list((tmp_path / "page" / "figures").glob("*.html")))
    assert f'data-ready="{figures}"' in re.search(r"<html[^>]*>", found.stdout)[0]
    assert found.stdout.count("probes read 1 of 3 letters. Lost: a (1), b (2).") == n
    assert "CONSOLE" not in found.stderr, html.unescape(found.stderr)


def test_bits_that_fall_are_given_no_saturation_length():
    falling = replace(
        bits((6.0, 12.0, 18.0, 1.0)),
        interval=tuple(ends(*pair) for pair in ((6.0, 6.0), (12.0, 12.0), (18.0, 18.0), (0.9, 1.1))),
    )
    fallen = profile(used=falling, bits_recovered=falling.total, saturation_held=Knee(8.1, ends(8.0, 8.2), 3.0, 21.0))
    figure = state_figures([fallen])["saturation"]
    assert [a.text for a in figure.layout.annotations if a.name != NAME] == ["held stops at 8.1"]
    assert "fall after 8 letters" in figure.layout.meta["says"]
    assert summary(fallen).used_falls and not summary(fallen).bends


def test_the_page_says_of_a_model_that_never_falls_to_half_and_swaps_exactly_that_it_does(tmp_path):
    whole, layer = profile().transplant
    late = Knee(None, None, 0.0, 0.0, "late", "the letter accuracy stays above a half")
    found = profile(half_length=late, transplant=(replace(whole, largest_difference=0.0), layer))
    page = " ".join(write_state_report([found], tmp_path).read_text(encoding="utf-8").split())
    assert "more than half of the letters are right at every length, up to 16." in page
    assert "it gives exactly its own logits." in page


def test_what_is_transplanted_at_random_is_named_shortly_and_hovered_over_in_full():
    whole, layer = profile().transplant
    control = replace(layer, name="as many as layer 0, at random", kind="control")
    figure = state_figures([profile(transplant=(whole, layer, control))])["transplants"]
    assert figure.layout.yaxis.ticktext == ("as many, at random (333)", "layer 0 (333)", "whole (999)")
    assert figure.layout.yaxis.tickvals[0] == figure.data[0].y[0] == "as many as layer 0, at random (333)"
