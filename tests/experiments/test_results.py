"""A folder that holds a result is read without knowing of which kind."""

import json
import subprocess
import sys

import pytest

import interp
from interp.base.errors import UserError
from interp.experiments.results import _homes, _kinds
from interp.studies.heads.result import HashHeadStudy
from interp.studies.study import STUDIES


def test_a_study_comes_back_as_its_own_kind_from_its_folder_and_from_a_file_in_it(studies, tmp_path):
    study = studies.hard_alibi()
    study.save(tmp_path)
    for where in (tmp_path, str(tmp_path / "results.json")):
        kept = interp.load_result(where)
        assert type(kept) is HashHeadStudy and kept.verdict == study.verdict
    assert type(interp.load_result(study.accuracy_by_length.save(tmp_path / "part"))) is type(study.accuracy_by_length)


def test_every_study_and_experiment_has_a_kind():
    found = {name: kind.__module__ for home in _homes() for name, kind in _kinds(home).items()}
    assert {f"interp.studies.{study.runs.split('.')[2]}.result" for study in STUDIES.values()} <= set(found.values())
    assert {"StateGrowth", "Claims", "RecordResult", "AttentionView"} <= set(found)


def test_no_torch_is_imported_for_it_and_what_is_no_path_is_refused(studies, tmp_path):
    studies.hard_alibi().save(tmp_path)
    program = f"""import sys, interp
interp.load_result({str(tmp_path)!r}); print('torch' in sys.modules)
try:
    interp.load_result(None)
except interp.errors.UserError as error:
    print(error)"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\nfolder must be a path; got None. Name the folder of a result.\n"


@pytest.mark.parametrize(
    ("document", "says"),
    [
        (
            {"schema": "interp/3", "result": "HashHeadStudi"},
            "no result is called 'HashHeadStudi'; the nearest known: Hash",
        ),
        (
            {"schema": "interp/2", "result": "HashHeadStudy"},
            "of schema interp/2. Run the analysis again with this version",
        ),
        ({"model": 1}, "must hold a result; got a results.json without a result in it."),
        ([1], "must hold a result; got a results.json without a result in it."),
    ],
)
def test_what_is_no_result_of_this_version_is_refused(tmp_path, document, says):
    (tmp_path / "results.json").write_text(json.dumps(document))
    with pytest.raises(UserError) as caught:
        interp.load_result(tmp_path)
    assert says in str(caught.value)


def test_who_takes_a_result_for_a_model_is_told_how_to_read_it(studies, tmp_path):
    studies.hard_alibi().save(tmp_path)
    for call in (interp.load, interp.open):
        with pytest.raises(UserError, match=r"interp\.load_result"):
            call(str(tmp_path))
