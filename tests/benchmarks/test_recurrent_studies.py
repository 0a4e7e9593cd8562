"""What the script on studies of the recurrent presets takes from their folders, and the tables that it makes."""

import json
from dataclasses import replace
from importlib import import_module

import pytest

import interp
from interp.experiments.state_growth.run import growth_study
from interp.experiments.state_growth.settings import GrowthSettings
from interp.models import build
from interp.studies.study import STUDIES
from interp.training.loop import train
from interp.training.presets import preset


@pytest.mark.slow
def test_a_line_holds_what_the_three_folders_say(tmp_path, monkeypatch):
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "home"))
    model, task, recipe = preset("gla")
    few = replace(recipe, steps=1, batch=2, evaluate_strings=2)
    train(build({**model, "d_model": 8}, seed=0), task, few, tmp_path / "run", progress=False)
    studies, loaded, found = import_module("recurrent_studies"), interp.load(tmp_path / "run"), {}
    for name, how in (("heads", {}), ("state", {"lengths": (2, 5, 10)})):
        found[name] = STUDIES[name].run(loaded, replace(STUDIES[name].Settings.tiny(), **how))
        found[name].save(tmp_path / f"{name}-gla")
    growth = growth_study(
        replace(GrowthSettings.tiny(), kind="gla", vary="d_key", values=(2, 4), others={"d_model": 8}), progress=False
    )
    growth.save(tmp_path / "grow-gla")

    line = json.loads(json.dumps(studies.found_of("gla", tmp_path)))
    assert line["state"]["used"] == pytest.approx(found["state"].bits_recovered, abs=0.051)
    assert [head[0] for head in line["heads"]["heads"]] == ["L0H0", "L0H1", "L1H0", "L1H1"]
    assert [member["numbers"] for member in line["growth"]["members"]] == [m.state_floats for m in growth.members]
    heads, state, grown = (table.splitlines()[2] for table in studies.tables([line]).split("\n\n"))
    assert heads.startswith("| gla | none | none | 0.000 | ")
    assert "| 10 | 47.0 |" in state and "d_key" in grown
