"""The page on the paper says what `docs/paper/results.json` holds, and that what the committed runs have found."""

from pathlib import Path

import pytest

from interp.experiments.claim import Claims
from interp.experiments.kept import Record
from interp.experiments.paper import CLAIMS, claims, length, rates, samples
from interp.experiments.paper.models import RATES
from interp.experiments.paper.page import markdown
from interp.experiments.paper.reproduce import decide_all, plans_of
from interp.experiments.paper.site import BESIDE, FIGURES, FOUND

DOCS = Path(__file__).parents[2] / "docs"
RESULT = Claims.load(DOCS / BESIDE)
RECORD = Record(DOCS / BESIDE / FOUND)
QUICK = ("copier", "registers", "repeats", "capacity")
"""Claims whose rule takes no time."""


def test_the_page_is_what_is_made_of_the_results():
    assert (DOCS / "paper.md").read_text(encoding="utf-8") == markdown(RESULT, FIGURES)
    assert [claim.id for claim in RESULT.claims] == list(CLAIMS)
    assert RESULT.provenance["command"].endswith(f"--found docs/{BESIDE}/{FOUND} --site docs")


def test_every_run_of_the_page_is_committed_and_is_one_of_the_claims():
    digests = {digest for claim in RESULT.claims for digest in claim.runs}
    assert digests == {path.stem for path in RECORD.folder.iterdir()}
    planned = {
        plan.digest for plans in plans_of(claims(), RESULT.size, families=RESULT.families).values() for plan in plans
    }
    assert digests <= planned, "a run whose configuration has changed does not count"
    assert all(path.stat().st_size < 20_000 for path in RECORD.folder.iterdir())


@pytest.mark.parametrize("name", [*QUICK, *(pytest.param(x, marks=pytest.mark.slow) for x in CLAIMS if x not in QUICK)])
def test_each_claim_follows_from_what_its_runs_have_found(name):
    chosen = claims([name])
    plans = plans_of(chosen, RESULT.size, families=RESULT.families)
    found = {plan.digest: one for plan in plans[name] if (one := RECORD.find(plan.digest)) is not None}
    (again,) = decide_all(chosen, plans, found, RESULT.size).claims
    (kept,) = (claim for claim in RESULT.claims if claim.id == name)
    assert (again.holds, again.says, again.runs) == (kept.holds, kept.says, kept.runs)
    assert again.measured == (None if kept.measured is None else pytest.approx(kept.measured))


@pytest.mark.parametrize("trials", [length.TRIALS, samples.TRIALS], ids=lambda trials: trials.name)
def test_every_training_has_the_rate_that_the_committed_trials_choose(trials):
    """For every kind whose trials are all there."""
    plans = (plan for each in plans_of(claims(), RESULT.size).values() for plan in each)
    found = [one for plan in plans if rates.is_trial(plan) and (one := RECORD.find(plan.digest)) is not None]
    best = rates.best(trials.split(found)[0])
    whole = {arm: kept.rate for arm, kept in best.items() if kept.rates == RATES[RESULT.size]}
    assert whole and whole == {arm: rate for arm, rate in trials.chosen.items() if arm in whole}


def test_nothing_of_a_machine_is_on_the_page_or_beside_it():
    files = [DOCS / "paper.md", DOCS / BESIDE / "results.json", *RECORD.folder.iterdir()]
    assert not [path for path in files if "/tmp/" in path.read_text(encoding="utf-8")]
