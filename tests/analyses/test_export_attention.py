"""`analyses/export_attention.py` as a person runs it."""

import json

import numpy as np
import pytest

from interp.figures import load_view
from interp.studies.attention.result import AttentionStudy


def test_it_leaves_a_page_that_reads_back_and_the_exact_numbers(script, tmp_path):
    done = script(
        "export_attention",
        "--model",
        "planted:ngram?n=3",
        "--prompt",
        "kqvbtzah",
        "--tiny",
        "--headvis",
        "--out",
        str(tmp_path),
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.rstrip().endswith(str(tmp_path / "attention.html"))
    exact, page = AttentionStudy.load(tmp_path).view, load_view(tmp_path / "attention.html")
    assert "".join(page.labels) == "$kqvbtzah|kqvbtzah"
    assert [head.found.role for head in page.heads].count("lookup") == 1
    assert [variant.name for variant in page.variants] == [variant.name for variant in exact.variants]
    for one, other in zip(page.variants, exact.variants, strict=True):
        assert np.abs(one.pattern - other.pattern).max() <= 1 / 255
    lookup = next(head for head in page.heads if head.found.role == "lookup")
    assert lookup.name in done.stdout and lookup.found.n == 3 and lookup.cost is not None
    assert json.loads((tmp_path / "headvis" / "config.json").read_text())["n_heads"] >= 1


def test_plain_shows_patterns_alone(script, tmp_path):
    done = script(
        "export_attention", "--model", "planted:ngram?n=2", "--length", "6", "--plain", "--out", str(tmp_path)
    )
    assert done.returncode == 0, done.stderr
    view = load_view(tmp_path / "attention.html")
    assert len(view.variants) == 1 and all(head.found is None for head in view.heads)
    assert not (tmp_path / "headvis").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--prompt", "ab1"), "prompt must be the string to copy, of the letters abcdefghijklmnopqrstuvwxyz alone"),
        (("--heads", "L7H0"), "no head is called 'L7H0'"),
        (("--length", "0"), "--length must be an integer from 1 to 1,000,000; got 0"),
    ],
)
def test_a_mistake_ends_in_one_sentence_and_code_2_before_any_work(script, tmp_path, options, says):
    done = script("export_attention", "--model", "planted:ngram?n=2", *options, "--out", str(tmp_path / "out"))
    assert done.returncode == 2
    assert done.stderr.startswith(says) and done.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


def test_a_folder_that_cannot_be_written_ends_in_one_sentence(script, tmp_path):
    (tmp_path / "file").write_text("in the way")
    done = script("export_attention", "--model", "planted:ngram?n=2", "--out", str(tmp_path / "file" / "out"))
    assert done.returncode == 2 and "is a file. Choose another." in done.stderr
