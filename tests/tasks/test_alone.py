"""`interp.tasks` can be taken for itself: with numpy and torch, and two small packages that write its annotations."""

import subprocess
import sys

OURS = {"interp", "jaxtyping", "lazy_loader"}
PROGRAM = """
import sys
import numpy, torch

before = {name.partition(".")[0] for name in sys.modules}
import interp.tasks as tasks
from interp.tasks.registry import KINDS

drawn = 0
for kind, cls in sorted(KINDS.items()):
    if "." in cls.__module__.removeprefix("interp.tasks."):
        continue  # texts need a tokenizer
    task = cls()
    batch = task.sample(2, 12, 0)
    assert tasks.score(batch.targets, batch).string_correct.all(), kind
    assert not tasks.score(torch.zeros_like(batch.targets) - 1, batch).string_correct.any(), kind
    drawn += 1
probe = tasks.planted_repeats(tasks.CopyTask(), torch.tensor([3]), 20, 0, exclusive=True, context=3, place=0)
assert probe.batch.tokens.shape[0] == 1
assert 0 < tasks.ideal_ngram_accuracy(tasks.CopyTask(), 1, (60,), 0, samples=8).letter[0] < 1
new = {name.partition(".")[0] for name in sys.modules} - before - set(sys.stdlib_module_names)
print(drawn, *sorted(name for name in new if not name.startswith("_")))
"""


def test_tasks_draw_and_score_with_numpy_and_torch_and_nothing_heavier():
    done = subprocess.run([sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    drawn, *imported = done.stdout.split()
    assert int(drawn) > 8
    assert set(imported) == OURS
