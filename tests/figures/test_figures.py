"""The figures show the numbers that they are given, say them in words, and take no text for markup."""

from dataclasses import replace

import numpy as np
import plotly.graph_objects as go
import plotly.io
import pytest
from plotly.colors import hex_to_rgb

from interp import figures
from interp.figures import theme
from interp.figures.ablation import control_notes
from interp.figures.ends import NAME, ROOM, End, apart, label_ends
from interp.figures.page import facts
from interp.figures.training import letter_intervals, string_intervals
from interp.studies.heads.report import study_figures


@pytest.fixture(scope="module")
def study(studies):
    return studies.hard_alibi()


def traces(figure, name):
    return [trace for trace in figure.data if trace.name == name]


def test_accuracy_by_length_draws_measured_and_ideal_curves(study):
    result = study.accuracy_by_length
    figure = figures.length_accuracy(result)
    (strings,) = (t for t in traces(figure, "strings") if t.fill is None)
    (letters,) = (t for t in traces(figure, "letters") if t.fill is None)
    assert tuple(strings.x) == result.lengths
    np.testing.assert_allclose(strings.y, result.string_correct.mean(axis=1))
    np.testing.assert_allclose(letters.y, result.letter_accuracy.mean(axis=1))
    for n, curve in result.ideal.items():
        assert tuple(traces(figure, f"ideal, n = {n}")[0].y) == curve
    (free,) = traces(figure, "letters, reading its own output")
    np.testing.assert_allclose(free.y, result.free_letter_accuracy.mean(axis=1))
    assert figure.layout.shapes[0].x0 <= 30 <= figure.layout.shapes[0].x1


def test_the_band_of_accuracy_is_its_interval(study):
    figure = figures.length_accuracy(study.accuracy_by_length)
    (band,) = (t for t in traces(figure, "strings") if t.fill is not None)
    low, high = np.array([[*interval] for interval in string_intervals(study.accuracy_by_length)]).T
    np.testing.assert_allclose(band.y, [*high, *low[::-1]])


def test_intervals_contain_the_mean_and_have_width_even_where_every_string_is_right(study):
    result = study.accuracy_by_length
    for intervals, values in (
        (string_intervals(result), result.string_correct),
        (letter_intervals(result), result.letter_accuracy),
    ):
        for (low, high), row in zip(intervals, values, strict=True):
            assert low <= row.mean() <= high
    assert string_intervals(result)[0].low < 1.0


def test_first_errors_are_the_share_of_strings_still_right(study):
    result = study.accuracy_by_length
    correct, first = np.array([[True, False, False, True]]), np.array([[-1, 0, 5, -1]])
    small = replace(
        result,
        lengths=(10,),
        string_correct=correct,
        letter_accuracy=np.array([[1.0, 0.9, 0.9, 1.0]]),
        first_error=first,
        free_letter_accuracy=None,
        ideal={},
    )
    (curve,) = figures.first_errors(small).data
    # One string fails at once, one after five right letters, two never.
    assert list(curve.customdata) == list(range(11))
    assert list(curve.y) == [1.0] + [0.75] * 5 + [0.5] * 5


ROLE_NAMES = {"lookup head": "lookup", "gather head": "gather", "no role": "none"}


def test_every_head_stands_once_among_the_scores_in_the_colour_of_its_role(study):
    figure = figures.head_scores(study.scores)
    shown = [t for t in figure.data if t.name != "chance" and t.xaxis == "x"]
    assert sum(len(t.x) for t in shown) == len(study.heads)
    assert {t.name: t.marker.color for t in shown} == {
        name: theme.ROLES[role].color for name, role in ROLE_NAMES.items()
    }


