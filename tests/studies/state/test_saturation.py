"""The whole study of a state: on memories whose capacity is known, on untrained models, and what it refuses."""

import math
from dataclasses import replace

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.figures import load_view
from interp.loading import Loaded, load
from interp.measure.state.knee import knee
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.results.state import Knee
from interp.studies.state.report import write_state_report
from interp.studies.state.result import StateProfile
from interp.studies.state.run import saturation_study, state_lengths, transplant_length
from interp.studies.state.settings import SaturationSettings
from interp.studies.state.verdict import limit, state_verdict
from interp.tasks.copy import CopyTask
from interp.tasks.ngram import NgramLookup

TINY = SaturationSettings.tiny()


def ends(low: float, high: float) -> Interval:
    return Interval(low, high, "Korn-Graubard")


@pytest.fixture(scope="module")
def register() -> StateProfile:
    """First four letters kept, of strings of 2 to 8."""
    return saturation_study(load("planted:register?k=4&alphabet=8"), settings=TINY)


@pytest.fixture(scope="module")
def untrained() -> StateProfile:
    model = HookedMamba(MambaConfig(d_model=16, d_vocab=12))
    return saturation_study(Loaded(model, CopyTask(8), {"spec": "fresh"}, trained_lengths=(1, 4)), settings=TINY)


def test_a_register_is_full_at_its_k_with_an_interval_around_it(register):
    assert register.saturation_length.value == pytest.approx(4, rel=0.02)
    low, high = register.saturation_length.interval
    assert low <= 4.001 and high >= 3.999 and high - low < 0.1
    assert register.bits_recovered == pytest.approx([min(n, 4) * 3 for n in register.lengths], rel=0.02)
    assert register.bits_needed == (6, 12, 24)


def test_a_registers_rate_of_strings_meets_the_bound_with_equality(register):
    assert register.expected_accuracy == pytest.approx(register.accuracy_bound, rel=1e-6)
    assert register.accuracy_bound == pytest.approx((1, 1, 8.0**-4))
    assert register.reachable_bits == (6, 12, 12)


def test_an_ordinary_mamba_built_by_hand_is_read_as_the_register_is(register):
    found = saturation_study(load("planted:mamba?k=4&alphabet=8"), settings=TINY)
    assert found.saturation_length.value == pytest.approx(4, rel=0.02)
    assert found.bits_recovered == pytest.approx(register.bits_recovered, rel=0.02)
    assert found.verdict.answer == register.verdict.answer


def test_the_whole_state_of_a_register_carries_the_copy(register):
    whole = next(part for part in register.transplant if part.kind == "whole")
    assert (whole.length, whole.follows_donor) == (4, 1.0)
    assert whole.largest_difference < 1e-5


def test_the_verdict_of_a_register_says_what_its_numbers_say(register):
    assert limit(register) == "full"
    for words in (
        "copies 100% of strings of 4 letters",
        "stop growing at 4.0",
        "the mark of a full state",
        "uses 12 bits",
        "of the 12 needed",
        f"of the {register.state_bits[1]:,.0f} bits of its state",
        "As a check of the code, its state is swapped",
    ):
        assert words in str(register.verdict)


def test_an_untrained_model_uses_nothing_and_has_no_saturation_length(untrained):
    assert max(untrained.bits_recovered) < 0.2
    assert untrained.saturation_length.value is None or max(untrained.bits_recovered) < 0.2
    assert "use no bits of the string" in str(untrained.verdict)
    assert limit(untrained) == "none"
    whole = next(part for part in untrained.transplant if part.kind == "whole")
    assert whole.length == 2 and whole.largest_difference < 1e-4  # it copies nothing: the shortest strings


def test_another_untrained_model_stands_beside_it_but_not_beside_a_planted_one(register, untrained):
    assert untrained.held.untrained is not None and max(untrained.used_untrained.total) < 0.2
    assert register.held.untrained is None and register.used_untrained is None
    assert any("no untrained version" in note for note in register.notes)


def test_where_heads_look_stands_on_the_page_of_a_model_that_has_any(register, untrained, tmp_path):
    assert register.attention is None
    page = write_state_report([register, untrained], tmp_path)
    assert page.read_text(encoding="utf-8").count('class="attention-view"') == 1
    view = load_view(page)
    assert [strip.name for strip in view.variants[0].strips] == [
        f"layer {layer}: norm of the state" for layer in (0, 1)
    ]
    assert [variant.signed for variant in view.variants] == [True, False]
    np.testing.assert_allclose(view.variants[1].pattern, untrained.attention.variants[1].pattern, atol=1 / 255)
    assert 'class="attention-view"' not in write_state_report([register], tmp_path / "one").read_text(encoding="utf-8")


