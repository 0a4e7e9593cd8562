"""The rules of the claims, on runs whose outcome is made up; and all of them run through at the tiny size."""

import json
from dataclasses import replace

import pytest

from interp.base.errors import UserError
from interp.experiments.claim import Claims, above
from interp.experiments.engine import agenda, carry_out_all
from interp.experiments.executor import Serial
from interp.experiments.kept import Found, Record
from interp.experiments.paper import CLAIMS, claims, rates
from interp.experiments.paper.models import AVERAGED, CHOSEN, PARAMETERS, RATES, UNEMBEDDING_BIAS, arms
from interp.experiments.paper.page import markdown
from interp.experiments.paper.report import write_paper_report
from interp.experiments.paper.reproduce import decide_all, find_run, largest, plans_of
from interp.experiments.paper.site import write_site
from interp.experiments.work import Work

CLAIM = {claim.id: claim for claim in claims()}


def made_up(claim: str, numbers, seeds=3, size="laptop"):
    """What the runs of a claim would have found: `numbers(plan)` for each."""
    plans = CLAIM[claim].plans(size, range(seeds))
    return plans, {
        plan.digest: Found(plan.digest, plan, {"model": {"parameters": 1}, **numbers(plan)}) for plan in plans
    }


def decided(claim: str, numbers, seeds=3):
    plans, found = made_up(claim, numbers, seeds)
    return CLAIM[claim].decide(plans, found, "laptop", seeds)


def learning(examples):
    """A training that gets there after so many examples; None: never."""
    reached = examples is not None
    at = [examples - 1600, examples] if reached else [38_400, 76_800]
    return {
        "training": {
            "evaluated_at": at,
            "string_accuracy": [[0.1], [0.96 if reached else 0.2]],
            "letter_accuracy": [[0.5], [0.99]],
        }
    }


def trial(plan, best):
    """A trial, of which a rate comes off best."""
    return {"training": {"letter_accuracy": [[0.9 if plan.rate == best else 0.5]], "evaluated_at": [6400]}}


def test_samples_hold_where_recurrent_models_need_more_examples():
    def slow(plan):
        return learning(3200 * (10 if plan.model["kind"] != "transformer" else 1) + 1600 * plan.seed)

    found = decided("samples", slow)
    assert found.holds == "yes"
    assert 5 < found.measured < 12
    assert found.interval[0] > 1

    def quick(plan):
        return learning(3200 * (10 if plan.model["kind"] == "transformer" else 1) + 1600 * plan.seed)

    assert decided("samples", quick).holds == "no"
    assert decided("samples", lambda plan: learning(16_000 + 1600 * plan.seed)).holds == "unsure"


def test_runs_that_never_get_there_leave_a_lower_bound_alone():
    found = decided("samples", lambda plan: learning(4800 if plan.model["kind"] == "transformer" else None))
    assert found.holds == "yes"
    assert found.measured is None
    assert found.interval[0] > 5
    assert found.interval[1] is None
    assert decided("samples", lambda _: learning(None)).holds == "unsure", "no transformer got there"
    assert decided("samples", lambda _: learning(4800), seeds=1).holds == "unsure", "one seed has no interval"


def test_a_rate_is_said_with_its_trials_which_decide_nothing():
    """Where the trials choose another rate than the trainings had, that is said, too."""

    def numbers(plan):
        return trial(plan, 1e-2) if rates.is_trial(plan) else learning(3200 + 1600 * plan.seed)

    plans, found = made_up("samples", numbers)
    whole = CLAIM["samples"].decide(plans, found, "laptop", 3)
    line = next(line for line in whole.kept if line.startswith("learning rate of hard-alibi"))
    assert "(the trials that are there choose 0.01)" in line
    (plot,) = (plot for plot in whole.plots if plot.name == "rates")
    assert {curve.arm: curve.y[curve.x.index(1e-2)] for curve in plot.curves} == dict.fromkeys(
        (arm.name for arm in arms("laptop")), 0.9
    )
    without = {digest: one for digest, one in found.items() if not rates.is_trial(one.plan)}
    bare = CLAIM["samples"].decide(plans, without, "laptop", 3)
    assert (bare.measured, bare.interval, bare.notes) == (whole.measured, whole.interval, whole.notes)


