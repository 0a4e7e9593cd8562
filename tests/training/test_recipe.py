import json

import pytest

from interp.base.errors import UserError
from interp.training.recipe import TrainConfig


def test_a_recipe_survives_json() -> None:
    config = TrainConfig(length=(5, 30), evaluate_lengths=(10, 30), hard_letters=4, stop_length=30)
    assert TrainConfig.from_dict(json.loads(json.dumps(config.to_dict()))) == config


def test_an_unknown_option_names_its_nearest_neighbour() -> None:
    with pytest.raises(UserError, match="learning_rate"):
        TrainConfig.from_dict({"learning_rte": 1e-3})


def test_the_learning_rate_rises_to_its_peak_and_falls_to_its_last_fraction() -> None:
    config = TrainConfig(steps=100, warmup=10, learning_rate=1.0, final_fraction=0.1)
    rates = [config.learning_rate_at(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.1)
    assert rates[9] == rates[10] == 1.0
    assert rates[55] == pytest.approx(1 - 0.9 * 45 / 89)
    assert rates[99] == pytest.approx(0.1)


@pytest.mark.parametrize(
    "options",
    [
        {"steps": 0},
        {"batch": 0},
        {"seed": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"weight_decay": -0.1},
        {"clip": 0.0},
        {"betas": (0.9, 1.0)},
        {"warmup": 351},
        {"final_fraction": 1.5},
        {"precision": "fp16"},
        {"length": 0},
        {"length": (30, 5)},
        {"evaluate_lengths": ()},
        {"stop_length": 31},
        {"stop_length": 30, "stop_accuracy": 0.0},
        {"hard_letters": 1},
        {"hard_letters": 4, "hard_from": 351},
        {"isolate": True},
        {"context": 100, "hard_letters": 4},
    ],
    ids=str,
)
def test_options_that_do_not_fit_are_refused_in_one_sentence(options: dict) -> None:
    with pytest.raises(UserError) as caught:
        TrainConfig(**options)
    assert str(caught.value).count("\n") == 0
    assert any(name in str(caught.value) for name in options)
