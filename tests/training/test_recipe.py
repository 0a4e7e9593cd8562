import json
import math
from dataclasses import fields, replace
from typing import Any

import pytest
import torch

from interp.base.errors import UserError
from interp.tasks.beginning import PrefixCopy
from interp.tasks.copy import CopyTask
from interp.tasks.reverse import ReverseCopy
from interp.training.data import draw
from interp.training.phase import Phase
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
        {"weight_decay": math.inf},
        {"learning_rate": math.inf},
        {"clip": math.inf},
        {"batch": 2**31},
        {"seed": 2**63},
        {"length": (1, 10**12)},
        {"evaluate_lengths": (30, 10**12)},
        {"context": 0},
        {"checkpoint_every": -3},
        {"clip": 0.0},
        {"betas": (0.9, 1.0)},
        {"warmup": -1},
        {"final_fraction": 1.5},
        {"precision": "fp16"},
        {"length": 0},
        {"length": (30, 5)},
        {"evaluate_lengths": ()},
        {"stop_length": 31},
        {"stop_length": 30, "stop_accuracy": 0.0},
        {"average": 1.0},
        {"hard_letters": 1},
        {"hard_letters": 4, "hard_from": -1},
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


def test_a_shorter_recipe_warms_up_to_its_end_and_has_no_hard_strings() -> None:
    assert TrainConfig(steps=10).warmup == 10
    recipe = TrainConfig(steps=400, warmup=50, hard_letters=4, hard_from=100)
    short = replace(recipe, steps=60)
    assert (short.warmup, short.hard_from) == (50, 60)
    assert (recipe.warmup, recipe.hard_from) == (50, 100)
    assert short.learning_rate_at(59) < short.learning_rate_at(49) == short.learning_rate


def test_where_hard_strings_begin_means_nothing_without_them() -> None:
    assert replace(TrainConfig(hard_letters=4, hard_from=300), hard_letters=None, steps=20).hard_letters is None


def test_a_slip_in_a_name_is_answered_with_the_nearest_field() -> None:
    with pytest.raises(UserError, match="no field of TrainConfig is called 'lr'; the nearest known: learning_rate"):
        TrainConfig(lr=1e-3)
    with pytest.raises(UserError, match="the nearest known: steps"):
        replace(TrainConfig(), step=3)


ODD: list[Any] = ["7", b"7", None, [], {}, object(), 1.5, True, float("nan"), [[1]], ("a", "b"), 3 + 0j, 2**80, -1]


@pytest.mark.parametrize("name", [field.name for field in fields(TrainConfig)])
def test_every_odd_value_is_refused_in_a_sentence_that_names_the_field_or_makes_a_recipe(name: str) -> None:
    refused = 0
    for value in ODD:
        try:
            made = TrainConfig(**{name: value})
        except UserError as error:
            refused += 1
            assert name in str(error) and "\n" not in str(error) and len(str(error)) < 400
        else:
            assert TrainConfig.from_dict(json.loads(json.dumps(made.to_dict()))) == made
    assert refused >= len(ODD) - 3


def test_the_digest_of_a_recipe_is_what_it_was() -> None:
    """The order and the types of the values: kept trainings are found by a digest of this text."""
    assert json.dumps(TrainConfig(length=(5, 30)).to_dict()) == (
        '{"steps": 350, "batch": 64, "length": [5, 30], "learning_rate": 0.004, "warmup": 50, "final_fraction": 0.02, '
        '"betas": [0.9, 0.98], "weight_decay": 0.01, "clip": 1.0, "hard_letters": null, "hard_from": 0, '
        '"context": null, "isolate": false, "precision": "fp32", "compile": false, "evaluate_every": 50, '
        '"evaluate_lengths": [30], "evaluate_strings": 200, "stop_length": null, "stop_accuracy": 1.0, '
        '"checkpoint_every": 100, "seed": 0}'
    )


def test_a_phase_has_lengths_hard_letters_and_rate_of_its_own():
    phases = (Phase(3, (8, 9), (2, 4), rate=0.5), Phase(6, 12))
    config = TrainConfig(steps=9, warmup=1, length=(1, 4), phases=phases, one_length=True, batch=8)
    task = CopyTask(alphabet=20)
    for step, lengths in {0: (1, 4), 3: (8, 9), 5: (8, 9), 6: (12, 12)}.items():
        batch = draw(task, config, step)
        found = set(batch.answer_lengths.tolist())
        assert len(found) == 1 and lengths[0] <= min(found) <= lengths[1]
        different = [len(set(row.tolist())) for row in batch.answer_tokens]
        assert (max(different[::2]) <= 4) is (step in (3, 5) or lengths == (1, 4))
    plain = replace(config, phases=())
    assert config.learning_rate_at(4) == pytest.approx(plain.learning_rate_at(4) / 2)
    assert config.learning_rate_at(7) == plain.learning_rate_at(7)
    assert config.lengths == (1, 12) and replace(config, steps=5).lengths == (1, 9)


def test_hard_strings_are_of_every_size_that_is_asked_for():
    config = TrainConfig(length=200, hard_letters=(2, 5), batch=32)
    different = {len(set(row.tolist())) for row in draw(CopyTask(), config, 0).answer_tokens}
    assert {2, 5} < different and len(different - {2, 5}) == len([n for n in different if n > 20])


def test_a_recipe_without_phases_reads_and_is_named_as_before():
    described = TrainConfig().to_dict()
    assert not {"phases", "one_length"} & set(described)
    phased = TrainConfig(phases=(Phase(50, 40),))
    assert TrainConfig.from_dict(json.loads(json.dumps(phased.to_dict()))) == phased


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"phases": (Phase(9, 5), Phase(9, 6))}, r"phases must be given in order.*got \[9, 9\]"),
        ({"phases": (Phase(9, 5),), "context": 40}, "phases must be left out where strings are packed"),
        ({"phases": [{"begin": 0, "length": 5}]}, "begin of a phase must be a step from 1"),
        ({"phases": [{"begin": 5, "length": 0}]}, "length must be a number of letters"),
        ({"hard_letters": (2, 1)}, "hard_letters must be an integer from 2 to 2147483647, or a list of them"),
        ({"hard_letters": ()}, "or a list of them"),
    ],
)
def test_phases_that_cannot_be_are_refused(fields, message):
    with pytest.raises(UserError, match=message):
        TrainConfig(**fields)


@pytest.mark.parametrize("task", [ReverseCopy(20), PrefixCopy(20)], ids=["reverse", "prefix"])
def test_whatever_asks_about_uniform_letters_has_hard_strings(task):
    batch = draw(task, TrainConfig(length=(5, 12), hard_letters=2, batch=8), 0)
    lengths = batch.tokens.eq(task.vocabulary.separator).int().argmax(dim=1) - 1
    letters = batch.tokens[:, 1 : 1 + int(lengths.max())]
    asked = task.ask(letters % 20, lengths).tokens  # behind its end a string does not matter
    assert torch.equal(batch.tokens[:, : asked.shape[1]], asked)
    different = [len(row[:length].unique()) for row, length in zip(letters, lengths, strict=True)]
    assert max(different[::2]) <= 2 < min(different[1::2])
