"""Clocks of the benchmarks: ratios, contestants that are slow, and ones that are not there."""

import time
from importlib import import_module

import pytest


@pytest.fixture
def rounds():
    return import_module("rounds")


def test_a_contestant_whose_package_is_missing_is_named_and_left_out(rounds, capsys):
    assert rounds.at_hand("ours", "torch")
    assert capsys.readouterr().out == ""
    assert not rounds.at_hand("theirs", "a_package_of_nobody")
    assert "theirs is left out: a_package_of_nobody is not installed" in capsys.readouterr().out


def test_ratios_are_to_our_time_at_least_the_limit_for_who_was_stopped_and_none_for_who_was_left_out(rounds):
    clocks = {"ours": rounds.Clock(2.0, 3.0), "slow": rounds.Clock(5.0, 6.0), "stopped": None}
    assert rounds.times_ours(clocks, "slow") == 2.5
    assert rounds.times_ours(clocks, "stopped", limit=60) == 30
    assert rounds.times_ours(clocks, "left out") is None
    table = rounds.table("a title", {"a part": clocks}, limit=60).splitlines()
    assert len(table) == 4 and table[0].startswith("a title")
    assert table[2].split()[-4:] == ["5000.0", "2.50", "6000.0", "2.00"] and table[3].endswith("over 60 s")


def test_times_are_those_of_the_processor_and_of_the_clock(rounds):
    def busy():
        end = time.process_time() + 0.02
        while time.process_time() < end:
            pass

    clocks = rounds.measure({"busy": busy, "asleep": lambda: time.sleep(0.05)}, 3)
    assert clocks["busy"].processor >= 0.02
    assert clocks["asleep"].wall >= 0.05 and clocks["asleep"].processor < 0.02


def test_who_needs_longer_than_the_limit_is_stopped(rounds):
    assert rounds.ends_within(lambda: None, 20)
    assert not rounds.ends_within(lambda: time.sleep(60), 0.2)
