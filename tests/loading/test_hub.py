"""A run goes to the hub and comes back the same: against a local server that speaks the hub's protocol."""

import pytest
import torch

import interp
from interp.base.errors import InterpError, UserError
from interp.training.recipe import TrainConfig


@pytest.fixture
def run(tmp_path):
    model = interp.HookedTransformer(interp.TransformerConfig(n_layers=1, d_model=16, n_heads=2))
    recipe = TrainConfig(steps=4, batch=4, length=(2, 5), evaluate_lengths=(5,), keep=(2,))
    interp.train(model, interp.CopyTask(), recipe, tmp_path / "run", progress=False)
    return tmp_path / "run"


def test_what_is_pushed_comes_back_the_same(hub, run):
    address = interp.push_to_hub(run, "someone/copier", says="L0H1 looks up the last 2 letters.")
    assert address.endswith(hub.commit)
    files = hub.files["someone/copier"]
    assert set(files) == {"README.md", "config.json", "model.safetensors", "log.jsonl", "checkpoints/2.safetensors"}
    for name in set(files) - {"README.md"}:
        assert files[name] == (run / name).read_bytes()
    there, here = interp.load("hub:someone/copier"), interp.load(run)
    for name, tensor in here.model.state_dict().items():
        torch.testing.assert_close(there.model.state_dict()[name], tensor, rtol=0, atol=0)
    assert there.description | {"spec": ""} == here.description | {"spec": ""}
    assert interp.load("hub:someone/copier@2").description["step"] == 2


def test_the_card_says_what_the_model_is_and_how_it_is_opened(hub, run):
    interp.push_to_hub(run, "someone/copier", says="L0H1 looks up the last 2 letters.")
    card = hub.files["someone/copier"]["README.md"].decode()
    for text in (
        'library_name: "interp"',
        'interp.load("hub:someone/copier")',
        "L0H1 looks up",
        "- `steps`: 4",
        "jelassi2024",
    ):
        assert text in card
    assert "| 5 | 0% |" in card


def test_only_weights_and_json_are_fetched(hub, run):
    interp.push_to_hub(run, "someone/copier")
    hub.files["someone/copier"] |= {"modeling.py": b"raise SystemExit", "model.bin": b"pickle"}
    folder = interp.load("hub:someone/copier").folder
    assert not {"modeling.py", "model.bin", "README.md"} & {path.name for path in folder.rglob("*")}


@pytest.mark.usefixtures("hub")
def test_a_run_that_is_not_there_and_a_name_that_is_none_are_refused():
    with pytest.raises(InterpError, match="someone/nothing must be"):
        interp.load("hub:someone/nothing")
    for name in ("copier", "../x", "a/b/c", "a/b?commit=1", ""):
        with pytest.raises(UserError, match="hub: must be USER/NAME"):
            interp.load(f"hub:{name}")


def test_weights_that_were_altered_there_are_refused(hub, run):
    interp.push_to_hub(run, "someone/copier")
    files = hub.files["someone/copier"]
    files["config.json"] = files["config.json"].replace(b'"seed": 0', b'"seed": 1')
    with pytest.raises(InterpError, match="must belong to"):
        interp.load("hub:someone/copier")


def test_a_hub_that_says_no_is_told_in_one_sentence(hub, run):
    with pytest.raises(
        InterpError, match=r"must reach the Hugging Face hub; got an error \(.*403.*Log in with hf auth"
    ):
        interp.push_to_hub(run, "closed/copier")
    assert not hub.files
    with pytest.raises(UserError, match="must be a run folder"):
        interp.push_to_hub(run.parent, "someone/copier")
