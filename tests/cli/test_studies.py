"""What every study's command does around the study: check, load, write, and only then print."""

import sys
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from interp.base.errors import UserError
from interp.cli.parsing import parse
from interp.cli.studies import ask, options_of
from interp.studies.study import Study, Table

MODELS = ("planted:ngram?n=2&alphabet=3", "planted:ngram?n=1&alphabet=3")


@dataclass(frozen=True)
class Settings:
    """How much."""

    strings: int = 96
    """Strings."""

    @classmethod
    def tiny(cls) -> "Settings":
        return cls(8)


@pytest.fixture
def asked() -> list:
    """What the study was run on."""
    return []


@pytest.fixture
def study(monkeypatch, tmp_path, asked) -> Study:
    """A study that notes what it is asked."""
    made = ModuleType("made_for_this_test")

    def run(loaded, seed, settings, on_step):
        on_step("counting")
        asked.append((loaded.description["spec"], seed, settings))
        return SimpleNamespace(verdict=f"It is {loaded.description['spec']}.")

    def report(result, folder):
        assert list(Path(folder).iterdir()) == []
        (Path(folder) / "report.html").write_text(result.verdict)
        return Path(folder) / "report.html"

    made.__dict__.update(run=run, report=report, compare=lambda results, folder: report(results[0], folder))
    made.__dict__["tables"] = lambda _: [Table("counts", ("of", "n"), (("letters", "3"),))]
    monkeypatch.setitem(sys.modules, made.__name__, made)
    monkeypatch.chdir(tmp_path)
    names = {"runs": "run", "reports": "report", "prints": "tables"}
    return Study("count", "How many?", Settings, **{room: f"{made.__name__}:{name}" for room, name in names.items()})


def call(study: Study, *args: str) -> None:
    options, tiny = options_of(study)
    ask(study, parse(options, args, tiny=tiny))


def test_settings_are_options_and_arrive(study, asked) -> None:
    call(study, "--model", MODELS[0], "--strings", "5", "--seed", "7")
    call(study, "--model", MODELS[0], "--tiny")
    assert asked == [(MODELS[0], 7, Settings(5)), (MODELS[0], 0, Settings(8))]


def test_it_says_what_it_does_then_the_numbers_the_verdict_and_the_page(study, capsys, tmp_path) -> None:
    call(study, "--model", MODELS[0], "--out", "here")
    first, step, _, title, header, row, _, verdict, _, page = capsys.readouterr().out.splitlines()
    assert first == f"interp count: {MODELS[0]} on device auto, seed 0"
    assert (step, title.strip(), header.split(), row.split()) == (
        "  counting ...",
        "counts",
        ["of", "n"],
        ["letters", "3"],
    )
    assert (verdict, page) == (f"It is {MODELS[0]}.", "here/report.html")
    assert (tmp_path / page).read_text() == verdict


def test_quiet_prints_where_the_page_is_and_no_more(study, capsys) -> None:
    call(study, "--model", MODELS[0], "--quiet")
    said = capsys.readouterr()
    assert said.out.count("\n") == 1 and said.err == ""
    assert Path(said.out.strip()).is_file()


def test_the_page_is_written_before_anything_about_it_is_printed(study, monkeypatch, tmp_path) -> None:
    def fail(_: object) -> list:
        raise RuntimeError("a table that cannot be made")

    monkeypatch.setattr(sys.modules["made_for_this_test"], "tables", fail)
    with pytest.raises(RuntimeError):
        call(study, "--model", MODELS[0], "--out", "here")
    assert (tmp_path / "here" / "report.html").is_file()


def test_several_models_stand_side_by_side_only_where_they_can(study, asked, tmp_path) -> None:
    both = ("--model", MODELS[0], "--model", MODELS[1])
    with pytest.raises(UserError, match="--model must be given once to interp count"):
        call(study, *both)
    assert (asked, list(tmp_path.iterdir())) == ([], [])
    call(replace(study, compares="made_for_this_test:compare"), *both)
    assert [spec for spec, *_ in asked] == list(MODELS)
    (folder,) = (tmp_path / "results" / "count").iterdir()
    assert folder.name.endswith("-planted-ngram-n=2-alphabet=3-planted-ngram-n=1-alphabet=3")


def test_a_model_that_is_refused_leaves_no_folder(study, tmp_path) -> None:
    with pytest.raises(UserError, match="no model is called"):
        call(study, "--model", "hard-alibo", "--out", "here/below")
    assert list(tmp_path.iterdir()) == []
