"""`analyses/find_hash_heads.py` as a person runs it."""

import json
import subprocess
import sys
from pathlib import Path

from interp.base.words import lead
from interp.studies.heads.result import HashHeadStudy

ROOT = Path(__file__).parents[2]


def test_it_leaves_a_page_and_every_number_of_it(script, tmp_path):
    done = script("find_hash_heads", "--model", "planted:ngram?n=3&alphabet=8", "--tiny", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    page = tmp_path / "report.html"
    assert done.stdout.splitlines()[-1] == str(page)
    results = json.loads((tmp_path / "results.json").read_text())
    assert {"schema", "provenance", "model", "accuracy_by_length", "effective_n", "heads", "ablations"} <= set(results)
    assert (results["effective_n"]["behavioural"], results["effective_n"]["causal"]) == (3, 3)
    (lookup,) = [head for head in results["heads"] if head["role"] == "lookup"]
    wanted = "layer head role n score response interval p_value q_value flagged"
    assert set(wanted.split()) <= set(lookup)
    assert (lookup["layer"], lookup["n"], lookup["flagged"]) == (1, 3, True)
    assert f"L1H{lookup['head']}" in done.stdout
    together = next(a for a in results["ablations"] if a["group"] == "all")
    wanted = "heads kind string_accuracy_before string_accuracy_after interval control_mean control_interval"
    assert set(wanted.split()) <= set(together)
    assert together["string_accuracy_after"] == 0
    study = HashHeadStudy.load(tmp_path)
    assert all(part in page.read_text(encoding="utf-8") for part in lead(str(study.verdict)))  # the rest is folded
    assert str(study.verdict) in done.stdout


def test_a_model_that_has_not_learned_to_copy_gets_no_lookup_head(script, tmp_path):
    from interp.models.transformer import HookedTransformer, TransformerConfig
    from interp.tasks.copy import CopyTask
    from interp.training.loop import train
    from interp.training.recipe import TrainConfig

    model = HookedTransformer(TransformerConfig(n_heads=4, d_model=16, windows=(2, 3, None, None)), seed=0)
    recipe = TrainConfig(steps=1, warmup=1, length=(8, 10), evaluate_strings=8, evaluate_lengths=(8,))
    train(model, CopyTask(), recipe, tmp_path / "run", progress=False)
    done = script("find_hash_heads", "--model", str(tmp_path / "run"), "--tiny", "--out", str(tmp_path / "out"))
    assert done.returncode == 0, done.stderr
    study = HashHeadStudy.load(tmp_path / "out")
    assert str(study.verdict).startswith("No lookup head.")
    assert (study.effective_n.behavioural, study.effective_n.causal, study.ablations) == (None, None, ())


def test_an_unknown_preset_ends_in_one_sentence_and_code_2(script, tmp_path):
    done = script("find_hash_heads", "--model", "hard-alibo", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "hard-alibi" in done.stderr
    assert not (tmp_path / "out").exists()


def test_help_is_said_before_torch_is_imported():
    run = "runpy.run_path('analyses/find_hash_heads.py', run_name='__main__')"
    code = f"""
import runpy, sys
sys.argv = ["find_hash_heads.py", "--help"]
try:
    {run}
except SystemExit:
    print("torch" in sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, timeout=60)
    assert done.stdout.splitlines()[-1] == "False", done.stderr
