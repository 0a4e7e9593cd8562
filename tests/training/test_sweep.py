import numpy as np

from interp.training.run_folder import load_run
from interp.training.sweep import learning_rates, sweep


def test_a_sweep_trains_the_same_model_once_under_each_recipe_and_goes_on_where_it_stopped(
    task, tiny, recipe, tmp_path
) -> None:
    recipes = learning_rates(recipe, (1e-3, 1e-2))
    logs = sweep(tiny, task, recipes, tmp_path, progress=False)
    assert [log.learning_rate.max() for log in logs] == [1e-3, 1e-2]
    assert logs[0].loss[0] == logs[1].loss[0]  # the same first weights and strings
    assert logs[0].loss[-1] != logs[1].loss[-1]
    kept = [load_run(tmp_path / name) for name in ("000", "001")]
    assert [run.config for run in kept] == recipes

    again = sweep(tiny, task, [*recipes, *learning_rates(recipe, [3e-3])], tmp_path, progress=False)
    assert [np.array_equal(one.loss, other.loss) for one, other in zip(logs, again, strict=False)] == [True, True]
    assert len(again) == 3
