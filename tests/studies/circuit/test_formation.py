"""How a circuit formed: a training's kept steps measured, and drawn; a training that kept none has nothing to show."""

from dataclasses import replace

import numpy as np
import pytest
import torch

import interp
from interp.measure.circuits.formation import formation_of, moment_of
from interp.models.planted import planted_copier
from interp.studies.circuit.figures import formation, hash_movie
from interp.studies.circuit.report import formation_rows, moment_rows
from interp.tasks import planted_repeats


@pytest.fixture(scope="module")
def asked():
    """A planted copier of n = 2, the same untrained, strings and questions."""
    model, planting = planted_copier(2, 12)
    task = interp.CopyTask(12)
    probe = planted_repeats(task, torch.zeros(6, dtype=torch.long), 14, 0, exclusive=True, context=3, place=0)
    heads = [[head.name for head in planting.with_role(role)] for role in ("lookup", "gather")]
    return model, task, probe, task.sample(6, 14, 0), *heads


def at_the_step(asked, model):
    _, task, probe, strings, lookups, gathers = asked
    return moment_of(model, strings, task.vocabulary, probe, lookups, gathers, letters=3)


def test_a_planted_copier_has_its_hash_and_a_null_none(asked):
    model = asked[0]
    found = at_the_step(asked, model)
    assert found.string_correct.dtype == bool and (found.attention > 0.99).all()
    np.testing.assert_allclose(found.diagonal[0, :2].sum(axis=0), found.score[0], rtol=0.05)  # others match by chance
    assert (found.written.sum(axis=0)[0] > 0.95 * found.score[0]).all()  # its keys are gathered
    null = type(model)(model.config, seed=3)
    none = at_the_step(asked, null)
    assert none.attention.mean() < 0.3 and np.abs(none.diagonal).max() < 0.05 * found.diagonal.max()


def test_between_a_null_and_the_copier_every_change_lies_at_the_step_between(asked):
    model, lookups, gathers = asked[0], asked[4], asked[5]
    null = type(model)(model.config, seed=3)
    rows = [at_the_step(asked, each) for each in (null, null, model, model)]
    found = formation_of((0, 10, 20, 30), (0, 640, 1280, 1920), lookups, gathers, rows)
    assert found.matched == (0, 1)
    assert {name for name, at in found.moments().items() if at == pytest.approx(960)} >= {
        "letters right",
        "lookup heads: attention to the source",
        "hash: letter 0 back",
        "hash: letter 1 back",
    }


def test_figures_and_tables_say_the_moments(formed):
    found = formed()
    figure = formation(found)
    assert "hash: letter 1 back (650)" in figure.layout.meta["says"]
    assert {trace.name for trace in figure.data if trace.showlegend} >= {"letter 0 back", "letter 1 back", "loss"}
    movie = hash_movie(found)
    assert len(movie.data) == len(found.steps) == 11 and movie.data[-1].z[1][1] == 1
    assert moment_rows(found)[0][1] == 250 and formation_rows(found)[5]["examples"] == 500
    without = replace(
        found,
        lookups=(),
        attention=found.attention[:, :0],
        score=found.score[:, :0],
        by_letter=found.by_letter[:, :0],
        diagonal=found.diagonal[:, :0],
        written=found.written[:, :, :0],
    )
    assert not any(name.startswith(("hash", "lookup")) for name in without.moments())
    assert formation(without).data