def test_each_step_of_a_register_reads_its_first_letters_and_no_more(register):
    readable = register.movie.readable
    assert readable.shape == (8, 8) and len(register.movie.letters) == 8
    for step in range(8):
        assert readable[step, : min(step + 1, 4)] == pytest.approx(1, abs=0.02)
        assert readable[step, 4 : step + 1] == pytest.approx(1 / 8)
        assert np.isnan(readable[step, step + 1 :]).all()
    np.testing.assert_allclose(register.movie.average[:, :4][3:], 1, atol=0.02)
    h = register.movie.states[register.movie.parts.index("blocks.0.h")]
    assert (np.diff(h[:, 3:], axis=1) == 0).all()  # what is in the slots stays


def test_every_name_that_a_reader_looks_for_is_in_the_document(register, tmp_path):
    import json

    register.save(tmp_path)
    document = json.loads((tmp_path / "results.json").read_text())
    names = "alphabet lengths accuracy bits_recovered bits_probe bits_needed state_bits utilisation effective_rank"
    assert set(f"{names} saturation_length remembrance transplant".split()) <= set(document)
    assert {"value", "interval"} <= set(document["saturation_length"])
    assert document["alphabet"] == 8


def test_a_profile_comes_back_as_it_was_saved(register, tmp_path):
    again = StateProfile.load(register.save(tmp_path))
    assert again.verdict == register.verdict == state_verdict(again)
    assert again.saturation_length == register.saturation_length
    assert again.transplant[0].name == register.transplant[0].name
    np.testing.assert_array_equal(again.used.by_position, register.used.by_position)


def test_the_same_seed_gives_the_same_numbers(register):
    again = saturation_study(load("planted:register?k=4&alphabet=8"), settings=TINY)
    assert again.bits_recovered == register.bits_recovered
    assert again.bits_probe == register.bits_probe
    np.testing.assert_array_equal(again.remembrance.effect, register.remembrance.effect)


def of_bits(profile: StateProfile, bits: tuple[float, ...], knee: float | None, trained: tuple[int, int] | None):
    """The profile, had it used these bits."""
    used = replace(profile.used, total=bits, interval=tuple(ends(b, b) for b in bits))
    interval = None if knee is None else ends(knee - 0.1, knee + 0.1)
    behaviour = replace(profile.behaviour, trained=trained)
    kind = "bend" if knee else "early" if bits[0] == bits[1] else "late"
    return replace(
        profile,
        used=used,
        bits_recovered=bits,
        behaviour=behaviour,
        saturation_length=Knee(knee, interval, 3.0, 12.0, kind),
    )


@pytest.mark.parametrize(
    ("bits", "knee", "trained", "found", "words"),
    [
        ((6.0, 12.0, 12.0), 4.0, (1, 8), "full", "the mark of a full state"),
        ((6.0, 12.0, 12.0), 4.0, (1, 4), "training", "training alone may have set that limit"),
        ((6.0, 12.0, 5.0), 4.0, (1, 4), "falls", "a failure to generalise in length"),
        ((6.0, 12.0, 5.0), 4.0, (1, 100), "falls", "and that within the trained lengths"),
        ((6.0, 12.0, 24.0), None, (1, 8), "open", "do not stop growing within 8 letters"),
        ((6.0, 6.0, 6.0), None, (1, 8), "early", "have stopped growing at 2 letters"),
        ((0.1, 0.0, 0.0), None, None, "none", "use no bits"),
    ],
)
def test_a_full_state_is_told_from_a_failure_to_generalise(register, bits, knee, trained, found, words):
    profile = of_bits(register, bits, knee, trained)
    assert limit(profile) == found
    assert words in str(state_verdict(profile))


def test_what_stops_in_the_answer_alone_is_no_full_state(register):
    stopped = of_bits(register, (6.0, 12.0, 12.0), 4.0, (1, 8))
    growing = replace(stopped, state_bits=(10.0, 20.0, 40.0))
    held = replace(stopped, saturation_held=Knee(None, None, 3.0, 24.0, "late"))
    for profile in (growing, held):
        assert limit(profile) == "unread"
        says = str(state_verdict(profile))
        assert "its state is not full" in says and "mark of a full state" not in says


def test_a_bend_that_some_resamples_lack_is_told_as_such(register):
    bent = of_bits(register, (6.0, 12.0, 12.0), 4.0, (1, 8))
    knee = replace(bent.saturation_length, kind="unsure", interval=None, note="in some resamples there is no bend")
    unsure = replace(bent, saturation_length=knee)
    assert limit(unsure) == "unsure" and "but in some resamples there is no bend" in str(state_verdict(unsure))