def test_a_rate_that_is_told_is_the_one_that_the_trainings_had():
    def of_rope(found):
        (line,) = (line for line in CLAIM["samples"].judge(found, "laptop").kept if "of rope" in line)
        return line.removeprefix("learning rate of rope: ")

    _, found = made_up("samples", lambda plan: trial(plan, 2e-3) if rates.is_trial(plan) else learning(4800))
    assert of_rope([*found.values()]) == f"{AVERAGED['rope']:g} (the trials that are there choose 0.002)"
    moved = [
        replace(one, plan=replace(one.plan, training=replace(one.plan.training, learning_rate=2e-3)))
        if one.plan.arm == "rope" and not rates.is_trial(one.plan)
        else one
        for one in found.values()
    ]
    assert of_rope(moved) == "0.002"


def test_a_run_with_the_seed_of_trials_under_another_name_is_none():
    trials = [plan for plan in CLAIM["length"].plans("laptop", (0,)) if rates.is_trial(plan)]
    assert {plan.name.partition("/")[0] for plan in trials} == {"rates"} and {plan.seed for plan in trials} == {100}
    alike = CLAIM["length"].plans("laptop", (100,))
    assert [plan for plan in alike if rates.is_trial(plan)] == trials
    assert {"rates", "averaged"} == {*rates.NAMES}


@pytest.mark.parametrize(
    ("asked", "name", "chosen"), [(("length",), "rates", CHOSEN), (("samples", "objections"), "averaged", AVERAGED)]
)
def test_every_kind_of_model_is_tried_at_the_same_rates(asked, name, chosen):
    """The critics' models and the transformers, too; and all else of a kind has the one rate that was chosen."""
    tried, has = {}, {}
    for plan in (plan for claim in asked for plan in CLAIM[claim].plans("laptop", (0, 1))):
        (tried if rates.is_trial(plan) else has).setdefault(plan.arm, set()).add(plan.rate)
    assert all(plan.name.startswith(name) for plan in CLAIM[asked[0]].plans("laptop", (0,)) if rates.is_trial(plan))
    assert set(map(frozenset, tried.values())) == {frozenset(RATES["laptop"])} and set(tried) == set(chosen)
    assert has == {arm: {chosen[arm]} for arm in has}


def lengths(plan, within, beyond):
    if rates.is_trial(plan):
        return trial(plan, plan.rate)
    measured = plan.measures[0]
    longest = plan.training.lengths[1]
    right = [round((within if length <= longest else beyond) * measured.strings) for length in measured.lengths]
    return {
        "accuracy": {
            "lengths": list(measured.lengths),
            "strings": measured.strings,
            "right": right,
            "letters": [count / measured.strings for count in right],
        },
        "state": {"bits": [1e6]},
    }


@pytest.mark.parametrize(
    ("claim", "better", "worse"),
    [("length", "hard-alibi", "mamba"), ("suffix", "rope", "lstm"), ("prefix", "mamba", "alibi")],
)
def test_beyond_training_the_difference_decides(claim, better, worse):
    def as_said(plan):
        return lengths(plan, 1.0, {better: 0.9, worse: 0.2}.get(plan.arm, 0.1) + 0.02 * plan.seed)

    found = decided(claim, as_said)
    assert found.holds == "yes"
    assert found.measured == pytest.approx(0.7, abs=0.02)

    def the_other_way(plan):
        recurrent = plan.model["kind"] != "transformer"
        high = recurrent if better != "mamba" else not recurrent
        return lengths(plan, 1.0, 0.8 if high else 0.3)

    assert decided(claim, the_other_way).holds == "no"
    assert decided(claim, lambda plan: lengths(plan, 0.5, 0.1)).holds == "unsure", "nothing learned the task"


