import sys

import pytest
from accelerate.tracking import GeneralTracker

from interp.base.errors import InterpError, UserError
from interp.training.loop import train
from interp.training.trackers import make_tracker


class Notebook(GeneralTracker):
    """Keeps all that it is told."""

    name = "notebook"
    requires_logging_directory = False
    tracker = None

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[str] = []
        self.kept: list[tuple[int, dict]] = []
        self.recipe: dict = {}

    def start(self) -> None:
        self.calls.append("start")

    def store_init_configuration(self, values: dict) -> None:
        self.calls.append("recipe")
        self.recipe = values

    def log(self, values: dict, step: int | None = None) -> None:
        self.kept.append((step, values))

    def finish(self) -> None:
        self.calls.append("finish")


class Broken(Notebook):
    def start(self) -> None:
        raise InterpError("no line")


@pytest.fixture
def logged_out(tmp_path, monkeypatch) -> None:
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NETRC", str(tmp_path / "no netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))


def test_a_tracker_gets_the_recipe_first_and_then_every_number_by_examples_seen(task, tiny, recipe, tmp_path) -> None:
    notebook = Notebook()
    log = train(tiny(), task, recipe, tmp_path / "run", progress=False, trackers=[notebook])
    assert notebook.calls == ["start", "recipe", "finish"]
    steps = [(at, values) for at, values in notebook.kept if "loss" in values]
    assert [at for at, _ in steps] == log.examples.tolist()
    assert [values["loss"] for _, values in steps] == log.loss.tolist()
    evaluated = [values["string_accuracy/6"] for _, values in notebook.kept if "string_accuracy/6" in values]
    assert evaluated == log.string_accuracy[:, 1].tolist()
    told = notebook.recipe
    assert (told["learning_rate"], told["betas"], told["stop_length"]) == (recipe.learning_rate, "[0.9, 0.98]", "null")
    assert (told["task.alphabet"], told["model.d_model"], told["model.kind"]) == (6, 32, "transformer")


def test_a_training_that_is_cut_short_finishes_its_trackers(task, tiny, recipe, at) -> None:
    def fail() -> None:
        raise RuntimeError("cut short")

    notebook = Notebook()
    with pytest.raises(RuntimeError, match="cut short"):
        train(tiny(), task, recipe, progress=False, trackers=[notebook, at(3, fail)])
    assert notebook.calls == ["start", "recipe", "finish"]


def test_a_tracker_that_cannot_start_leaves_no_run_behind(task, tiny, recipe, tmp_path) -> None:
    with pytest.raises(InterpError, match="no line"):
        train(tiny(), task, recipe, tmp_path, progress=False, trackers=[Broken()])
    assert not (tmp_path / "config.json").exists()
    train(tiny(), task, recipe, tmp_path, progress=False)


def test_tensorboard_gets_the_recipe_and_every_number_under_group_and_name(task, tiny, recipe, tmp_path) -> None:
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    tracker = make_tracker("tensorboard", tmp_path, "seed 3", group="tiny")
    assert not list(tmp_path.iterdir())
    log = train(tiny(), task, recipe, progress=False, trackers=[tracker])
    place = tmp_path / "tensorboard" / "tiny" / "seed 3"
    events = EventAccumulator(str(place)).Reload()
    assert [event.step for event in events.Scalars("loss")] == log.examples.tolist()
    assert [event.value for event in events.Scalars("loss")] == pytest.approx(log.loss.tolist(), rel=1e-6)
    assert [event.value for event in events.Scalars("string_accuracy/6")] == pytest.approx(log.string_accuracy[:, 1])
    told = [path for path in place.iterdir() if path.is_dir()]  # where TensorBoard looks for hyperparameters
    assert "_hparams_/session_start_info" in "".join(
        tag for path in told for tag in EventAccumulator(str(path)).Reload().summary_metadata
    )


@pytest.mark.slow
def test_weights_and_biases_keeps_a_run_with_its_recipe_name_and_group_offline(
    task, tiny, recipe, tmp_path, monkeypatch
) -> None:
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    tracker = make_tracker("wandb", tmp_path, "seed 3", group="tiny")
    train(tiny(), task, recipe, progress=False, trackers=[tracker])
    assert (tracker.tracker.name, tracker.tracker.group) == ("seed 3", "tiny")
    kept = next((tmp_path / "wandb").rglob("*.wandb")).read_bytes()
    assert b"string_accuracy/6" in kept and b"weight_decay" in kept


@pytest.mark.usefixtures("logged_out")
def test_weights_and_biases_without_a_login_is_refused_at_once(tmp_path, monkeypatch) -> None:
    wandb = pytest.importorskip("wandb")
    monkeypatch.setattr(wandb, "init", None)
    with pytest.raises(UserError, match=r"^Weights & Biases must be logged in; got no key\. Run `wandb login`, or set"):
        make_tracker("wandb", tmp_path)


def test_weights_and_biases_that_cannot_be_reached_are_a_sentence(task, tiny, recipe, tmp_path, monkeypatch) -> None:
    wandb = pytest.importorskip("wandb")

    def unreachable(**_: object) -> None:
        raise wandb.errors.CommError("Timed out.\nConsider increasing the init_timeout setting")

    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setattr(wandb, "init", unreachable)
    with pytest.raises(InterpError, match=r"must be able to start a run; got an error \(Timed out\)\. Set WANDB"):
        train(tiny(), task, recipe, progress=False, trackers=[make_tracker("wandb", tmp_path)])


@pytest.mark.parametrize(("name", "module"), [("tensorboard", "torch.utils.tensorboard"), ("wandb", "wandb")])
def test_a_tracker_whose_library_is_missing_says_what_to_install(name, module, tmp_path, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(UserError, match=f"pip install {name}"):
        make_tracker(name, tmp_path)


def test_an_unknown_tracker_names_its_nearest_neighbour(tmp_path) -> None:
    with pytest.raises(UserError, match="tensorboard"):
        make_tracker("tensorbord", tmp_path)


@pytest.mark.parametrize("name", ["", "..", "a/b"])
def test_a_run_is_called_something_that_can_be_part_of_a_path(name, tmp_path) -> None:
    with pytest.raises(UserError, match="a run's name must be a name without slashes"):
        make_tracker("tensorboard", tmp_path, name)
    with pytest.raises(UserError, match="a run's group must be a name without slashes"):
        make_tracker("tensorboard", tmp_path, "a", group=name)
