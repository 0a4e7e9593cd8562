"""What a training left behind: its marks, its verdict, its heads along the way, and its page."""

import json
from dataclasses import replace

import numpy as np
import pytest

from interp.base.errors import UserError
from interp.loading import load
from interp.measure.heads.settings import HeadSettings
from interp.models.transformer import HookedTransformer, TransformerConfig
from interp.results.accuracy import LengthAccuracy
from interp.results.curves import LearningCurves
from interp.results.training import Mark, TrainLog
from interp.studies.learning.report import (
    formation_rows,
    tables,
    write_learning_comparison,
    write_learning_report,
)
from interp.studies.learning.result import LearningStudy
from interp.studies.learning.run import learning_study
from interp.studies.learning.settings import LearningSettings
from interp.studies.learning.verdict import learning_verdict
from interp.tasks.copy import CopyTask
from interp.training.curves import learning_curves
from interp.training.log import train_log
from interp.training.loop import train
from interp.training.phase import Phase
from interp.training.recipe import TrainConfig

SMALL = LearningSettings(lengths=(4, 16), strings=4, heads=HeadSettings(longest=2, strings=4, untrained=2))


def log(*shares: float) -> TrainLog:
    n = len(shares)
    steps, at = np.arange(1, n + 1), 100 * np.arange(1, n + 1)
    accuracy = np.array(shares)[:, None]
    return TrainLog(at, np.ones(n), np.ones(n), at, (5,), accuracy, accuracy) if len(steps) else None


def accuracy(right: int, n: int = 100) -> LengthAccuracy:
    correct = (np.arange(n) < right)[None]
    return LengthAccuracy((5,), (5, 5), correct, correct.astype(float), np.where(correct, -1, 0))


def test_marks_say_what_begins_at_steps_that_were_reached():
    records = [{"step": s, "examples": 8 * s, "loss": 1.0, "learning_rate": 0.1} for s in range(1, 11)]
    hard = TrainConfig(steps=10, batch=8, hard_letters=4, hard_from=6)
    assert train_log(records, hard).marks == (Mark(6, 48, "half of the strings over 4 letters"),)
    phases = (Phase(3, length=(8, 64), hard_letters=(2, 3)), Phase(9, length=5, rate=0.5), Phase(11, length=9))
    assert train_log(records, TrainConfig(steps=12, batch=8, phases=phases)).marks == (
        Mark(3, 24, "strings of 8 to 64 letters, half of them over 2 or 3 letters"),
        Mark(9, 72, "strings of 5 letters, 0.5 times the learning rate"),
    )
    assert train_log(records, TrainConfig(steps=10)).marks == ()


def test_examples_to_a_share_lie_between_two_evaluations_or_after_the_last():
    assert log(0.1, 0.6, 0.4, 0.9).examples_to(0.5) == (100.0, 200.0)
    assert log(0.6).examples_to(0.5) == (0.0, 100.0)
    assert log(0.1, 0.2).examples_to(0.5) == (200.0, float("inf"))


@pytest.mark.parametrize(("right", "answer"), [(99, "yes"), (50, "partly"), (3, "no")])
def test_the_answer_is_the_interval_of_the_share_of_right_strings(right, answer):
    verdict = learning_verdict(log(0.1, 0.7), accuracy(right), (), 0.5)
    assert verdict.answer == answer
    assert verdict.evidence("examples_to_share").value == 200
    assert "right after 200, not yet after 100" in str(verdict)
    never = learning_verdict(log(0.1, 0.2), accuracy(right), (), 0.5)
    assert never.evidence("examples_to_share").value is None and "No evaluation up to 200 strings" in str(never)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A run that kept two steps."""
    folder = tmp_path_factory.mktemp("runs") / "x"
    model = HookedTransformer(TransformerConfig(n_heads=2, d_model=16, d_vocab=10), seed=0)
    recipe = TrainConfig(
        steps=6,
        batch=4,
        length=(3, 16),
        hard_letters=2,
        hard_from=3,
        evaluate_every=2,
        evaluate_lengths=(16,),
        evaluate_strings=4,
        keep=(2, 4, 6),
    )
    train(model, CopyTask(alphabet=6), recipe, folder, progress=False)
    return folder


def test_heads_are_told_after_every_kept_step_and_the_page_holds_them(run, tmp_path):
    steps = []
    study = learning_study(run, settings=SMALL, on_step=steps.append)
    assert [kept.step for kept in study.kept] == [2, 4, 6] and [kept.examples for kept in study.kept] == [8, 16, 24]
    assert steps[-1] == "heads after step 6"
    page = write_learning_report(study, tmp_path)
    text = page.read_text()
    assert "From step 3 on (12 examples): half of the strings over 2 letters." in text
    assert f"interp heads --model {run}@4" in text and "interp state" not in text
    assert len(formation_rows(study)) == 3 * 4 and len(tables(study)) == 2
    assert LearningStudy.load(tmp_path).kept[1].scores.heads == study.kept[1].scores.heads
    assert json.loads((tmp_path / "results.json").read_text())["result"] == "LearningStudy"


def test_a_run_that_kept_nothing_says_how_to_and_a_built_model_is_refused(run, tmp_path):
    loaded = load(run)
    train(
        loaded.model, loaded.task, TrainConfig(steps=2, batch=4, length=4, evaluate_strings=2), tmp_path, progress=False
    )
    study = learning_study(tmp_path, settings=replace(SMALL, lengths=None))
    assert study.kept == () and "train with --keep" in study.notes[0]
    assert study.accuracy_by_length.lengths == (4, 5, 8, 12)
    with pytest.raises(UserError, match=r"a model must have been trained here, .* got planted:ngram\?n=2"):
        learning_study("planted:ngram?n=2&alphabet=4", settings=SMALL)


def test_one_page_shows_several_trainings_by_group(run, tmp_path):
    recipe = TrainConfig(steps=2, batch=4, length=4, evaluate_lengths=(16,), evaluate_strings=4)
    for seed in (1, 2):
        train(load(run).model, CopyTask(alphabet=6), replace(recipe, seed=seed), tmp_path / f"{seed}", progress=False)
    studies = [learning_study(tmp_path / f"{seed}", settings=SMALL) for seed in (1, 2)]
    studies[0] = replace(studies[0], provenance=studies[0].provenance | {"tiny": True})
    assert 'class="banner"' not in write_learning_report(studies[1], tmp_path / "one").read_text()
    page = write_learning_comparison(studies, tmp_path / "page").read_text()
    assert 'class="banner" role="note">A quick look' in page
    assert "How did 2 models learn?" in page and "Runs that differ in the seed alone" in page
    curves = LearningCurves.load(tmp_path / "page")
    assert curves.seed == (1, 2) and len(curves.groups) == 1
    assert curves.groups == learning_curves([tmp_path / "1", tmp_path / "2"]).groups