def slowing(profile: StateProfile, by_letter: tuple[float, ...]) -> StateProfile:
    """The profile, had its bits grown ever more slowly, and had probes read so much of each letter of the longest."""
    by_position = np.full_like(profile.held.held.by_position, np.nan)
    by_position[-1, : len(by_letter)] = by_letter
    held = replace(profile.held, held=replace(profile.held.held, by_position=by_position))
    bent = of_bits(profile, (6.0, 10.0, 12.0), 4.0, (1, 8))
    smooth = Knee(None, None, 3.0, 12.0, "smooth")
    return replace(bent, held=held, saturation_length=smooth, saturation_held=smooth)


def test_a_memory_that_forgets_is_not_told_as_full(register):
    forgets = slowing(register, (0.1, 0.2, 0.4, 0.8, 1.2, 1.6, 2.4, 3.0))
    assert limit(forgets) == "forgetting" and "it forgets, rather than being full" in str(state_verdict(forgets))
    shares = slowing(register, (2.0,) * 8)
    assert limit(shares) == "gradual" and "no mark of a full state" in str(state_verdict(shares))


@pytest.mark.parametrize("held", [(12.0, 12.0, 6.0), (4.7, 4.7, 4.7), (3.0, 6.0, 6.0)])
def test_probes_that_do_not_rise_and_stay_with_the_answer_are_no_witness_of_a_full_state(register, held):
    bent = of_bits(register, (6.0, 12.0, 12.0), 4.0, (1, 8))
    read = replace(
        register.held.held,
        total=held,
        interval=tuple(ends(x, x) for x in held),
        draws=np.array([held] * 9).T,
    )
    seen = replace(bent, held=replace(register.held, held=read, joint=None), saturation_held=knee(read))
    assert limit(seen) == "unwitnessed" and "whether the state is full is open" in str(state_verdict(seen))


def test_a_single_wrong_letter_is_not_rounded_away(register):
    letters = np.ones_like(register.behaviour.letter_accuracy)
    letters[:, 0] = 1 - 1e-4 * letters.shape[1]
    wrong = replace(register, behaviour=replace(register.behaviour, letter_accuracy=letters))
    assert "(over 99.9% of their letters)" in str(state_verdict(wrong))


def test_one_letter_is_told_as_one_and_bits_as_no_fewer_than_none(register):
    says = str(state_verdict(replace(of_bits(register, (-0.01, -0.02, -0.02), None, None), lengths=(1, 1, 1))))
    assert "strings of 1 letter (" in says and "use no bits of the string (0.00 at most)" in says


def test_lengths_reach_from_below_the_trained_ones_to_far_beyond():
    model = HookedMamba(MambaConfig(d_model=16))
    lengths = state_lengths(Loaded(model, CopyTask(), {}, trained_lengths=(1, 12)))
    assert lengths == (2, 4, 6, 9, 12, 16, 24, 36, 48)
    assert max(state_lengths(load("planted:register?k=8"))) == 32


def test_parts_are_put_over_in_the_longest_strings_that_are_copied(register):
    assert transplant_length(register.behaviour) == 4
    none_right = replace(register.behaviour, letter_accuracy=np.zeros((3, 16)))
    assert transplant_length(none_right) == 2


@pytest.mark.parametrize(
    ("loaded", "lengths", "words"),
    [
        (Loaded(HookedMamba(MambaConfig(d_model=16)), NgramLookup(), {}), None, "lays_out_letters.*got NgramLookup"),
        (load("planted:register"), (0, 2, 4), "must be an integer from 1"),
        (load("planted:register"), (2, 4), "at least three"),
    ],
)
def test_what_cannot_be_measured_is_refused_in_one_sentence(loaded, lengths, words):
    with pytest.raises(UserError, match=words):
        saturation_study(loaded, settings=replace(TINY, lengths=lengths))


def test_a_transformer_carries_its_keys_and_values():
    model = HookedTransformer(TransformerConfig(d_model=16, n_heads=2, d_vocab=12, windows=(2, None)))
    settings = replace(TINY, lengths=(1, 2, 3))
    profile = saturation_study(Loaded(model, CopyTask(8), {"spec": "attention"}), settings=settings)
    floats = profile.state_size.floats
    assert floats[2] - floats[1] == floats[1] - floats[0] == 2 * 2 * 16  # keys and values of two layers, a letter
    assert profile.utilisation[0] == pytest.approx(profile.bits_recovered[0] / math.log2(8))
    assert any("decay" in note for note in profile.notes)
