"""How much at once: fixed on the CPU, by what is free on a GPU."""

import dataclasses

import pytest
import torch

from interp.base import budget as module
from interp.base.budget import Budget, budget, check_fits
from interp.base.errors import UserError


@pytest.mark.parametrize("device", ["cpu", "meta", torch.device("cpu")])
def test_the_cpu_has_fixed_numbers_that_a_test_can_replace(device, monkeypatch):
    assert budget(device) == Budget()
    monkeypatch.setattr(module, "CPU", Budget(tokens=7))
    assert budget(device).tokens == 7


@pytest.mark.parametrize(("gigabytes", "times"), [(1, 1), (4, 1), (9, 2), (72, 18)])
def test_a_gpu_takes_as_many_times_more_as_it_has_free(gigabytes, times, monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda _: (gigabytes * 2**30, 80 * 2**30))
    found = budget("cuda")
    for field in dataclasses.fields(Budget):
        one = getattr(Budget(), field.name)
        assert getattr(found, field.name) == (one if field.name == "numbers" else times * one)


def test_what_does_not_fit_is_refused():
    check_fits(1000, "a letter")
    with pytest.raises(UserError, match="a library must fit into memory"):
        check_fits(2**60, "a library")
