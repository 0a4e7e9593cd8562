"""The engine: a run is done once, whoever does it; a failure is told and stops no other."""

import json
import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from interp.base.errors import UserError
from interp.experiments.engine import agenda, carry_out_all
from interp.experiments.executor import Ended, Processes, Serial, Started
from interp.experiments.grid import Arm, Grid
from interp.experiments.kept import Found, Record
from interp.experiments.plan import Measurement, RunPlan, from_document, plan_text, read_plan
from interp.experiments.work import Work
from interp.training.recipe import TrainConfig

SMALL = {"d_model": 16, "d_vocab": 7}
ARMS = (
    Arm("rope", {"kind": "transformer", "position": "rope", "n_heads": 2, **SMALL}, (0.01,)),
    Arm("mamba", {"kind": "mamba", "d_state": 2, **SMALL}, (0.01, 0.003), recurrent=True),
)
RECIPE = TrainConfig(steps=4, batch=4, length=(1, 4), evaluate_lengths=(2, 4), evaluate_strings=8, evaluate_every=2)
MEASURES = (Measurement("accuracy", lengths=(2, 5), strings=8),)


def grid(**changes) -> Grid:
    return replace(Grid("test", ARMS, "copy?alphabet=3", RECIPE, (0, 1), MEASURES), **changes)


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "home"))
    return tmp_path


def numbers(found: dict[str, Found]) -> dict[str, object]:
    return {digest: one.values for digest, one in found.items()}


def test_a_grid_is_every_arm_at_each_of_its_rates_and_every_seed():
    plans = grid().plans()
    assert [(p.arm, p.rate, p.seed) for p in plans] == [
        *(("rope", 0.01, seed) for seed in (0, 1)),
        *(("mamba", rate, seed) for rate in (0.01, 0.003) for seed in (0, 1)),
    ]
    assert len({plan.digest for plan in plans}) == len(plans)
    with pytest.raises(UserError, match="must have an arm, a rate of each arm and a seed"):
        grid(seeds=())


def test_a_digest_is_of_what_numbers_depend_on_and_of_nothing_else():
    plan = grid().plans()[0]
    assert replace(plan, name="another", arm="other").digest == plan.digest
    written_out = {**plan.model, "d_mlp": 0}
    assert replace(plan, model=written_out).digest == plan.digest, "a default that is written out changes nothing"
    assert replace(plan, model={**plan.model, "d_mlp": 8}).digest != plan.digest
    assert replace(plan, task="copy?alphabet=4").digest != plan.digest
    assert replace(plan, training=replace(RECIPE, steps=5)).digest != plan.digest
    assert replace(plan, measures=()).digest != plan.digest
    assert plan.with_seed(7).digest != plan.digest


def test_a_plan_is_a_document_that_can_be_saved_edited_and_given_back(tmp_path):
    plan = grid().plans()[2]
    path = tmp_path / "plan.json"
    path.write_text(plan_text(plan))
    assert read_plan(path) == plan
    assert read_plan(path).digest == plan.digest
    document = json.loads(plan_text(plan))
    document["training"]["steps"] = 6
    assert from_document(document).training.steps == 6
    with pytest.raises(UserError, match="steps must be an integer; got 'six'"):
        from_document({**document, "training": {**document["training"], "steps": "six"}})
    with pytest.raises(UserError, match="must be a document of schema interp-plan/1; got old"):
        from_document({**document, "schema": "old"})
    with pytest.raises(UserError, match="no field of RunPlan is called 'modle'"):
        from_document({**document, "modle": {}})


def test_what_is_done_is_not_done_again_and_what_has_changed_is(place):
    record, plans = Record(place / "found"), grid().plans()[:2]
    events: list[object] = []
    first = carry_out_all(plans, Serial(), Work(str(record.folder)), record, events.append)
    assert [type(event) for event in events] == [Started, Ended] * 2
    events.clear()
    again = carry_out_all(plans, Serial(), Work(str(record.folder)), record, events.append)
    assert events == []
    assert numbers(again) == numbers(first)
    changed = [replace(plan, training=replace(plan.training, steps=2)) for plan in plans]
    assert len(agenda([*plans, *changed], record).left) == 2
    assert not list((place / "home").rglob("*.safetensors")), "weights go once their run is measured"


