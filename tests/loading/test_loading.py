"""One string, and out comes a model with its task; a string that means nothing ends in one sentence."""

import json
import os

import pytest
import torch
from transformer_lens import patching

from interp.base.errors import InterpError, UserError
from interp.loading import load, vocabulary_over
from interp.models.recurrent.mamba.model import HookedMamba
from interp.models.recurrent.mamba2.model import HookedMamba2
from interp.tasks import CopyTask, NgramLookup
from interp.training.presets import PRESETS
from interp.training.presets.form import Preset
from interp.training.recipe import TrainConfig


def quick() -> Preset:
    training = TrainConfig(steps=2, batch=4, length=(3, 5), warmup=1, evaluate_lengths=(4,), evaluate_strings=2)
    model = {"kind": "transformer", "n_heads": 2, "d_model": 8, "position": "nope", "d_vocab": 10}
    return model, CopyTask(6), training


@pytest.fixture
def preset(monkeypatch, tmp_path):
    monkeypatch.setitem(PRESETS, "quick", quick)
    monkeypatch.setenv("INTERP_HOME", str(tmp_path / "home"))
    return "quick"


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(
        n_layer=2, n_head=2, n_embd=8, vocab_size=60, n_positions=32, bos_token_id=59, eos_token_id=58
    )
    folder = tmp_path_factory.mktemp("gpt2")
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def mambas(tmp_path_factory):
    """A Mamba and a Mamba-2 saved by transformers, and a Mamba in its authors' layout."""
    transformers = pytest.importorskip("transformers")
    shape = {"hidden_size": 8, "num_hidden_layers": 2, "vocab_size": 60, "state_size": 4}
    shape |= {"bos_token_id": 59, "eos_token_id": 58, "pad_token_id": None}
    folders = {name: tmp_path_factory.mktemp(name) for name in ("mamba", "mamba2", "original")}
    transformers.MambaForCausalLM(transformers.MambaConfig(**shape)).save_pretrained(folders["mamba"])
    heads = transformers.Mamba2Config(**shape, num_heads=4, head_dim=4, n_groups=2)
    transformers.Mamba2ForCausalLM(heads).save_pretrained(folders["mamba2"])
    wide = transformers.MambaForCausalLM(transformers.MambaConfig(**shape | {"vocab_size": 50280, "state_size": 16}))
    weights = {name.replace("embeddings", "embedding"): value for name, value in wide.state_dict().items()}
    torch.save(weights, folders["original"] / "pytorch_model.bin")
    config = {"d_model": 8, "n_layer": 2, "vocab_size": 50277, "ssm_cfg": {}}
    (folders["original"] / "config.json").write_text(json.dumps(config))
    return folders


def refusal(spec: object) -> str:
    """What the user is told, which is the user's mistake and one line."""
    with pytest.raises(UserError) as caught:
        load(spec)
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


# ---------------------------------------------------------------------- the four kinds


def test_a_preset_is_trained_once_and_kept(preset):
    first = load(preset, progress=False)
    written = (first.folder / "model.safetensors").stat().st_mtime_ns
    again = load(preset, progress=False)
    assert again.folder == first.folder
    assert (again.folder / "model.safetensors").stat().st_mtime_ns == written
    assert torch.equal(first.model.W_E, again.model.W_E)
    assert (first.trained_lengths, first.task) == ((3, 5), CopyTask(6))
    assert first.training.examples.tolist() == [4, 8]


def test_a_preset_is_trained_anew_when_that_is_asked_for(preset):
    first = load(preset, progress=False)
    written = (first.folder / "model.safetensors").stat().st_mtime_ns
    anew = load(preset, progress=False, retrain=True)
    assert (anew.folder / "model.safetensors").stat().st_mtime_ns > written
    assert torch.equal(first.model.W_E, anew.model.W_E), "the same seed trains the same model"


def test_another_seed_is_another_training(preset):
    assert not torch.equal(load(preset, progress=False).model.W_E, load(preset, seed=1, progress=False).model.W_E)


def test_a_run_folder_holds_what_the_training_left(preset):
    trained = load(preset, progress=False)
    found = load(trained.folder)
    assert torch.equal(found.model.W_E, trained.model.W_E)
    assert (found.task, found.trained_lengths, found.folder) == (trained.task, (3, 5), trained.folder)
    assert {**found.description, "spec": preset} == trained.description


