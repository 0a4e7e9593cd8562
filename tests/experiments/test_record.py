"""The record, end to end in a tiny size; counts, predictions and the verdict on trainings that are made up."""

from dataclasses import replace

import pytest
import torch

from interp.base.errors import InterpError, UserError
from interp.base.interval import Interval
from interp.cli.record import Options
from interp.experiments.record.figures import predicted_curves
from interp.experiments.record.report import tables, training_rows, write_record_report
from interp.experiments.record.result import RecordResult, Training
from interp.experiments.record.run import record_study
from interp.experiments.record.run.arms import ARMS
from interp.experiments.record.run.lookups import Lookups, key_letters, letters_matched, lookup_heads
from interp.experiments.record.settings import RecordSettings
from interp.experiments.record.verdict import record_verdict
from interp.models import build
from interp.models.planted import planted_copier
from interp.models.planted.reverser import planted_reverser
from interp.results.margins import Limit
from interp.studies.study import UNDECIDED
from interp.tasks.copy import CopyTask
from interp.tasks.reverse import ReverseCopy
from interp.training.evaluate import accuracy_by_length
from interp.training.loop import train
from interp.training.recipe import TrainConfig
from interp.training.run_folder import load_run


@pytest.fixture(scope="module")
def found(tmp_path_factory) -> RecordResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("INTERP_HOME", str(tmp_path_factory.mktemp("home")))
        return record_study(RecordSettings.tiny(), progress=False)


def test_every_arm_is_trained_predicted_and_measured(found, tmp_path):
    assert [training.arm for training in found.trainings] == ["long32", "softmax-nape", "forget", "path", "one-layer"]
    windowed, other, *_, convolved = found.trainings
    assert convolved.predicted is not None and convolved.predicted.n == 8
    assert windowed.lookups == ("L1H0",) and windowed.predicted is not None
    assert other.predicted is None  # nothing bounds what its keys may hold
    assert windowed.right == (0, 0) and windowed.strings == (4, 2)  # after four steps
    page = write_record_report(found, tmp_path)
    assert RecordResult.load(tmp_path).trainings == found.trainings
    text = page.read_text(encoding="utf-8")
    assert "0 of 4" in text and "ALiBi in half of the heads" in text
    assert "long32 was trained on 256 strings of 1 to 16 letters of 32" in text  # four steps, of the first phase
    assert "256 strings of 1 to 16 letters of 32" in found.arms["long32"]
    assert "256 strings of 1 to 16 letters of 26" in found.arms["forget"]
    assert (tmp_path / "trainings.csv").is_file() and tables(found)[0].rows[0][0] == "long32, seed 0"
    assert [row["length"] for row in training_rows(found)] == [16, 48] * 5


APART = ("long", "backwards", "published")
"""Arms that are not compared with the others, without what follows 32 in their names."""


def test_arms_have_about_as_many_weights_and_equal_strings():
    recipes = {name: arm() for name, (_, arm) in ARMS.items() if name.partition("32")[0] not in APART}
    sizes = {name: build(model).n_parameters for name, (model, _, _) in recipes.items()}
    assert max(sizes.values()) <= 200_000 and min(sizes.values()) > 0.98 * max(sizes.values())
    assert len({recipe.steps * recipe.batch for *_, recipe in recipes.values()}) == 1
    assert all(recipe.lengths[1] <= 64 for *_, recipe in recipes.values())


def test_letters_that_a_key_can_hold_follow_from_the_windows():
    model, task = build(ARMS["long32"][1]()[0]), ARMS["long32"][1]()[1]
    assert key_letters(model) == 8 and lookup_heads(model, task, 0) == ("L1H0",)
    assert key_letters(build(ARMS["rope"][1]()[0])) is None
    assert key_letters(build(ARMS["one-layer"][1]()[0])) == 8
    assert 2.0e6 < build(ARMS["published"][1]()[0]).n_parameters < 2.2e6


@pytest.mark.parametrize("n", [2, 4])
def test_where_no_window_says_it_the_lookup_head_and_its_n_are_measured(n):
    model, planting = planted_copier(n, 12, random_heads=2)
    assert key_letters(model) is None, "a head of the first layer sees everything"
    assert letters_matched(model, CopyTask(12), 0) == n
    assert lookup_heads(model, CopyTask(12), 0) == tuple(head.name for head in planting.with_role("lookup"))


def test_of_a_model_that_writes_backwards_the_head_that_matches_most_is_asked():
    model, planting = planted_reverser(4, 26, across=True)
    assert Lookups.of(model, ReverseCopy(), 0) == Lookups((planting.lookup,), 4, 4)
    untrained = build(ARMS["backwards32"][1]()[0], seed=0)
    assert Lookups.of(untrained, ReverseCopy(alphabet=32), 0) == Lookups(())


@pytest.mark.slow  # half a minute; `test_palindrome_cost` asks the same of its parts
def test_of_a_model_that_writes_backwards_the_cost_of_palindromes_is_predicted_too(monkeypatch, tmp_path):
    model, planting = planted_reverser(3, 26, across=True)
    hardly = TrainConfig(steps=1, batch=2, length=4, learning_rate=1e-12, evaluate_lengths=(4,), evaluate_strings=2)
    train(model, ReverseCopy(), hardly, tmp_path, progress=False)
    monkeypatch.setattr("interp.experiments.record.run.kept_run", lambda *_, **__: tmp_path)
    monkeypatch.setattr("interp.experiments.record.run.PALINDROMES", (24, 100))
    settings = RecordSettings(
        ("backwards32",), 1, lengths=(8, 24), strings=(100, 100), margin_lengths=(16, 24), margin_strings=20
    )
    (training,) = record_study(settings, progress=False).trainings
    assert training.lookups == (planting.lookup,) and training.predicted is not None and training.predicted.n == 3
    assert training.predicted.palindromes is not None and training.predicted.palindromes[1] < 0.9
    assert training.inside == 2 and training.right[1] < 95  # they stop it before anything else does
    figure = predicted_curves(replace(UNASKED, trainings=(training,)))
    assert "palindromes" in {trace.name for trace in figure.data}