def test_two_plans_that_are_one_run_are_run_once(place):
    plan = grid().plans()[0]
    assert len(agenda([plan, replace(plan, name="the same")], Record(place / "found")).left) == 1


def test_processes_find_the_same_bits_as_one_run_after_the_other(place, monkeypatch):
    plans = grid().plans()
    serial = carry_out_all(plans, Serial(), Work(str(place / "a")), Record(place / "a"))
    monkeypatch.setenv("INTERP_HOME", str(place / "other"))
    spread = carry_out_all(plans, Processes(2), Work(str(place / "b")), Record(place / "b"))
    assert numbers(spread) == numbers(serial)
    assert len(Record(place / "b")) == len(plans)


def test_a_training_that_diverges_is_told_with_its_configuration_and_stops_no_other(place):
    plans = list(grid(arms=ARMS[:1]).plans())
    plans[0] = replace(plans[0], training=replace(plans[0].training, learning_rate=1e29, clip=1e29, warmup=0))
    record = Record(place / "found")
    found = carry_out_all(plans, Serial(), Work(str(record.folder)), record)
    failed, well = found[plans[0].digest], found[plans[1].digest]
    assert failed.failed is not None and "must stay finite" in failed.failed
    assert failed.plan.training.learning_rate == 1e29
    assert well.failed is None
    assert agenda(plans, record).left == (), "it would diverge again"


class KillOnce:
    """Carries out as `Work` does; the first process that takes this plan is killed."""

    def __init__(self, work: Work, digest: str, mark: Path, always: bool = False) -> None:
        self.work, self.digest, self.mark, self.always = work, digest, mark, always

    def __call__(self, plan: RunPlan) -> Found:
        if plan.digest == self.digest and (self.always or not self.mark.exists()):
            self.mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return self.work(plan)


@pytest.mark.parametrize("always", [False, True])
def test_a_process_that_is_killed_takes_no_run_with_it(place, always):
    plans, record = grid(arms=ARMS[:1], seeds=(0, 1, 2)).plans(), Record(place / "found")
    do = KillOnce(Work(str(record.folder)), plans[0].digest, place / "killed", always)
    ended = [event.found for event in Processes(2).run(plans, do) if isinstance(event, Ended)]
    assert sorted(found.digest for found in ended) == sorted(plan.digest for plan in plans)
    lost = [found for found in ended if found.failed]
    assert [found.digest for found in lost] == [plans[0].digest] * always, "no other is blamed"
    assert all("died 3 times" in str(found.failed) and not found.lasting for found in lost)


def test_what_is_of_another_version_or_another_plan_is_refused(place):
    record = Record(place / "found")
    plan = grid().plans()[0]
    path = record.add(Found(plan.digest, plan))
    document = json.loads(path.read_text())
    path.write_text(json.dumps({**document, "schema": "interp-found/0"}))
    with pytest.raises(UserError, match=r"must be of schema interp-found/1; got interp-found/0. Run it anew"):
        record.find(plan.digest)
    document["plan"]["training"]["steps"] = 3
    path.write_text(json.dumps(document))
    with pytest.raises(UserError, match="must hold the run that its name says"):
        record.find(plan.digest)


def test_a_run_that_was_cut_short_goes_on(place, monkeypatch):
    from interp.training import loop

    plan = replace(grid().plans()[0], training=replace(RECIPE, steps=6, checkpoint_every=2))
    whole = Work(str(place / "a"))(plan)
    monkeypatch.setenv("INTERP_HOME", str(place / "other"))
    taken, steps = loop.take_step, []

    def stops(*arguments):
        steps.append(arguments[4])
        if len(steps) == 4:
            raise KeyboardInterrupt
        return taken(*arguments)

    monkeypatch.setattr(loop, "take_step", stops)
    with pytest.raises(KeyboardInterrupt):
        Work(str(place / "b"))(plan)
    found = Work(str(place / "b"))(plan)
    assert steps == [0, 1, 2, 3, 2, 3, 4, 5]
    assert found.values == whole.values