def test_repeats_hold_where_the_step_is_the_detectors_n():
    def with_heads(n):
        def numbers(_):
            right = [200] * 4 + [10] * 4
            return {
                "repeats": {"k": list(range(8)), "strings": 200, "right": right, "at_repeat": [1.0] * 8, "n": 4},
                "heads": {"n": n, "lookup": ["L1H5"]},
            }

        return numbers

    assert decided("repeats", with_heads(4), seeds=6).holds == "yes"
    assert decided("repeats", with_heads(4), seeds=5).holds == "unsure", "five that agree leave room for one half"
    assert decided("repeats", with_heads(5), seeds=6).holds == "no"
    assert decided("repeats", with_heads(None), seeds=6).holds == "unsure"


def test_a_copier_that_fails_without_a_recurring_ngram_refutes():
    def numbers(without):
        def of(plan):
            lengths = list(plan.measures[0].lengths)
            n, alphabet = (int(plan.model["spec"].split(f"{name}=")[1].split("&")[0]) for name in ("n", "alphabet"))
            wrong, recurring = [without] * len(lengths), [5] * len(lengths)
            counts = {"wrong": wrong, "recurring": recurring, "wrong_without": wrong}
            return {"against_repeats": {"lengths": lengths, "strings": 500, "alphabet": alphabet, "n": n, **counts}}

        return of

    assert decided("copier", numbers(0)).holds == "yes"
    assert decided("copier", numbers(1)).holds == "no"


def test_a_register_that_copies_one_string_too_many_refutes():
    def exact(more):
        def of(plan):
            if not plan.planted:
                return lengths(plan, 1.0, 0.0)
            k = int(plan.model["spec"].split("k=")[1].split("&")[0])
            alphabet, asked = int(plan.model["spec"].split("alphabet=")[1]), plan.measures[0].lengths
            right = [alphabet ** min(k, length) + more for length in asked]
            return {"every_string": {"lengths": list(asked), "alphabet": alphabet, "right": right}}

        return of

    assert decided("registers", exact(0)).holds == "yes"
    assert decided("registers", exact(1)).holds == "no"


@pytest.mark.parametrize(("power", "holds"), [(0.0, "yes"), (-0.8, "no"), (0.5, "unsure")])
def test_capacity_is_told_from_training_by_how_rho_goes_with_the_state(power, holds):
    def numbers(plan):
        bits = 32.0 * 48 * 2 * 2 * plan.model["d_state"]
        length = 4.0 * (plan.model["d_state"]) ** (1 + power) * (1 + 0.01 * plan.seed)
        asked = list(range(1, 201))
        right = [200 if at <= length else 0 for at in asked]
        accuracy = {"lengths": asked, "strings": 200, "right": right, "letters": [1.0] * 200}
        return {"accuracy": accuracy, "state": {"bits": [bits]}}

    assert decided("capacity", numbers).holds == holds


def test_a_size_with_a_training_beyond_the_measured_lengths_is_left_out_whole():
    """Two of three trainings of the largest state copy everything that is asked: the third is no fair sample."""

    def numbers(plan):
        state = plan.model["d_state"]
        length = 2.0 * state if state < 8 else 3.0 if plan.seed == 0 else 99.0
        asked = list(range(1, 21))
        right = [200 if at <= length else 0 for at in asked]
        accuracy = {"lengths": asked, "strings": 200, "right": right, "letters": [1.0] * 20}
        return {"accuracy": accuracy, "state": {"bits": [1000.0 * state]}}

    found = decided("capacity", numbers)
    assert found.measured == pytest.approx(-0.1, abs=0.15) and "Over 9 trainings" in found.says