def test_every_head_is_one_cell_of_the_grid_in_the_colour_of_its_role(study):
    cells = figures.head_grid(study.scores).data
    assert {t.name for t in cells} == set(ROLE_NAMES)
    there = {}
    for trace in cells:
        full = hex_to_rgb(theme.ROLES[ROLE_NAMES[trace.name]].color)
        assert trace.colorscale[1][1] == f"rgba({full[0]}, {full[1]}, {full[2]}, 1)"
        for layer, head in np.argwhere(np.isfinite(trace.z)):
            assert f"L{layer}H{head}" not in there
            there[f"L{layer}H{head}"] = ROLE_NAMES[trace.name], trace.text[layer][head]
    assert there == {head.name: (head.role, f"n={head.n}" if head.role == "lookup" else "") for head in study.heads}


def test_head_scores_carry_interval_and_chance(studies, study):
    figure = figures.head_scores(study.scores)
    lookups, _ = traces(figure, "lookup head")
    heads = [study.heads[i] for i in lookups.x]
    assert [h.name for h in heads] == list(studies.LOOKUPS)
    np.testing.assert_allclose(lookups.y + np.array(lookups.error_y.array), [h.interval.high for h in heads])
    np.testing.assert_allclose(lookups.y - np.array(lookups.error_y.arrayminus), [h.interval.low for h in heads])
    assert tuple(traces(figure, "chance")[0].y) == tuple(h.chance for h in study.heads)


def test_the_response_marks_the_n_of_each_lookup_head(studies, study):
    figure = figures.response(study.scores)
    (rings,) = traces(figure, "its n")
    assert list(rings.x) == [studies.N] * 4
    assert list(rings.y) == [h.response[studies.N] for h in study.heads if h.role == "lookup"]
    curves = [t for t in figure.data if t.mode == "lines+markers" and t.xaxis == "x"]
    assert sorted(tuple(t.y) for t in curves) == sorted(h.response for h in study.heads)


def test_the_gain_of_the_score_stands_at_the_letter_that_brings_it(study):
    gains = [t for t in figures.response(study.scores).data if t.xaxis == "x2" and t.legendgroup == "lookup"]
    head = next(h for h in study.heads if h.role == "lookup")
    assert tuple(gains[0].x) == tuple(range(1, 9))
    assert tuple(gains[0].y) == head.score_gain


@pytest.mark.parametrize("kind", ["behavioural", "causal"])
def test_a_step_curve_is_cut_before_its_n(study, kind):
    curve = getattr(study, kind)
    figure = figures.step_curve(curve, kind)
    assert tuple(figure.data[0].y) == curve.value
    assert figure.layout.shapes[0].x0 == curve.n - 0.5
    assert f"n = {curve.n}" in figure.layout.meta["says"]
    assert not figures.step_curve(replace(curve, n=None), kind).layout.shapes


def test_ablation_bars_have_the_interval_of_what_is_left(study):
    figure = figures.ablations(study.ablations)
    bars = [t for t in figure.data if t.type == "bar"]
    shown = [
        r
        for group in ("single", "cumulative", "all but one", "all", "edges")
        for r in study.ablations
        if r.group == group
    ]
    assert [y for bar in bars for y in bar.y] == [r.string_accuracy_after for r in shown]
    ends = [t for t in figure.data if t.type == "scatter" and t.name == "strings"]
    whole = next(r for r in shown if r.name == "best 2")
    assert ends[1].y[1] + ends[1].error_y.array[1] == pytest.approx(whole.string_accuracy_before - whole.interval.low)
    assert ends[1].y[1] - ends[1].error_y.arrayminus[1] == pytest.approx(
        whole.string_accuracy_before - whole.interval.high
    )
    letters = [y for t in traces(figure, "letters") for y in t.y]
    assert letters == [r.letter_accuracy_after for r in shown]


def test_random_orders_stand_with_the_sets_of_their_size(study):
    (crosses,) = traces(figures.ablations(study.ablations), "strings, random order")
    others = [r for r in study.ablations if r.group == "random order"]
    assert list(zip(crosses.x, crosses.y, strict=True)) == [(len(r.heads) - 1, r.string_accuracy_after) for r in others]