def test_a_copier_that_no_repeat_leads_astray_matches_more_letters_than_are_asked_of(monkeypatch):
    monkeypatch.setattr("interp.experiments.record.run.lookups.LONGEST", 3)
    model, _ = planted_copier(4, 6)
    assert key_letters(model) is None and letters_matched(model, CopyTask(6), 0) == 3
    assert letters_matched(build(ARMS["nope"][1]()[0], seed=0), CopyTask(), 0) is None  # untrained


def test_of_many_errors_the_page_lists_the_first_and_the_table_beside_it_all(found):
    wrong = replace(found.trainings[0], first_errors=((7, 1, 2, 3, 4, 5000, 6), ()))
    made = replace(found, trainings=(wrong,))
    assert [row["first_errors"] for row in training_rows(made, 5)] == ["7, 1, 2, 3, 4 and 2 more", ""]
    assert training_rows(made)[0]["first_errors"] == "7, 1, 2, 3, 4, 5,000 and 6"


def ends(low: float, high: float) -> Interval:
    return Interval(low, high, "Clopper-Pearson")


UNASKED = RecordResult(UNDECIDED, {}, {}, (1, 64), 1, 32, ())


def training(right: int, seed: int = 0) -> Training:
    limit = Limit(
        (64, 4096), 8, (1.0, 1.0), (1.0, 0.9), (1.0, 1.0), (1.0, 1.0), (1.0, 0.9), (ends(0.9, 1.0), ends(0.7, 1.0)), {}
    )
    interval = (ends(0.97, 1.0), ends(right / 100 - 0.05, right / 100))
    return Training("long32", seed, 9, 1.0, (), (64, 4096), (100, 100), (100, right), interval, ((), ()), (), (), limit)


@pytest.mark.parametrize(("right", "answer"), [((99, 100), "yes"), ((99, 40), "partly"), ((3, 4), "no")])
def test_the_verdict_is_of_every_seed(found, right, answer):
    trainings = tuple(training(count, seed) for seed, count in enumerate(right))
    made = replace(found, verdict=UNDECIDED, trained=(1, 64), trainings=trainings)
    verdict = record_verdict(made)
    assert verdict.answer == answer
    assert f"{sum(right)} of 200 of 4,096 letters" in str(verdict) and "over 2 trainings" in str(verdict)


def test_a_measured_share_lies_in_the_predicted_interval_or_not():
    assert training(99).inside == 2 and training(40).inside == 1


def test_windows_longer_than_a_string_see_all_of_it():
    config, task, _ = ARMS["long32"][1]()
    wide, wider = (build(config | {"windows": ((w,) * 8, (None,))}, seed=0) for w in (20, 10**6))
    tokens = task.sample(2, 9, 0).tokens
    torch.testing.assert_close(wide(tokens), wider(tokens))


HUGE = {"windows": ((10**20,) * 8, (None,))}


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda model, _: build(model.config_dict() | HUGE), r"windows must be .* at most 2147483647"),
        (lambda model, _: accuracy_by_length(model, CopyTask(40), (4,), 2, 0), "token ids must be from 0 to 35"),
        (lambda *_: CopyTask(10**6), "alphabet must be 2 to 21028 letters; got 1000000"),
        (lambda model, task: accuracy_by_length(model, task, (10**9,), 1, 0), "must fit into memory"),
        (lambda model, task: accuracy_by_length(model, task, (300_000,), 1, 0), "must fit into memory"),
    ],
)
def test_what_no_copier_can_be_asked_is_said_in_a_sentence(ask, message, monkeypatch):
    config, task, _ = ARMS["long32"][1]()
    monkeypatch.setattr("interp.base.budget.memory", lambda: 2**28)
    with pytest.raises(InterpError, match=message):
        ask(build(config), task)


def test_settings_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="strings must be a number of at least 1 for each of the 2 lengths"):
        RecordSettings(lengths=(4, 5), strings=(3,))
    with pytest.raises(UserError, match="no arm is called 'long'; the nearest known: long32"):
        record_study(RecordSettings(arms=("long",)), progress=False)
    with pytest.raises(UserError, match="no size is called 'desk'"):
        RecordSettings.of_size("desk")
    with pytest.raises(UserError, match="learning_rate must be above 0"):
        record_study(replace(RecordSettings.tiny(), learning_rate=0.0), progress=False)
    assert Options().size == "laptop"


def test_a_rate_that_is_asked_for_is_that_of_every_training_and_is_kept_with_it(monkeypatch, tmp_path):
    monkeypatch.setenv("INTERP_HOME", str(tmp_path))
    asked = replace(RecordSettings.tiny(), arms=("softmax-nape",), learning_rate=1e-3)
    found = record_study(asked, progress=False)
    (folder,) = (path for path in (tmp_path / "record").iterdir() if path.is_dir())
    assert load_run(folder).config.learning_rate == 1e-3 and found.trainings[0].learning_rate == 1e-3
    assert "at a rate of 0.001" in found.arms["softmax-nape"]