def test_objections_hold_the_critics_fastest_model_at_its_best_rate_against_the_transformers():
    def numbers(plan):
        if rates.is_trial(plan):
            return trial(plan, 2e-2 if "authors" in plan.arm else 2e-3)
        if plan.model["kind"] == "transformer":
            return learning(4800 + 1600 * plan.seed)
        return learning(48_000 + 1600 * plan.seed if plan.arm == "mamba, mimetic weights" else None)

    found = decided("objections", numbers)
    assert found.holds == "yes"
    assert "mimetic" in found.quantity
    assert f"learning rate of mamba, mimetic weights: {AVERAGED['mamba, mimetic weights']:g}" in "".join(found.kept)
    assert any("authors" in line and "choose 0.02" in line for line in found.kept)


def test_where_the_median_never_gets_there_a_model_of_which_some_did_stands_for_the_critics():
    def numbers(plan):
        if rates.is_trial(plan):
            return trial(plan, 2e-3)
        if plan.model["kind"] == "transformer":
            return learning(4800 + 1600 * plan.seed)
        return learning(48_000 if plan.arm == "mamba, narrow, deep" and plan.seed == 1 else None)

    found = decided("objections", numbers)
    assert "mamba, narrow, deep" in found.quantity and found.measured is not None


def test_a_best_rate_at_the_edge_of_those_tried_does_not_settle_the_objections():
    def numbers(plan):
        if rates.is_trial(plan):
            return trial(plan, 2e-2)
        return learning(4800 + 1600 * plan.seed if plan.model["kind"] == "transformer" else 48_000 + 1600 * plan.seed)

    found = decided("objections", numbers)
    assert found.holds == "unsure" and "at the edge of those tried" in found.says

    def never(plan):
        return (
            learning(4800)
            if plan.model["kind"] == "transformer"
            else numbers(plan)
            if rates.is_trial(plan)
            else learning(None)
        )

    assert decided("objections", never).holds == "yes", "none gets there at any rate"


def test_the_convolved_attention_stands_beside_the_objections_and_decides_nothing():
    def numbers(plan):
        return learning(1600 if "convolved" in plan.arm else 48_000 if plan.model["kind"] != "transformer" else 4800)

    found = decided("objections", numbers)
    assert found.quantity.startswith("examples of mamba") and any("convolved" in note for note in found.notes)


def test_the_critics_are_held_to_hard_alibi_beyond_training_too():
    def numbers(plan):
        beyond = {"hard-alibi": 0.9, "mamba, state passing": 0.5, "attention, convolved, one layer": 1.0}
        return lengths(plan, 1.0, beyond.get(plan.arm, 0.1) + 0.02 * plan.seed)

    found = decided("stretched", numbers)
    assert found.holds == "yes" and found.measured == pytest.approx(0.4, abs=0.02)
    assert any(note.startswith("state passing copies 0.5") and ": +0." in note for note in found.notes)
    assert {curve.arm for curve in found.plots[0].curves} >= {"attention, convolved, one layer", "hard-alibi"}


def test_a_model_of_the_critics_that_did_not_learn_is_not_refuted():
    def numbers(plan):
        taught = 0.5 if plan.arm == "mamba, state passing" else 1.0
        return lengths(plan, taught, 0.9 if plan.arm == "hard-alibi" else 0.1)

    found = decided("stretched", numbers)
    assert found.holds == "unsure" and found.interval[0] > 0
    assert found.says.endswith("so that they are not tested: mamba, state passing.")

    def ahead(plan):
        return lengths(plan, 0.5 if plan.arm == "mamba, state passing" else 1.0, 0.9 if "wide" in plan.arm else 0.1)

    assert decided("stretched", ahead).holds == "no", "one that copies on decides against the paper"


def test_trainings_that_are_all_alike_are_not_exact():
    found = decided("length", lambda plan: lengths(plan, 1.0, 1.0 if plan.arm == "hard-alibi" else 0.0))
    assert found.holds == "yes" and found.measured == 1.0
    assert 0.9 < found.interval[0] < 0.999 and found.interval[1] > 1.0


