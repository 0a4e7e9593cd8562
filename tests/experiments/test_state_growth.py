"""The growth of saturation with the state: exact on memories of known capacity, end to end on a tiny family."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.experiments.state_growth.figures import bits_by_length, growth_curve
from interp.experiments.state_growth.report import member_rows, write_growth_report
from interp.experiments.state_growth.result import Member, StateGrowth
from interp.experiments.state_growth.run import growth_study, member_config
from interp.experiments.state_growth.run.exponents import exponents
from interp.experiments.state_growth.settings import GrowthSettings
from interp.experiments.state_growth.verdict import growth_verdict
from interp.measure.state.bits import used_bits
from interp.measure.state.knee import knee
from interp.models.planted import register
from interp.results.state import Knee
from interp.studies.study import UNDECIDED
from interp.tasks.copy import CopyTask
from interp.training.presets import PRESETS


@pytest.fixture
def registers(generator: Any) -> list[Member]:
    """Registers of 2, 4 and 8 letters."""
    members = []
    for k in (2, 4, 8):
        model, _ = register(k, 5)
        bits = used_bits(model.double(), CopyTask(5), (1, 2, 4, 8, 16), 8, generator(0))
        rates: dict[str, Any] = {"rates": (0.1,), "seeds": (0,), "rate_accuracy": (1.0,), "rate": 0.1}
        size = k * 5
        most = max(bits.total)
        found = Member(f"k {k}", {}, size, 0, 0, **rates, used=bits, saturation_length=knee(bits), most_bits=most,
                       most_bits_interval=Interval(most, most, "Student t"))  # fmt: skip
        members.append(found)
    return members


def growth(members: list[Member]) -> StateGrowth:
    (exponent, interval), (bare, bare_interval), (bits, bits_interval) = exponents(members)
    lengths = (1, 2, 4, 8, 16)
    return StateGrowth(UNDECIDED, {}, 5, (1, 16), 10, lengths, tuple(members), "k of register", exponent, interval,
                       bare, bare_interval, bits, bits_interval, ())  # fmt: skip


def test_registers_saturate_in_proportion_to_their_size(registers: list[Member]) -> None:
    found = growth(registers)
    assert found.exponent == pytest.approx(1) and found.bits_exponent == pytest.approx(1)
    assert tuple(found.exponent_interval) == pytest.approx((1, 1))
    assert "grows with the state: as its size to the power 1.00" in str(growth_verdict(found))


def test_no_name_of_a_member_is_taken_for_markup(registers: list[Member], studies: Any) -> None:
    found = growth([replace(member, name=studies.HOSTILE) for member in registers])
    for figure in (growth_curve(found), bits_by_length(found)):
        assert studies.markup_in(figure) == set()


def test_windows_are_counted_and_left_out(registers: list[Member]) -> None:
    assert growth(registers).bare_exponent is None  # no windows
    windowed = [replace(m, state_floats=m.state_floats + 60, window_floats=60) for m in registers]
    found = growth(windowed)
    assert found.bare_exponent == pytest.approx(1) and tuple(found.bare_exponent_interval) == pytest.approx((1, 1))
    assert found.exponent is not None and found.exponent > 2  # 70, 80, 100 numbers for 2, 4, 8 letters
    says = "Without the windows of their convolutions in the size: 1.00 [1.00, 1.00; 95%, Student t]."
    assert str(growth_verdict(found)).endswith(says)


def test_members_that_are_alike_do_not_grow(registers: list[Member]) -> None:
    alike = [replace(registers[1], state_floats=size) for size in (10, 20, 40)]
    assert "does not clearly change" in str(growth_verdict(growth(alike)))


def test_the_interval_of_the_exponent_is_that_of_a_line_through_the_members(registers: list[Member]) -> None:
    moved = [replace(m, state_floats=size) for m, size in zip(registers, (10, 20, 80), strict=True)]
    found = growth(moved)
    # x = 0, 1, 3 and y = 0, 1, 2 in powers of two: slope 9/14, residual 1/14, and Student's t with one degree 12.706
    assert found.exponent == pytest.approx(9 / 14)
    half = 12.7062 * (1 / 14 / (14 / 3)) ** 0.5
    assert tuple(found.exponent_interval) == pytest.approx((9 / 14 - half, 9 / 14 + half), rel=1e-4)
    assert "does not clearly change" in str(growth_verdict(found))


def test_members_whose_bits_do_not_stop_are_left_out_by_name(registers: list[Member]) -> None:
    open_ended = replace(
        registers[2], name="k 64", state_floats=999, saturation_length=Knee(None, None, 1.0, 9.0, "late")
    )
    found = growth([*registers, open_ended])
    assert found.exponent == pytest.approx(1) and found.bits_exponent == pytest.approx(1)
    assert "k 64 shows no plateau within 16 letters" in str(growth_verdict(found))


@pytest.mark.parametrize("kind", ["lstm", "mamba2"])
def test_what_is_not_varied_is_the_presets(kind: str) -> None:
    preset, member = PRESETS[kind]()[0], member_config(GrowthSettings(kind=kind, vary="d_model", values=(32, 64)), 32)
    assert member == preset | {"d_model": 32, "d_vocab": 30}


def test_the_layers_of_a_hybrid_are_varied_by_their_kind() -> None:
    settings = GrowthSettings(kind="gated_deltanet_hybrid", vary="gated_deltanet.d_key", values=(8, 16))
    preset, member = PRESETS[settings.kind]()[0], member_config(settings, 8)
    assert member == preset | {"gated_deltanet": preset["gated_deltanet"] | {"d_key": 8}, "d_vocab": 30}


def test_two_members_give_no_exponent(registers: list[Member]) -> None:
    found = growth(registers[:2])
    assert found.exponent is None and "Too few members" in str(growth_verdict(found))


def test_figures_and_rows_hold_what_was_found(registers: list[Member], tmp_path: Path) -> None:
    found = growth(registers)
    assert [row["window_floats"] for row in member_rows(found)] == [0, 0, 0]
    assert [row["saturation_length"] for row in member_rows(found)] == pytest.approx([2, 4, 8])
    np.testing.assert_allclose(growth_curve(found).data[0].y, [2, 4, 8])
    assert len(bits_by_length(found).data) == 4
    page = write_growth_report(found, tmp_path).read_text()
    assert "k of register" in page and "http" not in page.split("<script>")[0].replace("http-equiv", "")
    assert StateGrowth.load(tmp_path).exponent == pytest.approx(1)


def test_the_script_trains_a_family_and_leaves_a_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: Any
) -> None:
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "home"))
    done = script("grow_state", "--tiny", "--out", str(tmp_path / "out"))
    assert not done.returncode, done.stderr
    assert done.stdout.splitlines()[-1] == str(tmp_path / "out" / "report.html")
    results = json.loads((tmp_path / "out" / "results.json").read_text())
    assert [member["name"] for member in results["members"]] == ["d_state 1", "d_state 2"]
    assert len(list((tmp_path / "home" / "families").glob("*seed0*/model.safetensors"))) == 2
    page = (tmp_path / "out" / "report.html").read_text()
    assert page.count('<figure class="attention-view"') == 2 and "home/families" not in page
    found = StateGrowth.load(tmp_path / "out")
    assert [view.model["spec"] for view in found.attention] == ["mamba, d_state 1", "mamba, d_state 2"]
    np.testing.assert_array_equal(*(view.tokens for view in found.attention))
    assert [(m.state_floats, m.window_floats) for m in found.members] == [(1024, 768), (1280, 768)]


def test_a_hybrid_grows_by_its_recurrent_layers_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "home"))
    settings = replace(GrowthSettings.tiny(), kind="gated_deltanet_hybrid", vary="gated_deltanet.d_key", values=(2, 4))
    found = growth_study(settings, progress=False)
    # two heads of d_key x 32 numbers; windows of five letters, as wide as two heads' queries, keys and values
    sizes = [(2 * key * 32 + 5 * 2 * (2 * key + 32), 5 * 2 * (2 * key + 32)) for key in settings.values]
    assert [(m.state_floats, m.window_floats) for m in found.members] == sizes
    assert "what attention layers keep of every letter is not in the numbers of state" in found.notes


def test_where_members_without_heads_look_is_left_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "home"))
    settings = replace(GrowthSettings.tiny(), kind="lstm", vary="d_model", values=(4, 8))
    found = growth_study(settings, progress=False)
    assert found.attention == ()
    assert 'class="attention-view"' not in write_growth_report(found, tmp_path / "out").read_text()


@pytest.mark.parametrize(
    ("settings", "sentence"),
    [
        (GrowthSettings(values=(4,)), "at least two different sizes"),
        (GrowthSettings(longest=4), "at least 6 letters"),
        (
            GrowthSettings.tiny().__class__(kind="mamba", vary="d_stat", values=(1, 2)),
            "is called 'd_stat'",
        ),
        (
            GrowthSettings(kind="hard-alibi", vary="d_model", values=(32, 64)),
            "kind must be a recurrent family, whose state has a size of its own, or .*; got 'hard-alibi'",
        ),
        (
            GrowthSettings(kind="rwkv"),
            "or a preset with layers of one; got 'rwkv'.*, s4d, hybrid, gated_deltanet_h",
        ),
        (GrowthSettings(kind="hybrid", vary="mamba.d_stat"), "is called 'd_stat'"),
    ],
)
def test_what_cannot_be_grown_is_refused(
    settings: GrowthSettings, sentence: str, tmp_path: Path, monkeypatch: Any
) -> None:
    monkeypatch.setenv("INTERP_HOME", str(tmp_path))
    with pytest.raises(UserError, match=sentence):
        growth_study(settings, progress=False)
