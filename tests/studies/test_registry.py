"""Every study has the same form: it registers itself, is light until it is asked, and has the same rooms."""

import ast
import dataclasses
import inspect
import itertools
import subprocess
import sys
import textwrap
from pathlib import Path
from pkgutil import resolve_name

import pytest

import interp
from interp.base.errors import UserError
from interp.base.interval import Interval
from interp.loading import as_loaded, load
from interp.measure.heads.settings import HeadSettings
from interp.studies.heads.run import hash_head_study
from interp.studies.heads.settings import HeadStudySettings
from interp.studies.scoring import find_heads, strings_to_ablate
from interp.studies.study import STUDIES, UNDECIDED, Evidence, Study, Verdict

FOLDERS = sorted(path.parent for path in (Path(__file__).parents[2] / "interp" / "studies").glob("*/__init__.py"))
ROOMS = {"run", "report", "verdict", "result", "settings"}
HEAVY = ("torch", "numpy", "scipy", "plotly", "jaxtyping", "transformer_lens")


def test_every_folder_registers_one_study():
    assert list(STUDIES) == [
        "ablate",
        "backwards",
        "circuit",
        "heads",
        "hybrid",
        "language",
        "learning",
        "state",
        "view",
    ]
    assert len(FOLDERS) == len(STUDIES)
    homes = {study.runs.split(":")[0].rsplit(".run", 1)[0] for study in STUDIES.values()}
    assert homes == {f"interp.studies.{folder.name}" for folder in FOLDERS}


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_every_study_has_its_rooms(folder):
    rooms = {path.stem for path in folder.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert rooms - {"__init__", "figures"} == ROOMS


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_the_functions_of_a_study_exist_and_take_what_it_gives_them(study: Study):
    run = inspect.signature(resolve_name(study.runs))
    assert list(run.parameters) == ["loaded", "seed", "settings", "on_step"]
    for name in filter(None, (study.reports, study.compares, study.prints)):
        assert callable(resolve_name(name))
    assert study.question.endswith("?") and "\n" not in study.question


@pytest.mark.parametrize("study", STUDIES.values(), ids=lambda study: study.name)
def test_every_setting_has_a_default_and_says_what_it_is(study: Study):
    body = ast.parse(textwrap.dedent(inspect.getsource(study.Settings))).body[0].body
    told = {
        field.target.id
        for field, text in itertools.pairwise(body)
        if isinstance(field, ast.AnnAssign) and isinstance(text, ast.Expr)
    }
    assert told == {field.name for field in dataclasses.fields(study.Settings)}
    assert study.Settings() != study.Settings.tiny()
    assert study.Settings.__dataclass_params__.frozen


def test_asking_which_studies_there_are_imports_nothing_heavy():
    program = f"""
import sys
from interp.studies.study import STUDIES
print([study.Settings() is None for study in STUDIES.values()], [name for name in {HEAVY} if name in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == f"{[False] * len(STUDIES)} []\n"


def test_a_study_that_does_not_exist_is_refused_with_the_nearest():
    with pytest.raises(UserError, match=r"no study is called 'head'; the nearest known: heads"):
        STUDIES.named("head")
    assert STUDIES.named("heads") is STUDIES["heads"] and STUDIES.get("head") is None


def test_a_page_of_one_model_refuses_several(tmp_path):
    with pytest.raises(UserError, match="results must be one result; got 0"):
        STUDIES["heads"].compare([], tmp_path)


def test_a_specification_is_opened_and_a_bare_model_is_refused():
    spec = "planted:ngram?n=2&alphabet=8"
    loaded = load(spec)
    assert as_loaded(loaded) is loaded and as_loaded(spec).description == loaded.description
    with pytest.raises(UserError, match=r"loaded must be what interp.load returns, .* got a HookedTransformer\. Pass"):
        as_loaded(loaded.model)
    with pytest.raises(UserError, match=r"loaded must be what interp.load returns or .*; got .* Pass interp.loading"):
        hash_head_study(loaded.model)
    study = hash_head_study(spec, settings=HeadStudySettings.tiny())
    assert study.model["spec"] == spec
    assert study.verdict.answer == "yes"
    assert study.verdict.evidence("causal_n").value == 2


def test_the_front_door_to_ablations_takes_a_model_with_all_that_it_needs_or_a_specification():
    spec = "planted:ngram?n=2&alphabet=8"
    loaded = load(spec)
    scores = find_heads(loaded, settings=HeadSettings(longest=3, strings=16))
    strings = strings_to_ablate(loaded, 0, 24, longest=3)
    given = interp.ablation_study(loaded.model, loaded.task.vocabulary, scores, strings)
    taken = interp.ablation_study(spec, scores=scores, batch=strings)
    assert [(a.name, a.string_accuracy_after) for a in given] == [(a.name, a.string_accuracy_after) for a in taken]
    with pytest.raises(UserError, match="vocabulary, scores and batch must be given with a bare model; got a Hooked"):
        interp.ablation_study(loaded.model)


def test_a_verdict_prints_its_english_and_gives_its_evidence_by_name():
    found = Evidence("bits", 3.0, Interval(2.0, 4.0, "Student t"), n=9)
    assert str(Verdict("no", (found,), says="It holds 3 bits.")) == "It holds 3 bits."
    assert Verdict("no", (found,)).evidence("bits") is found and UNDECIDED.answer == "unsure"
    with pytest.raises(KeyError):
        UNDECIDED.evidence("bits")