def test_a_planted_model_comes_with_its_ground_truth():
    loaded = load("planted:ngram?n=2&alphabet=5")
    assert (loaded.planting.n, loaded.task) == (2, CopyTask(5))
    batch = loaded.task.sample(4, 6, torch.Generator().manual_seed(0))
    assert loaded.model(batch.tokens).shape == (4, batch.tokens.shape[1], loaded.task.vocabulary.size)
    lookups = [head for head in loaded.description["planted"]["heads"] if head["role"] == "lookup"]
    assert [head["n"] for head in lookups] == [2]


def test_a_pretrained_model_is_asked_for_random_tokens_once_more(gpt2):
    loaded = load(f"hf:{gpt2}")
    vocabulary = loaded.task.vocabulary
    batch = loaded.task.sample(5, 6, torch.Generator().manual_seed(0))
    assert batch.tokens[:, 0].eq(59).all()
    assert torch.equal(batch.tokens[:, 1:7], batch.targets[:, 6:12]), "BOS, s, s; the last letter is a target only"
    assert set(batch.tokens[:, 1:].flatten().tolist()) <= set(vocabulary.letter_ids)
    assert loaded.model(batch.tokens).shape == (5, 12, 60)
    assert loaded.trained_lengths is None


def test_letters_are_distinct_ordinary_tokens_drawn_by_the_seed(gpt2):
    model = load(f"hf:{gpt2}").model
    vocabulary = vocabulary_over(model, seed=0)
    assert len(set(vocabulary.letter_ids)) == vocabulary.n_letters == 57
    assert sorted((*vocabulary.letter_ids, vocabulary.pad)) == list(range(58)), "neither BOS nor the end token"
    assert vocabulary == vocabulary_over(model, seed=0)
    assert vocabulary != vocabulary_over(model, seed=1)


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "original"])
def test_a_pretrained_mamba_is_one_of_ours_and_asked_for_the_same(kind, mambas):
    loaded = load(f"hf:{mambas[kind]}")
    assert isinstance(loaded.model, HookedMamba2 if kind == "mamba2" else HookedMamba)
    vocabulary, batch = loaded.task.vocabulary, loaded.task.sample(5, 6, torch.Generator().manual_seed(0))
    begin, letters = (0, 1000) if kind == "original" else (59, 57)
    assert (vocabulary.bos, vocabulary.n_letters) == (begin, letters)
    assert not {58, 59} & set(vocabulary.letter_ids) or kind == "original"
    assert max(vocabulary.letter_ids) < 50277, "no row that fills up the embedding"
    logits = loaded.model(batch.tokens)
    assert logits.shape == (5, 12, loaded.model.config.d_vocab)
    cache = loaded.model.run_with_cache(batch.tokens, names_filter="blocks.1.mixer.hook_state")[1]
    assert cache["blocks.1.mixer.hook_state"].shape[:2] == (5, 12)


@pytest.mark.parametrize("kind", ["mamba", "mamba2", "original"])
def test_a_model_without_attention_is_described_without_heads(kind, mambas):
    description = load(f"hf:{mambas[kind]}").description
    assert json.loads(json.dumps(description)) == description
    assert (description["n_layers"], description["d_model"], description["origin"]) == (2, 8, "pretrained")
    assert description["config"]["kind"] == ("mamba2" if kind == "mamba2" else "mamba")
    assert not {"n_heads", "d_head"} & set(description)


@pytest.mark.parametrize("kind", ["run", "planted", "pretrained"])
def test_the_description_is_json_and_names_the_shape(kind, preset, gpt2):
    spec = {"run": preset, "planted": "planted:ngram?n=1", "pretrained": f"hf:{gpt2}"}[kind]
    description = load(spec, progress=False).description
    assert json.loads(json.dumps(description)) == description
    assert description["spec"] == spec
    assert (description["n_layers"], description["n_heads"]) == (2, {"planted": 3}.get(kind, 2))
    assert description["n_parameters"] > 0


