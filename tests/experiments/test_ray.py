"""A local cluster of Ray with two workers, one of which is killed: the same numbers, and nothing twice."""

import os
import signal
from pathlib import Path

import pytest

from interp.base.errors import UserError
from interp.experiments.engine import agenda, carry_out_all
from interp.experiments.executor import Serial
from interp.experiments.executor.on_ray import OnRay
from interp.experiments.grid import Arm, Grid
from interp.experiments.kept import Found, Record
from interp.experiments.plan import Measurement, RunPlan
from interp.experiments.work import Work
from interp.training.recipe import TrainConfig

pytest.importorskip("ray")
ARM = Arm("rope", {"kind": "transformer", "position": "rope", "n_heads": 2, "d_model": 16, "d_vocab": 7}, (0.01, 0.003))
RECIPE = TrainConfig(
    steps=12, batch=4, length=(1, 4), evaluate_lengths=(4,), evaluate_strings=8, evaluate_every=4, checkpoint_every=4
)
PLANS = Grid("ray", (ARM,), "copy?alphabet=3", RECIPE, (0, 1, 2), (Measurement("accuracy", lengths=(5,)),)).plans()


class Noted:
    """Carries out as `Work` does, and notes each training that ends; the first worker on one plan is killed midway."""

    def __init__(self, work: Work, victim: str, folder: Path) -> None:
        self.work, self.victim, self.folder = work, victim, folder

    def __call__(self, plan: RunPlan) -> Found:
        from interp.training import loop

        digest, mark = plan.digest, self.folder / "killed"
        os.environ["INTERP_HOME"] = str(self.folder / "home")
        taken = loop.take_step

        def dies(*arguments):
            step = arguments[4]
            if digest == self.victim and step == 6 and not mark.exists():
                mark.write_text(str(os.getpid()))
                os.kill(os.getpid(), signal.SIGKILL)
            with (self.folder / f"steps-{digest}").open("a") as steps:
                steps.write(f"{step}\n")
            return taken(*arguments)

        loop.take_step = dies
        try:
            return self.work(plan)
        finally:
            loop.take_step = taken


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_a_worker_that_is_killed_midway_changes_no_bit_and_nothing_is_done_twice(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "serial"))
    serial = carry_out_all(PLANS, Serial(), Work(str(tmp_path / "a")), Record(tmp_path / "a"))

    record, victim = Record(tmp_path / "b"), PLANS[1].digest
    do = Noted(Work(str(record.folder)), victim, tmp_path)
    events: list[object] = []
    on_ray = carry_out_all(PLANS, OnRay(workers=2), do, record, events.append)
    assert (tmp_path / "killed").read_text() != str(os.getpid())
    assert {digest: found.values for digest, found in on_ray.items()} == {d: f.values for d, f in serial.items()}
    assert all(found.failed is None for found in on_ray.values())
    assert len(record) == len(PLANS)
    for plan in PLANS:
        steps = list(map(int, (tmp_path / f"steps-{plan.digest}").read_text().split()))
        again = [4, 5] if plan.digest == victim else []
        assert sorted(steps) == sorted([*range(12), *again]), "only what lay behind the last checkpoint, and once"
    assert agenda(PLANS, record).left == ()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("address", ["127.0.0.1:1", f"127.0.0.1:{10**30}"])
def test_an_address_where_nothing_answers_is_refused_at_once(address):
    with pytest.raises(UserError, match=f"--ray-address must be a cluster that answers; got {address} "):
        list(OnRay(address=address).run(PLANS[:1], Work()))
