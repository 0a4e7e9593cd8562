"""`analyses/take_hybrid_apart.py` as a person runs it."""

from interp.studies.hybrid.result import HybridStudy


def test_it_leaves_a_page_and_the_numbers_behind_it(script, tmp_path):
    model = ("--model", "planted:hybrid?part=recurrence&n=2&alphabet=6")
    done = script("take_hybrid_apart", *model, "--tiny", "--scoring.longest", "2", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(str(tmp_path / "report.html"))
    study = HybridStudy.load(tmp_path)
    assert study.verdict.answer == "no" and study.verdict.says in done.stdout


def test_a_model_that_is_no_hybrid_ends_in_one_sentence_and_code_2(script, tmp_path):
    done = script("take_hybrid_apart", "--model", "planted:ngram?n=2", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.startswith("model must be a hybrid of attention and recurrent layers")
    assert not (tmp_path / "out").exists()