def test_nothing_is_decided_before_each_kind_that_is_compared_has_two_runs():
    """The best recurrent model could be the one that has not run; kinds that only stand beside them could not."""
    plans, found = made_up("length", lambda plan: lengths(plan, 1.0, 0.9 if plan.arm == "hard-alibi" else 0.1))

    def without(*arms):
        return CLAIM["length"].decide(
            plans, {d: one for d, one in found.items() if one.plan.arm not in arms}, "laptop", 3
        )

    assert without("rope", "nope", "alibi").holds == "yes"
    early = without("lstm")
    assert early.holds == "unsure" and early.means == "" and early.measured == without().measured
    assert early.notes[0] == "not decided yet: fewer than two runs have ended of lstm"


def test_an_interval_decides_as_a_whole():
    assert [above(ends, 1.0) for ends in [(1.1, None), (0.2, 0.9), (0.9, 1.1), None]] == [
        "yes",
        "no",
        "unsure",
        "unsure",
    ]


def test_the_papers_models_have_the_parameters_of_the_released_code():
    plans = {arm.name: arm for arm in arms("paper")}
    for name, parameters in PARAMETERS.items():
        found = largest([CLAIM["length"].plans("paper", (0,))[[*plans].index(name) * 3]])
        bias = UNEMBEDDING_BIAS if plans[name].model["kind"] == "transformer" else 0
        assert found == parameters + bias, name


def test_what_does_not_exist_is_refused():
    with pytest.raises(UserError, match="no claim is called 'sample'; the nearest known: samples"):
        claims(["sample"])
    with pytest.raises(UserError, match="no size is called 'laptp'; the nearest known: laptop"):
        plans_of(claims(), "laptp")
    with pytest.raises(UserError, match="--seeds must be an integer from 1 on; got 0"):
        plans_of(claims(), "tiny", 0)
    with pytest.raises(UserError, match="--explain must name a run; got 'nothing'"):
        find_run(CLAIM["copier"].plans("tiny", (0,)), "nothing")


def test_a_further_family_joins_the_claims_that_compare_families():
    without, joined = (plans_of(claims(), "laptop", 3, families) for families in [(), ("gla", "mamba", "mamba3")])
    more = {name: {p.arm for p in joined[name]} - {p.arm for p in without[name]} for name in joined}
    assert {name for name, arms in more.items() if arms} == {"samples", "length", "suffix", "prefix"}
    assert all(arms == {"gla", "mamba3"} for arms in more.values() if arms), "the paper's own are there already"
    of_gla = [plan for plan in joined["length"] if plan.arm == "gla"]
    assert len(of_gla) == 3 * 3 and len({plan.rate for plan in of_gla}) == 3
    assert abs(largest(of_gla) / largest([p for p in joined["length"] if p.arm == "mamba"]) - 1) < 0.1


def test_a_further_family_at_its_best_rate_can_be_the_recurrent_model_to_beat():
    plans = plans_of([CLAIM["samples"]], "laptop", 3, ["gla"])["samples"]

    def examples(plan):
        if plan.arm == "gla":
            return learning(1600 if plan.rate == 0.003 else None)
        return learning(3200 + 1600 * plan.seed if plan.model["kind"] == "transformer" else 32_000)

    found = {plan.digest: Found(plan.digest, plan, {"model": {"parameters": 1}, **examples(plan)}) for plan in plans}
    result = CLAIM["samples"].decide(plans, found, "laptop", 3)
    assert result.quantity.startswith("examples of gla over")
    assert result.holds == "no" and result.interval[1] < 1
    needed = next(plot for plot in result.plots if plot.name == "needed")
    curve = next(curve for curve in needed.curves if curve.arm == "gla")
    assert curve.y[-1] == 1600 and curve.runs[-1] == 3, "the trainings at other rates are not mixed in"
    assert "gla: rate 0.003 of 0.001, 0.003, 0.01" in result.kept, "it has had no trials"


def test_families_that_do_not_exist_or_that_no_claim_compares_are_refused():
    with pytest.raises(UserError, match="no recurrent family is called 'glaa'; the nearest known: gla"):
        plans_of(claims(["length"]), "tiny", 1, ["glaa"])
    with pytest.raises(UserError, match="--families must go with a claim that compares families; got copier"):
        plans_of(claims(["copier"]), "tiny", 1, ["gla"])


