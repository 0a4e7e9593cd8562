"""A researcher's day, from a model that was loaded to a table of several trainings, without a workaround."""

import ast
import math
import shutil
from pathlib import Path

import pandas as pd
import plotly.express as px
import pytest
import transformer_lens.patching as patching
from nnsight import NNsight

import interp
from interp import figures
from interp.cli.entry import main
from interp.measure.heads.settings import HeadSettings
from interp.studies.learning.run import learning_study
from interp.studies.learning.settings import LearningSettings

FEW = HeadSettings(longest=3, strings=8)
SMALL = ("--set", "n_layers=1", "--set", "d_model=16", "--set", "n_heads=2", "--task", "copy?alphabet=4")
SHORT = ("--steps", "6", "--batch", "4", "--length", "2", "12", "--quiet")


def command(*words: str) -> None:
    """What a person types after `interp`."""
    with pytest.raises(SystemExit) as ended:
        main(words)
    assert ended.value.code in (0, None)


BROWSER = any(map(shutil.which, ("chromium", "google-chrome", "chrome")))


def test_it_is_less_than_sixty_lines_of_a_users_code():
    functions = {
        node.name: node for node in ast.parse(Path(__file__).read_text(encoding="utf-8")).body if hasattr(node, "name")
    }
    assert functions["test_a_day"].end_lineno - functions["test_a_day"].lineno < 60


def test_a_day(tmp_path, hub):
    # In the morning: a model, two prompts that differ in one letter, and what each place of the stream carries.
    loaded = interp.load("planted:ngram?n=2&alphabet=6")
    model, task = loaded.model, loaded.task
    pair = task.contrast(4, 6, generator=0)
    _, clean = model.run_with_cache(pair.clean.tokens)
    answer = pair.clean.targets[:, -2]

    def right(logits):
        return logits[range(4), -2, answer].mean()

    patched = patching.get_act_patch_resid_pre(model, pair.corrupted.tokens, clean, right)
    assert patched.shape == (2, pair.clean.tokens.shape[1])
    plot = px.imshow(patched.numpy(), labels={"x": "position", "y": "layer", "color": "right answer's logit"})

    # Its heads as a data frame, and one of them under nnsight.
    heads = interp.score_heads(model, task, (10, 14), 0, FEW).frame()
    assert isinstance(heads, pd.DataFrame) and set(heads.role) == {"lookup", "gather", "none"}
    traced = NNsight(model)
    with traced.trace(pair.clean.tokens):
        pattern = traced.blocks[1].attn.hook_pattern.output.save()
    assert pattern.shape[:2] == (4, 4)

    # At noon: a model of another shape, three seeds by two rates, from the command line.
    runs = []
    for rate in ("0.002", "0.02"):
        for seed in ("0", "1", "2"):
            runs.append(tmp_path / f"{rate}-{seed}")
            words = ("--kind", "transformer", *SMALL, *SHORT, "--learning-rate", rate, "--seed", seed)
            command("train", *words, "--keep", "3", "--out", str(runs[-1]))
    curves = interp.learning_curves(runs)
    assert curves.groups == ("learning_rate=0.002", "learning_rate=0.02")
    assert len(curves.frame("run", "evaluation")) == len(runs) and len(figures.learning_curves(curves).data) > 4
    assert all(math.isinf(needed.most) for needed in curves.needed(1.0)["learning_rate=0.002"])

    # In the evening: the page of one training, how its heads formed, and a table for the paper.
    assert "How did its heads form?" in (runs[0] / "report.html").read_text()
    study = learning_study(f"{runs[0]}@last", settings=LearningSettings(strings=4, heads=FEW))
    assert [kept.step for kept in study.kept] == [3, 6]
    study.kept[0].scores.write_table(tmp_path / "heads.parquet")
    assert list(pd.read_parquet(tmp_path / "heads.parquet").name) == ["L0H0", "L0H1"]

    # At night: figures for print, and the model shared, pulled and opened again.
    if BROWSER:
        figures.save({"patching": plot, "curves": figures.learning_curves(curves)}, tmp_path / "print", width=85)
        assert (tmp_path / "print" / "curves.pdf").read_bytes().startswith(b"%PDF")
    interp.push_to_hub(runs[0], "someone/copier", says=str(study.verdict))
    assert str(study.verdict) in hub.files["someone/copier"]["README.md"].decode()
    pulled = interp.load("hub:someone/copier@3")
    assert pulled.description["step"] == 3 and pulled.trained_lengths == (2, 12)
