"""`interp reproduce` around its runs: what is left, one run as a document, what is refused before anything starts."""

import json
from dataclasses import replace

import pytest
import torch

from interp.base.errors import UserError
from interp.cli.live import Watch
from interp.cli.reproduce import Options, work
from interp.experiments.engine import agenda
from interp.experiments.executor import Ended, Started
from interp.experiments.kept import Found, Record
from interp.experiments.paper import claims


@pytest.fixture
def options(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "home"))
    return Options(("copier",), size="tiny", found=str(tmp_path / "found"), out=str(tmp_path / "out"), device="cpu")


def test_what_is_left_is_listed_then_run_then_kept(options, capsys, tmp_path):
    work(replace(options, list=True))
    listed = capsys.readouterr().out
    assert "copier/compact/n2/D4" in listed
    assert listed.splitlines()[-1].split()[:4] == ["all", "4", "0", "4"]
    work(options)
    shown = capsys.readouterr().out
    assert "4 runs: 0 kept, 4 to do." in shown and "holds" in shown
    assert shown.splitlines()[-1] == str(tmp_path / "out" / "report.html")
    work(replace(options, list=True))
    assert capsys.readouterr().out.splitlines()[-1].split()[:4] == ["all", "4", "4", "0"]
    work(replace(options, collect=True, quiet=True))
    assert capsys.readouterr().out.splitlines() == [str(tmp_path / "out" / "report.html")]
    assert [claim["holds"] for claim in json.loads((tmp_path / "out" / "results.json").read_text())["claims"]] == [
        "yes"
    ]


def test_a_plan_is_printed_edited_and_given_back(options, capsys, tmp_path):
    name = "copier/ngram/n1/D4"
    work(replace(options, explain=name))
    document = json.loads(capsys.readouterr().out)
    assert document["name"] == name
    document["measures"][0]["strings"] = 7
    (tmp_path / "mine.json").write_text(json.dumps(document))
    work(replace(options, plan=str(tmp_path / "mine.json")))
    *numbers, path = capsys.readouterr().out.splitlines()
    assert json.loads("\n".join(numbers))["against_repeats"]["strings"] == 7
    assert Record(options.found).path(path.rsplit("/", 1)[-1].removesuffix(".json")).is_file()


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a GPU")
def test_the_papers_size_says_what_it_takes_and_starts_nothing_without_a_gpu(options):
    with pytest.raises(
        UserError, match=r"--size must be tiny or laptop without a GPU; got paper, \d+ runs of models of"
    ):
        work(replace(options, claims=("length",), size="paper"))
    assert not list(Record(options.found))


def test_a_place_where_nothing_can_be_found_or_kept_is_refused_before_anything_runs(options, tmp_path):
    (tmp_path / "a file").write_text("{}")
    (tmp_path / "no site").mkdir()
    for changes, words in [
        ({"found": str(tmp_path / "a file")}, "--found must be a folder; got .*, which is a file"),
        ({"found": str(tmp_path / "a file"), "collect": True}, "--found must be a folder; got .*, which is a file"),
        ({"found": str(tmp_path / "a file" / "x")}, "--found must be a folder that can be read and written"),
        ({"found": str(tmp_path / "nowhere"), "collect": True}, "got .*nowhere, which is not there. Run without"),
        ({"site": str(tmp_path / "no site")}, "--site must be the folder of the site's pages"),
    ]:
        with pytest.raises(UserError, match=words):
            work(replace(options, **changes))
    assert not list(Record(options.found)) and not (tmp_path / "out").exists()


def test_a_watch_says_what_fails_and_what_is_left(capsys, tmp_path):
    plans = claims(["copier"])[0].plans("tiny", (0,))
    with Watch(agenda(plans, Record(tmp_path)), 1, quiet=False) as watch:
        watch.on_event(Started(plans[0]))
        assert [name for name, _ in watch.running.values()] == [plans[0].name]
        watch.on_event(Ended(Found(plans[0].digest, plans[0], failed="no memory")))
    shown = capsys.readouterr().out
    assert f"1/4 {plans[0].name}: failed: no memory; 3 left" in shown
    assert watch.running == {}