@pytest.fixture(scope="module")
def tiny(tmp_path_factory):
    """Every claim, run through."""
    place = tmp_path_factory.mktemp("tiny")
    patch = pytest.MonkeyPatch()
    patch.setenv("INTERP_HOME", str(place / "home"))
    plans = plans_of(claims(), "tiny", 1)
    every = [plan for each in plans.values() for plan in each]
    record = Record(place / "found")
    found = carry_out_all(every, Serial(), Work(str(record.folder)), record)
    patch.undo()
    return plans, found, record, decide_all(claims(), plans, found, "tiny", 1)


def test_every_claim_runs_through_at_the_tiny_size(tiny, tmp_path):
    plans, found, record, result = tiny
    assert [claim.id for claim in result.claims] == list(CLAIMS)
    assert all(one.failed is None for one in found.values())
    holds = {claim.id: claim.holds for claim in result.claims}
    assert holds["copier"] == holds["registers"] == "yes", "what was built by hand does what it was built for"
    assert holds["samples"] == "unsure", "what is hardly trained cannot tell"
    assert agenda([plan for each in plans.values() for plan in each], record).left == ()
    assert all(path.stat().st_size < 10_000 for path in record.folder.iterdir()), "a few kilobytes a run"

    page = write_paper_report(result, tmp_path).read_text()
    assert all(claim.title in page for claim in result.claims)
    document = json.loads((tmp_path / "results.json").read_text())
    wanted = {"id", "statement", "size", "seeds", "measured", "interval", "holds", "rule", "runs"}
    assert all(wanted <= set(claim) for claim in document["claims"])
    assert markdown(Claims.load(tmp_path)) == (tmp_path / "paper.md").read_text()


def test_the_page_of_the_site_says_how_much_is_there_and_what_is_contradicted(tiny, tmp_path):
    plans, found, _, result = tiny
    (tmp_path / "index.md").write_text("# The site")
    page = write_site(result, found.values(), tmp_path).read_text()
    assert "Not all runs" not in page and "contradict" in page
    again = Record(tmp_path / "paper" / "found")
    assert decide_all(claims(), plans, {one.digest: one for one in again}, "tiny", 1).claims == result.claims
    assert Claims.load(tmp_path / "paper").claims == result.claims
    for claim in result.claims:
        for plot in claim.plots:
            assert f'src="_static/paper/figures/{claim.id}-{plot.name}.html"' in page
    some = dict(list(found.items())[:5])
    partial = markdown(decide_all(claims(), plans, some, "tiny", 1))
    assert "**Not all runs are there yet: 5 of " in partial or "there yet: " in partial
    assert "so far, from " in partial
    with pytest.raises(UserError, match="--site must be the folder of the site's pages"):
        write_site(result, (), tmp_path / "paper")


def test_a_contradiction_is_said_before_anything_else():
    def quick(plan):
        return learning(3200 * (10 if plan.model["kind"] == "transformer" else 1) + 1600 * plan.seed)

    plans, found = made_up("samples", quick)
    page = markdown(decide_all(claims(["samples"]), {"samples": plans}, found, "laptop", 3))
    told = page.split("## What is contradicted")[1].split("##")[0]
    assert "[Samples to learn](#samples-to-learn). This contradicts the paper" in told


def test_a_run_that_is_not_done_or_failed_decides_nothing_and_is_told(tiny):
    plans, found, _, _ = tiny
    some = dict(list(found.items())[:1])
    result = decide_all(claims(["copier"]), plans, some, "tiny", 1)
    assert result.claims[0].holds == "unsure"
    first = plans["copier"][0]
    failed = {**found, first.digest: replace(found[first.digest], failed="the loss is not finite", values={})}
    (claim,) = decide_all(claims(["copier"]), plans, failed, "tiny", 1).claims
    assert claim.failed == (f"{first.name} ({first.digest}): the loss is not finite",)
    assert claim.holds == "yes"
