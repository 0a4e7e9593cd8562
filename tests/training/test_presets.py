from dataclasses import replace

import pytest

from interp.errors import InterpError, UserError
from interp.training import presets
from interp.training.config import TrainConfig
from interp.training.loop import train
from interp.training.presets import PRESETS, home, preset, trained_preset
from interp.training.runs import load_run


@pytest.fixture
def small(monkeypatch, tmp_path, tiny, task, recipe) -> None:
    """A preset `small` that trains in a moment, kept below the test's own home."""
    monkeypatch.setenv("INTERP_HOME", str(tmp_path))
    monkeypatch.setitem(PRESETS, "small", lambda: (tiny().config, task, recipe))


@pytest.fixture
def trainings(monkeypatch) -> list[TrainConfig]:
    """Every training that was begun or resumed."""
    seen: list[TrainConfig] = []

    def counted(model, task, config, *args, **kwargs):
        seen.append(config)
        return train(model, task, config, *args, **kwargs)

    monkeypatch.setattr(presets, "train", counted)
    return seen


@pytest.mark.parametrize("name", ["hard-alibi", "rope", "nope", "alibi"])
def test_every_preset_trains_the_position_encoding_of_its_name_on_the_paper_alphabet(name) -> None:
    model, task, _ = preset(name)
    assert model.position == name
    assert task.alphabet == 26
    assert task.vocabulary.size == model.d_vocab == 30


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(UserError, match="hard-alibi"):
        preset("hard-alibj")


@pytest.mark.usefixtures("small")
def test_a_preset_is_trained_once_and_kept(trainings) -> None:
    folder = trained_preset("small", progress=False)
    assert folder == trained_preset("small", progress=False)
    assert len(trainings) == 1
    assert load_run(folder).stamp.finished
    assert trained_preset("small", seed=5, progress=False) != folder
    assert trainings[1].seed == 5


@pytest.mark.usefixtures("small")
def test_retrain_trains_again(trainings) -> None:
    folder = trained_preset("small", progress=False)
    assert trained_preset("small", retrain=True, progress=False) == folder
    assert len(trainings) == 2


@pytest.mark.usefixtures("small")
def test_a_changed_recipe_is_trained_anew(monkeypatch, recipe, trainings) -> None:
    before = trained_preset("small", progress=False)
    config, task, _ = preset("small")
    monkeypatch.setitem(PRESETS, "small", lambda: (config, task, replace(recipe, learning_rate=1e-3)))
    assert trained_preset("small", progress=False) != before
    assert len(trainings) == 2


@pytest.mark.usefixtures("small")
def test_a_preset_whose_training_was_cut_short_is_not_taken_as_trained(monkeypatch, trainings) -> None:
    def interrupted(*args, **kwargs):
        train(*args, **kwargs)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(presets, "train", interrupted)
        with pytest.raises(KeyboardInterrupt):
            trained_preset("small", progress=False)
    assert not [path for path in (home() / "presets").iterdir() if path.is_dir() and path.suffix != ".partial"]
    assert load_run(trained_preset("small", progress=False)).stamp.finished
    assert len(trainings) == 1


@pytest.mark.usefixtures("small")
def test_a_home_that_cannot_be_written_is_told_in_one_sentence(monkeypatch, tmp_path) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "file"))
    with pytest.raises(InterpError, match="INTERP_HOME"):
        trained_preset("small", progress=False)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "seed"), [("hard-alibi", 0), ("hard-alibi", 1), ("hard-alibi", 2), ("rope", 0), ("alibi", 0), ("nope", 0)]
)
def test_every_preset_copies_strings_of_its_training_lengths(name, seed, tmp_path, monkeypatch, generator) -> None:
    from interp.training.evaluate import accuracy_by_length

    monkeypatch.setenv("INTERP_HOME", str(tmp_path))
    run = load_run(trained_preset(name, seed=seed, progress=False))
    low, high = run.config.lengths
    lengths = sorted({low, (low + high) // 2, high})
    found = accuracy_by_length(run.model, run.task, lengths, 1000, generator(1234))
    assert (found.string_correct.mean(axis=1) >= 0.99).all()
