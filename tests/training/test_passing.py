"""Strings that start from the state that another string has left."""

from dataclasses import replace

import pytest
import torch

from interp.base.errors import UserError
from interp.models import build
from interp.training.data import draw, share
from interp.training.loop import train
from interp.training.passing import make_passing
from interp.training.recipe import TrainConfig
from interp.training.step import make_optimizer, summed_loss, take_step

KINDS = {"mamba": {}, "mamba2": {"d_head": 8}, "lstm": {}}


@pytest.fixture(params=KINDS)
def model(request):
    return build({"kind": request.param, "d_model": 16, "d_vocab": 10, **KINDS[request.param]}, seed=0)


def test_a_row_continues_the_string_that_was_drawn_for_it(model, task, recipe):
    """The loss behind a passed state is that of the two strings read as one."""
    passing = make_passing(model, task, replace(recipe, pass_state=1.0, hard_letters=None, length=5))
    batch = draw(task, replace(recipe, hard_letters=None, length=5), 3)
    read, forward = [], model.forward
    model.forward = lambda tokens, *rest, **options: (read.append(tokens), forward(tokens, *rest, **options))[1]
    past = passing(3)
    model.forward = forward
    (others,) = read
    assert others.shape[0] == recipe.batch and not torch.equal(others, batch.tokens)
    behind = model(torch.cat([others, batch.tokens], dim=1))[:, others.shape[1] :]
    torch.testing.assert_close(model(batch.tokens, past=past), behind, atol=1e-5, rtol=1e-4)


def test_a_share_of_the_rows_starts_from_an_empty_state(model, task, recipe):
    config = replace(recipe, pass_state=0.5, hard_letters=None, batch=32)
    past, batch = make_passing(model, task, config)(0), draw(task, config, 0)
    empty = torch.stack([(part == 0).flatten(1).all(dim=1) for part in past[0].parts.values()]).all(dim=0)
    assert 4 < int(empty.sum()) < 28
    there = model(batch.tokens, past=past)
    same = torch.isclose(there, model(batch.tokens), atol=1e-6).flatten(1).all(dim=1)
    assert torch.equal(same, empty)
    assert make_passing(model, task, replace(config, pass_state=0.0))(0) is None


def test_processes_share_the_states_as_they_share_the_rows(model, task, recipe):
    config = replace(recipe, pass_state=0.7, hard_letters=None)
    whole = make_passing(model, task, config)(2)
    for process in (0, 1):
        mine = make_passing(model, task, config, process, 2)(2)
        for name, part in whole[0].parts.items():
            torch.testing.assert_close(mine[0].parts[name], part[process::2])


def test_a_step_learns_from_it_and_a_resumed_training_is_the_same(model, task, recipe, at, tmp_path):
    config = replace(recipe, pass_state=1.0)
    batch = draw(task, config, 0)
    past = make_passing(model, task, config)(0)
    passed, empty = summed_loss(model, batch, 0, past).item(), summed_loss(model, batch).item()
    assert passed != pytest.approx(empty, rel=1e-6)
    take_step(model, make_optimizer(model, config), share(batch), config, 0, make_passing(model, task, config)(0))

    def make():
        return type(model)(model.config, seed=2)

    def interrupt():
        raise KeyboardInterrupt

    whole, half, again = make(), make(), make()
    train(whole, task, config, progress=False)
    with pytest.raises(KeyboardInterrupt):
        train(half, task, config, tmp_path / "half", progress=False, trackers=[at(7, interrupt)])
    train(again, task, config, tmp_path / "half", progress=False, resume=True)
    plain = make()
    train(plain, task, recipe, progress=False)
    for name, value in whole.state_dict().items():
        assert torch.equal(again.state_dict()[name], value), name
    assert any(not torch.equal(value, plain.state_dict()[name]) for name, value in whole.state_dict().items())


def test_what_has_no_state_or_passes_one_already_is_refused(tiny, task, recipe, tmp_path):
    with pytest.raises(
        UserError, match=r"pass_state must be 0 for a model whose layers are not all recurrent; got 0\.5"
    ):
        train(tiny(), task, replace(recipe, pass_state=0.5), tmp_path / "run", progress=False)
    assert not (tmp_path / "run").exists()
    hybrid = build({"kind": "hybrid", "d_model": 16, "d_vocab": 10, "attention": {"n_heads": 2}})
    with pytest.raises(UserError, match="pass_state must be 0 for a model"):
        train(hybrid, task, replace(recipe, pass_state=0.5), progress=False)
    with pytest.raises(UserError, match="pass_state must be 0 where strings are packed"):
        TrainConfig(context=60, pass_state=0.5)
    with pytest.raises(UserError, match=r"pass_state must be a fraction from 0 to 1; got 1\.5"):
        TrainConfig(pass_state=1.5)
    assert not {"pass_state", "decay_exempted"} & set(TrainConfig().to_dict()), "older recipes keep their name"
