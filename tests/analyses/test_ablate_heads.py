"""`analyses/ablate_heads.py` as a person runs it."""

import pytest

from interp.figures import load_view
from interp.studies.ablation.result import AblationStudy


def test_it_takes_the_named_heads_away_and_leaves_numbers_and_a_figure(script, tmp_path):
    model = ("--model", "planted:ngram?n=2&n_lookup=2&zero_heads=2", "--tiny", "--kind", "zero")
    done = script("ablate_heads", *model, "--heads", "L1H3", "L1H4", "L0H5", "--length", "10", "--out", str(tmp_path))
    assert done.returncode == 0, done.stderr
    study = AblationStudy.load(tmp_path)
    assert [(a.name, a.group, a.kind) for a in study.ablations] == [
        ("L1H3", "single", "zero"),
        ("L1H4", "single", "zero"),
        ("L0H5", "single", "zero"),
        ("all", "all", "zero"),
    ]
    idle, lookups = study.ablations[2:]
    assert idle.string_accuracy_after == idle.string_accuracy_before > 0.5
    assert lookups.string_accuracy_after == 0.0
    # 4 heads of the first layer do nothing and see everything, one of them ablated; so do 2 of the second.
    assert [control.pool for control in idle.controls[:2]] == [3, 5]
    view = load_view(tmp_path / "report.html")
    assert [variant.ablated for variant in view.variants] == [(), ("L1H3", "L1H4", "L0H5")]
    looked = dict(zip([head.name for head in view.heads], view.on_source(), strict=True))
    assert looked["L1H3"] > 0.9 > 0.1 > looked["L0H5"]
    assert "plotly" in (tmp_path / "figures" / "ablations.html").read_text(encoding="utf-8").lower()
    assert "L1H4" in done.stdout


def test_a_head_that_does_not_exist_ends_in_one_sentence_and_code_2(script, tmp_path):
    done = script("ablate_heads", "--model", "planted:ngram?n=2", "--heads", "L1H9", "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.startswith("no head is called 'L1H9'")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("option", [("--length", "0"), ("--strings", "1"), ("--strings", "0")])
def test_too_few_strings_or_letters_are_refused_and_not_replaced(script, tmp_path, option):
    done = script("ablate_heads", "--model", "planted:ngram?n=2", *option, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    least = {"--length": "from 1 to 1,000,000", "--strings": "from 2 to 1,000,000"}[option[0]]
    told = (
        f"{option[0]} must be an integer {least}; got {option[1]}.",
        "--strings must be an integer of at least 1; got 0.",
    )
    assert done.stderr.startswith(told)
    assert not (tmp_path / "out").exists()