def test_a_control_that_could_not_be_drawn_is_said_and_not_drawn(study):
    figure, notes = figures.ablations(study.ablations), control_notes(study.ablations)
    same_layer = [y for t in traces(figure, "control: same layer") for y in t.y]
    drawn = [
        c
        for r in study.ablations
        if r.group != "random order"
        for c in r.controls
        if c.name == "same layer" and c.draws
    ]
    assert len(same_layer) == len(drawn) < len(study.ablations)
    missing = sum(c.draws == 0 for r in study.ablations for c in r.controls)
    assert any(f"could not be drawn for {missing} (pool of 0)" in note for note in notes)
    assert all(note in figure.layout.meta["says"] for note in notes)


def test_a_control_that_no_ablation_has_is_said_once(study):
    none = tuple(replace(r, controls=tuple(replace(c, draws=0, pool=0) for c in r.controls)) for r in study.ablations)
    assert f"could not be drawn for any of the {len(none)} ablations (pool of 0)." in control_notes(none)[0]


def test_training_curves_are_those_of_the_log(study):
    figure = figures.training(study.training)
    np.testing.assert_array_equal(figure.data[0].y, study.training.loss)
    (last,) = traces(figure, "strings of 100")
    np.testing.assert_array_equal(last.y, study.training.string_accuracy[:, 1])
    assert "22,400 examples" in figure.layout.meta["says"]


def test_a_long_loss_curve_is_thinned(study):
    n = 100_000
    long = replace(study.training, examples=np.arange(n), loss=np.ones(n), learning_rate=np.ones(n))
    assert len(figures.training(long).data[0].y) == 2000


def test_a_study_without_lookup_heads_can_be_drawn(studies):
    study = studies.no_lookup()
    assert "No lookup head" in figures.head_scores(study.scores).layout.meta["says"]
    assert "no n" in figures.response(study.scores).layout.meta["says"]
    assert "there is no fall" in figures.effective_n(study.behavioural, study.causal).layout.meta["says"]
    assert not figures.ablations(study.ablations).data


def test_no_name_is_taken_for_markup(studies):
    for name, figure in study_figures(studies.hostile()).items():
        assert studies.markup_in(figure) == set(), name


def test_text_is_drawn_as_it_is():
    assert theme.literal("<b>a</b> & $x$ 5 %{y}") == "&lt;b&gt;a&lt;/b&gt; &amp; &#36;x&#36; 5 &#37;{y}"


def test_nothing_is_set_for_other_figures():
    assert plotly.io.templates.default == "plotly"
    light, dark = theme.template(), theme.template(dark=True)
    assert light.layout.font.color != dark.layout.font.color
    assert light.layout.paper_bgcolor == dark.layout.paper_bgcolor == theme.CLEAR


def test_the_effect_of_gather_heads_has_a_panel_of_its_own(study):
    effects = [t for t in figures.head_scores(study.scores).data if t.xaxis == "x2"]
    drawn = {study.heads[i].name: y for t in effects for i, y in zip(t.x, t.y, strict=True)}
    assert drawn == {head.name: head.gather_effect for head in study.heads}


def test_names_stand_at_the_ends_of_the_lines_and_apart(study):
    figure = figures.length_accuracy(study.accuracy_by_length)
    ends = [note for note in figure.layout.annotations if note.name == NAME]
    assert [note.text for note in ends] == [
        "ideal, n = 3",
        "ideal, n = 4",
        "ideal, n = 5",
        "letters, on its own",
        "letters",
        "strings",
    ]
    assert ends[-1].y == pytest.approx(study.accuracy_by_length.string_correct[-1].mean())
    assert ends[-1].font.color == theme.STRINGS.color and 10 ** ends[-1].x == pytest.approx(600)
    height = figure.layout.height - figure.layout.margin.t - figure.layout.margin.b
    at = sorted(height * note.y / 1.08 + note.yshift for note in ends)
    assert min(np.diff(at)) > ROOM - 1e-6


