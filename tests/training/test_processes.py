"""Two CPU processes that share each batch learn what one process learns from the whole of it."""

import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.training.data import draw, share
from interp.training.log import read_records
from interp.training.loop import train
from interp.training.recipe import TrainConfig
from interp.training.run_folder import LOG, load_run

SCRIPT = """
import sys, torch
from accelerate import PartialState
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.tasks import CopyTask
from interp.training.recipe import TrainConfig
from interp.training.loop import train

torch.set_num_threads(1)
model = HookedTransformer(TransformerConfig(n_heads=4, d_model=32, d_vocab=10, windows=(2, 3, None, None)), seed=0)
recipe = TrainConfig.from_dict(eval(sys.argv[2]))
if sys.argv[3] == "interrupt":
    import os, signal
    from interp.training import loop
    wait = loop._Training._after_step
    def after_step(self, interruption):
        if self.done == 3 and self.accelerator.process_index == 1:  # one of the two is told; both have to stop
            os.kill(os.getpid(), signal.SIGINT)
        wait(self, interruption)
    loop._Training._after_step = after_step
assert PartialState(cpu=True).num_processes == 2
try:
    train(model, CopyTask(alphabet=6), recipe, sys.argv[1], progress=False, resume=sys.argv[3] == "resume")
except KeyboardInterrupt:
    sys.exit(0)
"""


def launch(script, folder, config: TrainConfig, how: str = "") -> None:
    command = [sys.executable, "-m", "accelerate.commands.launch", "--multi_gpu", "--num_processes", "2"]
    command += ["--num_machines", "1", "--mixed_precision", "no", "--dynamo_backend", "no", "--main_process_port", "0"]
    arguments = [str(script), str(folder), repr(config.to_dict()), how]
    done = subprocess.run([*command, *arguments], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr


def test_shares_are_disjoint_and_make_up_the_batch(task, recipe) -> None:
    batch = draw(task, recipe, 5)
    shares = [share(batch, process, 3) for process in range(3)]
    rows = sorted(tuple(row) for s in shares for row in s.batch.tokens.tolist())
    assert rows == sorted(tuple(row) for row in batch.tokens.tolist())
    assert all(s.trained == batch.loss_mask.sum() for s in shares)


def test_two_processes_learn_what_one_learns_and_stop_together(task, tiny, recipe, tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    launch(script, tmp_path / "two", recipe)
    both = load_run(tmp_path / "two")
    model = tiny()
    log = train(model, task, recipe, tmp_path / "one", progress=False)
    norms = [[r["gradient"] for r in read_records(tmp_path / name / LOG) if "loss" in r] for name in ("one", "two")]
    np.testing.assert_allclose(*norms, rtol=1e-3)  # Adam would forgive a wrong scale; the norm does not
    # The sum over two processes is rounded in another order, which Adam carries through the steps. A bias on the keys
    # moves all scores of a query alike: its gradient is rounding alone, and Adam makes steps of it.
    np.testing.assert_allclose(both.log.loss, log.loss, rtol=1e-4)
    for name, value in model.state_dict().items():
        if not name.endswith("b_QKV"):
            np.testing.assert_allclose(both.model.state_dict()[name], value, atol=2e-3, err_msg=name)
    assert both.stamp.finished
    assert both.stamp.examples == recipe.steps * recipe.batch


@pytest.mark.slow
def test_ctrl_c_in_one_of_two_processes_ends_both_and_they_resume(task, tiny, recipe, tmp_path) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    config = replace(recipe, steps=30, checkpoint_every=30)
    launch(script, tmp_path / "cut", config, "interrupt")
    assert load_run(tmp_path / "cut").stamp.step == 10
    launch(script, tmp_path / "cut", config, "resume")
    log = train(tiny(), task, config, progress=False)
    np.testing.assert_allclose(load_run(tmp_path / "cut").log.loss, log.loss, rtol=1e-3)


def test_a_batch_smaller_than_the_number_of_processes_is_refused(task, tiny, recipe, monkeypatch) -> None:
    from accelerate import Accelerator

    monkeypatch.setattr(Accelerator, "num_processes", 16)
    with pytest.raises(UserError, match="at least 16, a string for each process"):
        train(tiny(), task, recipe, progress=False)
