import sys

import pytest

from interp.base.errors import UserError
from interp.training.loop import train
from interp.training.sinks import make_sink


def test_tensorboard_gets_every_number_by_examples_seen(task, tiny, recipe, tmp_path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    log = train(tiny(), task, recipe, progress=False, sinks=[make_sink("tensorboard", tmp_path)])
    events = EventAccumulator(str(tmp_path / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == log.examples.tolist()
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(log.loss.tolist(), rel=1e-6)
    assert [event.value for event in events.Scalars("string_accuracy/6")] == pytest.approx(log.string_accuracy[:, 1])


@pytest.mark.slow
def test_weights_and_biases_keeps_a_run_offline(task, tiny, recipe, tmp_path) -> None:
    pytest.importorskip("wandb")
    train(tiny(), task, recipe, progress=False, sinks=[make_sink("wandb", tmp_path)])
    kept = list((tmp_path / "wandb").rglob("*.wandb"))
    assert kept
    assert b"string_accuracy/6" in kept[0].read_bytes()


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")])
def test_a_sink_whose_library_is_missing_says_what_to_install(name, module, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=f"pip install {name}"):
        make_sink(name, tmp_path)


def test_an_unknown_sink_names_its_nearest_neighbour(tmp_path) -> None:
    with pytest.raises(UserError, match="tensorboard"):
        make_sink("tensorbord", tmp_path)