def test_names_stand_in_the_margin_and_take_no_room_from_the_lines(study):
    """An axis without a range is fitted to the names, too, and the margin is theirs already."""
    figure = figures.length_accuracy(study.accuracy_by_length)
    low, high = figure.layout.xaxis.range
    lengths = np.log10(study.accuracy_by_length.lengths)
    whole = np.ptp(lengths)
    assert lengths[0] - 0.1 * whole < low < lengths[0] and lengths[-1] < high < lengths[-1] + 0.1 * whole
    assert figure.layout.margin.r > 90


def test_ends_of_one_colour_that_lie_together_share_a_name():
    figure = theme.dress(go.Figure().update_yaxes(range=[0, 1]), "", "")
    label_ends(
        figure, [End(1, 1.0, "n = 4", "#000000"), End(1, 0.999, "n = 5", "#000000"), End(1, 0.9, "n = 6", "#000000")]
    )
    assert [note.text for note in figure.layout.annotations] == ["n = 4 and 5", "n = 6"]


def test_places_that_are_apart_stay_and_others_move_as_little_as_can_be():
    assert apart([0.0, 100.0, 50.0], 15.0) == [0.0, 100.0, 50.0]
    assert apart([30.0, 30.0, 30.0], 10.0) == [20.0, 30.0, 40.0]


def test_of_a_name_that_has_no_room_the_end_is_written():
    figure = theme.dress(go.Figure().update_yaxes(range=[0, 1]), "", "")
    label_ends(
        figure, [End(1, 1.0, "/home/someone/work/runs/hard-alibi-seed0", "#000000"), End(1, 0, "x" * 27, "#111111")]
    )
    assert [note.text for note in figure.layout.annotations] == ["…work/runs/hard-alibi-seed0", "x" * 27]


def test_no_name_lies_below_the_axis():
    assert apart([98.0, 100.0, 20.0], 15.0, lowest=92.0) == [77.0, 92.0, 20.0]
    assert apart([95.0, 70.0, 80.0], 15.0, lowest=92.0) == [92.0, 62.0, 77.0]


def test_of_many_lengths_as_many_are_drawn_as_can_be_told_apart(study):
    figure = figures.first_errors(study.accuracy_by_length)
    assert [t.name for t in figure.data] == [f"{n} letters" for n in (15, 50, 100, 200, 600)]
    assert "of the 7 lengths" in figure.layout.meta["says"]


@pytest.mark.parametrize(
    ("share", "text"),
    [
        (1.0, "100%"),
        (0.9999, ">99.9%"),
        (0.993, "99.3%"),
        (0.0001, "<0.1%"),
        (0.0, "0%"),
        (float("nan"), theme.ABSENT),
        (None, theme.ABSENT),
    ],
)
def test_rounding_makes_no_certainty(share, text):
    assert theme.percent(share) == text


def test_several_heads_without_a_role_are_counted_at_their_bar(study):
    """Plotly leaves a name out that would leave the page, as that of the set would."""
    one = next(r for r in study.ablations if r.group == "single")
    rows = [
        one,
        replace(one, group="no role"),
        replace(one, group="no role", name="all without a role", heads=one.heads * 5),
    ]
    assert figures.ablations(rows).layout.xaxis2.ticktext == (one.heads[0], "5 heads")


def test_a_control_that_found_nothing_to_cut_does_not_show_rounding(study):
    one = next(r for r in study.ablations if r.group == "edges")
    controls = tuple(replace(c, attention=(0.99, 4.8e-14)) if c.name == "edges" else c for c in one.controls)
    (note,) = [note for note in control_notes([replace(one, controls=controls)]) if "elsewhere" in note]
    assert "that there is elsewhere, 0.000 per query against 0.990 to the match" in note


def test_facts_of_many_things_are_told_apart_and_leave_out_what_is_not_said():
    heads = [{"layer": 0, "n": None, "offsets": [1, 2], "matches": []}, {"layer": 1, "n": 2, "matches": (0, 1)}]
    ((name, text),) = facts({"planted": {"heads": heads, "share": 0.6388888855775198, "size": 20_000}})
    assert name == "planted"
    assert text == "heads [(layer 0, offsets [1, 2]), (layer 1, n 2, matches [0, 1])], share 0.638889, size 20,000"
