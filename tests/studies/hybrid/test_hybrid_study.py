"""What attention adds, asked of hybrids whose answer is known, of an untrained one, and shown."""

from dataclasses import replace

import numpy as np
import pytest

import interp
from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.loading import Loaded
from interp.measure.heads.settings import HeadSettings
from interp.models import build
from interp.studies.hybrid.report import study_figures, tables, write_hybrid_report
from interp.studies.hybrid.result import HybridStudy
from interp.studies.hybrid.run import hybrid_study
from interp.studies.hybrid.settings import HybridSettings
from interp.studies.hybrid.verdict import hybrid_verdict
from interp.tasks.copy import CopyTask

FEW = replace(HybridSettings.tiny(), scoring=HeadSettings(longest=3, strings=16))
SHAPE = {"kind": "hybrid", "layers": ("gla", "attention"), "d_model": 32, "d_vocab": 12, "attention": {"n_heads": 2}}


@pytest.fixture(scope="module")
def gathering():
    return hybrid_study("planted:hybrid?part=lookup&n=2&alphabet=12", 0, FEW)


def test_attention_that_looks_up_what_a_recurrence_gathers_adds_all(gathering):
    verdict = gathering.verdict
    assert verdict.answer == "yes"
    assert gathering.lookup == ("L1H0",) and gathering.gathering == (0,)
    drops = {found.about[0]: found for found in verdict.because if found.quantity == "drop_without_memory"}
    assert drops["attention"].interval.low > 0.5 > drops["recurrence"].interval.high
    outputs = {found.about[0]: found for found in verdict.because if found.quantity == "drop_without_output"}
    assert outputs["recurrence"].interval.low > 0.5
    assert "it needs what the recurrence writes" in str(verdict)
    assert "for which the recurrence of layer 0 gathers the letters 1 and 2 back" in str(verdict)
    untrained = [found.value for found in verdict.because if found.quantity == "drop_without_memory_untrained"]
    assert len(untrained) == 5 and max(map(abs, untrained)) < 0.1


@pytest.mark.slow
def test_attention_that_writes_nothing_adds_nothing():
    study = hybrid_study("planted:hybrid?part=recurrence&n=3&alphabet=8", 0, FEW)
    assert study.verdict.answer == "no" and study.lookup == () and study.gathering == ()
    assert "So attention adds nothing: the recurrence alone remembers the string." in str(study.verdict)


@pytest.mark.slow
def test_attention_beside_a_recurrence_that_writes_nothing_does_all():
    study = hybrid_study("planted:hybrid?part=attention&n=2&alphabet=12", 0, FEW)
    assert study.verdict.answer == "yes" and len(study.lookup) == 1 and study.gathering == ()
    assert "So attention alone remembers the string, and what the recurrence writes is not needed." in str(
        study.verdict
    )
    assert study.size.fewest_directions == 0


def test_an_untrained_hybrid_copies_nothing():
    loaded = Loaded(build(SHAPE, seed=5).eval(), CopyTask(8), {"spec": "untrained"})
    study = hybrid_study(loaded, 0, FEW)
    assert study.verdict.answer == "no" and str(study.verdict).startswith("It copies nothing")
    assert "nothing for attention to add to" in study.verdict.caveats[0]


def test_the_answer_follows_the_intervals_of_the_drops(gathering):
    def with_drops(attention, recurrence, both):
        ends = dict(zip(("attention", "recurrence", "both"), (attention, recurrence, both), strict=True))
        cuts = tuple(
            replace(cut, interval=Interval(*ends[cut.name], "Korn-Graubard")) if cut.name in ends else cut
            for cut in gathering.memories
        )
        return hybrid_verdict(replace(gathering, memories=cuts))

    nothing, some, open_ = (-0.02, 0.02), (0.4, 0.6), (0.01, 0.2)
    assert with_drops(some, nothing, some).answer == "yes"
    assert with_drops(some, some, some).answer == "partly"
    assert with_drops(some, open_, some).answer == "yes"
    assert with_drops(nothing, some, some).answer == "no"
    assert with_drops(open_, nothing, some).answer == "unsure"
    assert with_drops(nothing, nothing, nothing).answer == "no"
    assert with_drops(some, nothing, open_).answer == "unsure"
    assert "either memory is enough" in str(with_drops(nothing, nothing, some))


def test_its_page_its_tables_and_what_is_kept(gathering, tmp_path):
    page = write_hybrid_report(gathering, tmp_path).read_text(encoding="utf-8")
    assert "What does attention add in planted:hybrid?part=lookup" in page and "Who looks up, and who gathers?" in page
    assert list(study_figures(gathering)) == ["taken_away", "by_place", "head_scores", "recurrent_size"]
    again = HybridStudy.load(tmp_path)
    assert again.verdict == gathering.verdict and again.layers == ("mamba", "attention")
    np.testing.assert_array_equal(again.memories[0].by_position, gathering.memories[0].by_position)
    rows = (tmp_path / "cuts.csv").read_text().splitlines()
    assert len(rows) == 1 + 3 * 5 and "layer 1" in rows[5]
    first, roles = tables(gathering)
    assert first.rows[0][0] == "attention" and roles.rows[-1][:3] == ("L1H0", "attention", "lookup")
    assert interp.load("planted:hybrid?n=1").planting.lookup == ("L1H0",)


def test_a_model_without_attention_is_refused_before_any_work():
    told: list[str] = []
    with pytest.raises(
        UserError, match=r"model must be a hybrid of attention and recurrent layers.*got a PlantedMemory"
    ):
        hybrid_study("planted:register?k=3", 0, FEW, told.append)
    assert told == []