def test_a_model_goes_to_the_device_that_is_asked_for(gpt2):
    assert load("planted:ngram?n=1", device="meta").model.W_E.is_meta
    assert str(load(f"hf:{gpt2}", device=torch.device("cpu")).model.cfg.device) == "cpu"


def test_a_step_that_a_preset_does_not_keep_is_refused_before_it_is_trained(preset, monkeypatch):
    monkeypatch.setattr("interp.loading.trained_preset", lambda *_, **__: pytest.fail("it is trained"))
    with pytest.raises(UserError, match=r"one of those that .* keeps \(none, for its recipe has no keep\); got 3"):
        load(f"{preset}@3", progress=False)


# ---------------------------------------------------------------------- what it is asked


def test_a_model_is_asked_something_else_in_the_tokens_that_it_knows(preset):
    load(preset, progress=False)
    asked = load(preset, "ngram?n=1&alphabet=4", progress=False)
    assert (type(asked.task), asked.task.n_letters, asked.description["task"]) == (NgramLookup, 4, "NgramLookup")
    batch = asked.task.sample(20, 5, 0)
    assert (batch.tokens[:, 0] == CopyTask(6).vocabulary.bos).all()
    assert int(batch.tokens.max()) < CopyTask(6).vocabulary.size
    assert asked.model(batch.tokens).isfinite().all()
    assert load(preset, "copy", progress=False).task == CopyTask(6)
    assert load(preset, CopyTask(5), progress=False).task == CopyTask(5)


def test_a_pretrained_model_gets_a_separator_where_a_task_needs_one(gpt2):
    asked = load(f"hf:{gpt2}", "ngram?n=1&alphabet=20")
    vocabulary = asked.task.vocabulary
    assert vocabulary.separator not in (vocabulary.bos, vocabulary.pad, *vocabulary.letter_ids)
    assert asked.model(asked.task.sample(3, 5, 0).tokens).shape[0] == 3
    assert load(f"hf:{gpt2}", "copy").task == load(f"hf:{gpt2}").task


@pytest.mark.parametrize(
    ("task", "told"),
    [
        ("copi", "no task is called 'copi'; the nearest known: copy"),
        ("copy?alphabet=9", "alphabet must be 2 to 5 letters of the vocabulary; got 9"),
        (CopyTask(26), "task must use the model's tokens, ids below 9; got a task over 30 tokens"),
    ],
)
def test_a_task_that_a_model_cannot_be_asked_is_refused(task, told):
    with pytest.raises(UserError) as caught:
        load("planted:ngram?n=1&alphabet=5", task)
    assert told in str(caught.value)


@pytest.mark.parametrize("kind", ["run", "planted", "pretrained", "mamba"])
def test_models_are_opened_to_be_asked_and_not_to_be_trained(kind, preset, gpt2, mambas):
    specs = {
        "run": preset,
        "planted": "planted:ngram?n=1",
        "pretrained": f"hf:{gpt2}",
        "mamba": f"hf:{mambas['mamba']}",
    }
    loaded = load(specs[kind], progress=False)
    assert not loaded.model.training
    assert len(repr(loaded)) < 200
    assert "\n" not in repr(loaded)
    assert type(loaded.model).__name__ in repr(loaded)


@torch.no_grad()
def test_transformer_lens_patches_a_loaded_model_and_finds_where_the_answer_comes_from():
    loaded = load("planted:ngram?n=2&alphabet=5")
    pair = loaded.task.contrast(8, 8, 0, place=3)  # the fourth letter, at position 4

    def difference(logits):
        return pair.logit_difference(logits).mean()

    clean, corrupted = (float(difference(loaded.model(batch.tokens))) for batch in (pair.clean, pair.corrupted))
    _, cache = loaded.model.run_with_cache(pair.clean.tokens)
    patched = patching.get_act_patch_resid_pre(loaded.model, pair.corrupted.tokens, cache, difference)
    assert patched.shape == (2, pair.clean.tokens.shape[1])
    restored = (patched[0] - corrupted) / (clean - corrupted)
    assert int(restored.argmax()) == 4
    assert float(restored[4]) > 0.8
    assert restored[[0, 1, 2]].abs().max() < 0.2


# ---------------------------------------------------------------------- what means nothing


