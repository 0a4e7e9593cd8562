"""The time of a study of heads, said before it starts, is about what it takes; what is left is told as it goes."""

import time

import pytest

from interp.loading import Loaded, load
from interp.measure.heads.settings import HeadSettings
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.studies.estimate import Amount, Countdown, estimate, says
from interp.studies.heads.run import hash_head_study
from interp.studies.heads.settings import HeadStudySettings
from interp.tasks.copy import CopyTask

PARTS = {"scoring heads": 60.0, "effective n": 20.0, "ablations": 40.0}


def test_each_part_says_how_long_the_rest_takes_by_what_the_parts_before_it_took():
    clock, said = [100.0], []
    countdown = Countdown(PARTS, said.append, lambda: clock[0])
    countdown.begin("scoring heads")
    clock[0] += 90.0  # half as long again as was expected: so will the rest be
    countdown.begin("effective n")
    clock[0] += 30.0
    countdown.begin("attention")
    countdown.begin("ablations")
    assert said == [
        "scoring heads, about 2 min to go in all",
        "effective n, about 90 s to go in all",
        "attention",
        "ablations, about 60 s to go in all",
    ]


def test_a_short_study_says_nothing_of_time():
    said = []
    countdown = Countdown({"scoring heads": 3.0}, said.append)
    countdown.begin("scoring heads")
    assert said == ["scoring heads"] and not countdown.worth_telling


def test_an_estimate_names_every_part_and_grows_with_the_strings():
    loaded = load("planted:ngram?n=2&alphabet=8")
    amounts = [Amount(HeadSettings(longest=4, strings=strings), 16, (10,), 16, 10, strings) for strings in (16, 160)]
    few, many = (estimate(loaded, amount) for amount in amounts)
    assert list(few) == ["scoring heads", "effective n", "accuracy by length", "ablations"]
    assert all(seconds > 0 for seconds in few.values())
    assert many["ablations"] > 2 * few["ablations"]
    assert says({"scoring heads": 120.0, "ablations": 7200.0}).startswith("about 2.0 h in all")


@pytest.mark.slow
def test_the_estimate_of_thirty_layers_of_nine_heads_is_within_a_factor_of_two():
    """Measured in processor time, so that other work on the machine does not count."""
    config = TransformerConfig(n_layers=30, n_heads=9, d_model=72, d_mlp=144, position="rope", n_ctx=512)
    loaded = Loaded(HookedTransformer(config, seed=0), CopyTask(), {"spec": "deep"}, trained_lengths=(5, 30))
    heads = HeadSettings(strings=8, untrained=6)
    settings = HeadStudySettings(
        lengths=(20, 40), accuracy_strings=16, free_up_to=20, heads=heads, n_strings=8, ablation_strings=8
    )
    amount = Amount(heads, 8, (20, 40), 16, 20, 8)
    expected = sum(estimate(loaded, amount, clock=time.process_time).values())
    begun = time.process_time()
    hash_head_study(loaded, settings=settings)
    took = time.process_time() - begun
    print(f"\n30 layers of 9 heads: expected {expected:.1f} s of processor time, took {took:.1f} s")
    assert took / 2 < expected < took * 2
