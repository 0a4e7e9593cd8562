"""Parts of a benchmark that ran apart are one benchmark, and its script prints the same of them as of the whole."""

import json
import runpy
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.results.copybench import BenchResult, joined

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "copybench.py"


@pytest.fixture
def whole() -> BenchResult:
    names, draws = ("windows&seed=0", "deep&seed=0", "windows&seed=1", "deep&seed=1"), np.random.default_rng(0)
    auroc, cmd = draws.random((2, 5, 4))
    return BenchResult(
        ("ours", "EAP", "EAP-IG", "AtP*", "exact"), names, (9, 8, 7, 6), (4, 3, 2, 1), auroc, cmd, cmd > 0.5
    )


def part(whole: BenchResult, at: slice) -> BenchResult:
    arrays = {name: getattr(whole, name)[:, at] for name in ("auroc", "cmd", "recovered")}
    counts = {name: getattr(whole, name)[at] for name in ("models", "n_edges", "n_true")}
    return replace(whole, **arrays, **counts)


def test_parts_put_together_are_the_whole(whole):
    found = joined([part(whole, slice(0, 1)), part(whole, slice(1, 4))])
    assert (found.methods, found.models) == (whole.methods, whole.models)
    assert (found.n_edges, found.n_true) == (whole.n_edges, whole.n_true)
    for name in ("auroc", "cmd", "recovered"):
        assert np.array_equal(getattr(found, name), getattr(whole, name)), name


def test_parts_that_are_not_of_one_benchmark_are_refused(whole):
    first = part(whole, slice(0, 2))
    with pytest.raises(UserError, match="parts must have models of their own; got windows&seed=0 in several"):
        joined([first, first])
    with pytest.raises(UserError, match="parts must be at least one, all of the same methods; got 0 of 0"):
        joined([])
    with pytest.raises(UserError, match="parts must be at least one, all of the same methods; got 2 of 2"):
        joined([first, replace(part(whole, slice(2, 4)), methods=tuple("abcde"))])


def test_the_script_joins_saved_parts_and_ends_in_the_line_of_json(whole, tmp_path, capsys):
    folders = [part(whole, at).save(tmp_path / str(at.start)) for at in (slice(0, 2), slice(2, 4))]
    runpy.run_path(str(SCRIPT))["main"](join=tuple(folders), out=tmp_path / "whole")
    said = capsys.readouterr().out
    assert whole.table() in said and whole.kinds_table() in said
    last = json.loads(said.splitlines()[-1])
    means = dict(zip(("auroc_ours", "auroc_eap", "auroc_eap_ig", "auroc_atp", "auroc_exact"), whole.auroc, strict=True))
    assert last == {name: round(float(row.mean()), 4) for name, row in means.items()} | {"models": 4}
    assert BenchResult.load(tmp_path / "whole").models == whole.models