def test_a_misspelt_preset_is_told_the_nearest_and_the_four_forms(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    message = refusal("hard-alibbi")
    assert message.startswith("no model is called 'hard-alibbi'; the nearest known: hard-alibi, alibi")
    assert "hf:hard" not in message
    assert all(form in message for form in ("a preset", "a run folder", "planted:ngram?n=3", "hf:PATH_OR_NAME"))


def test_a_path_that_leads_nowhere_is_told_so(tmp_path):
    assert refusal(tmp_path / "runs" / "none").endswith("/runs/none, where there is no folder.")


def test_a_folder_that_is_no_run_is_told_what_it_lacks(tmp_path):
    assert refusal(tmp_path) == (
        f"{tmp_path} must be a run folder; got one that lacks config.json and model.safetensors. "
        "Name the --out of a training."
    )


def test_a_run_without_weights_is_told_what_it_lacks(preset):
    folder = load(preset, progress=False).folder
    (folder / "model.safetensors").unlink()
    assert refusal(folder) == (
        f"{folder} must be a run folder; got one that lacks model.safetensors. Name the --out of a training."
    )


def test_a_file_is_no_run(tmp_path):
    (tmp_path / "weights").touch()
    assert "a run must be the folder that a training wrote; got the file" in refusal(tmp_path / "weights")


def test_a_hugging_face_folder_is_told_its_prefix(gpt2):
    assert f"Pass hf:{gpt2}." in refusal(gpt2)


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("planted:ngrams", "the nearest known: ngram"),
        ("planted:", "the nearest known: ngram"),
        ("planted:ngram?m=3", "no option of planted:ngram is called 'm'"),
        ("planted:ngram?n=three", "n of planted:ngram must be a 64-bit integer"),
        ("hf:", "must be a folder or a name"),
        ("onnx:model", "no model is called 'onnx:model'"),
        ("", "got an empty name"),
        ("gpt2", "For a model of the Hugging Face hub pass hf:gpt2."),
        ("state-spaces/mamba-130m", "For a model of the Hugging Face hub pass hf:state-spaces/mamba-130m."),
    ],
)
def test_a_specification_that_means_nothing_is_refused(spec, told):
    assert told in refusal(spec)


def test_truncated_weights_are_a_fault_and_not_the_users_mistake(preset):
    folder = load(preset, progress=False).folder
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[:-100])
    with pytest.raises(InterpError, match="damaged") as caught:
        load(folder)
    assert not isinstance(caught.value, UserError)


@pytest.mark.parametrize("device", ["mps", "tpu", "", "CPU", "cuda:-1", "\0"])
def test_a_device_that_means_nothing_is_refused(device):
    with pytest.raises(UserError, match=r"no device is called .*; the nearest known: "):
        load("planted:ngram?n=2", device=device)


@pytest.mark.parametrize("device", ["cuda:99", torch.device("cuda", 99)])
def test_a_device_that_this_machine_lacks_is_refused(device):
    with pytest.raises(UserError, match=r"device must be one of this machine, which has \d+ for CUDA; got cuda:99"):
        load("planted:ngram?n=2", device=device)


def test_a_model_with_hardly_any_ordinary_tokens_is_refused(tmp_path):
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=1, n_head=2, n_embd=8, vocab_size=20, bos_token_id=19, eos_token_id=19)
    transformers.AutoModelForCausalLM.from_config(config).save_pretrained(tmp_path)
    assert "must have at least 27 ordinary tokens for random strings; got 19" in refusal(f"hf:{tmp_path}")


@pytest.mark.parametrize(
    ("spec", "told"),
    [
        ("~nobody-of-this-name/run", "no user here has the home folder ~nobody-of-this-name"),
        ("x" * 5000, "no model is called 'xxx"),
        ("./" + "x" * 5000, "got ./xxx"),
        ("a/" * 3000, "got a/a/"),
    ],
)
def test_a_path_that_no_file_can_have_is_refused_in_a_short_sentence(spec, told):
    assert told in (said := refusal(spec))
    assert len(said) < 500


def test_what_is_neither_file_nor_folder_is_no_run(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert "got the file" in refusal(str(tmp_path / "pipe"))
