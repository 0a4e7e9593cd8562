"""What stands behind `hf:` beside a name: a revision, what the weights are held in, several devices."""

import pytest
import torch
import transformers

import interp
from interp.base.errors import InterpError, UserError
from interp.loading.pretrained import named
from interp.measure.language.heads import copy_heads, head_curve
from interp.models.surface import run

MARKS = {"vocab_size": 60, "bos_token_id": 59, "eos_token_id": 58, "hidden_size": 32, "num_hidden_layers": 2}
LLAMA = MARKS | {"num_attention_heads": 4, "num_key_value_heads": 2, "intermediate_size": 48}


@pytest.fixture(scope="module")
def llama(pretrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("llama")
    pretrained(transformers.LlamaConfig(**LLAMA), folder)
    return folder


@pytest.fixture(scope="module")
def mamba(pretrained, tmp_path_factory):
    folder = tmp_path_factory.mktemp("mamba")
    pretrained(transformers.MambaConfig(state_size=8, **MARKS), folder)
    return folder


@pytest.fixture
def batch():
    return interp.CopyTask(alphabet=20).sample(3, 8, generator=0)


def test_weights_are_held_in_single_precision_unless_asked_otherwise(llama, mamba):
    for folder in (llama, mamba):
        for text, dtype in (
            ("", torch.float32),
            ("?dtype=float64", torch.float64),
            ("?dtype=bfloat16", torch.bfloat16),
        ):
            model = interp.load(f"hf:{folder}{text}").model
            assert {parameter.dtype for parameter in model.parameters()} == {dtype}


@torch.no_grad()
def test_in_double_precision_the_answers_are_those_of_transformers(llama, batch):
    own = transformers.AutoModelForCausalLM.from_pretrained(llama, dtype=torch.float64, attn_implementation="eager")
    opened = interp.load(f"hf:{llama}?dtype=float64").model
    torch.testing.assert_close(run(opened, batch.tokens), own(batch.tokens).logits, atol=1e-9, rtol=1e-9)


def test_in_half_precision_heads_are_measured_up_to_its_rounding_which_is_said(llama, batch):
    exact, half = (interp.load(f"hf:{llama}{text}") for text in ("", "?dtype=bfloat16"))
    assert exact.description["not_measured"] == []
    assert half.description["not_measured"] == ["differences below the rounding of bfloat16, a share of 0.008"]
    assert half.description["rows_sum_to_one"] and half.description["edits_act"]
    found, want = (copy_heads(loaded.model, batch).attention for loaded in (half, exact))
    assert found.dtype == want.dtype and abs(found - want).max() < 0.05
    assert (found != want).any()
    curve = head_curve(half.model, batch, ("L0H0", "L1H3"), (0, 2), draws=1)
    assert curve.clean.tolist() == curve.without[0].tolist()


@pytest.mark.parametrize("device_map", ["auto", "balanced", "sequential"])
@torch.no_grad()
def test_a_model_laid_over_devices_answers_as_on_one(llama, batch, device_map):
    one, several = (interp.load(f"hf:{llama}{text}").model for text in ("", f"?device_map={device_map}"))
    torch.testing.assert_close(run(several, batch.tokens), run(one, batch.tokens))
    assert (copy_heads(several, batch).attention == copy_heads(one, batch).attention).all()


def test_a_question_mark_in_a_folders_name_is_its_own(llama, tmp_path):
    odd = tmp_path / "a model?dtype=none"
    odd.symlink_to(llama)
    assert named(str(odd))[0] == str(odd)
    assert interp.load(f"hf:{odd}").description["n_layers"] == 2


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("?dtype=int8", r"^dtype must be 'float32' or .*; got 'int8'"),
        ("?precision=16", r"field of a model after hf:.*'precision'"),
        ("?dtype", r"options of a model after hf: must be written name=value"),
        ("?dtype=float32&dtype=float32", r"dtype of a model after hf: must be given once"),
        ("?device_map=cpu", r"^device_map must be 'auto' or 'balanced' or 'sequential' or none; got 'cpu'"),
        ("?revision=main", r"revision must be one of a model on the hub; got 'main' of the folder"),
    ],
)
def test_what_cannot_be_asked_is_refused(llama, options, said):
    with pytest.raises(UserError, match=said):
        interp.load(f"hf:{llama}{options}")


def test_a_mamba_lies_on_one_device(mamba):
    with pytest.raises(UserError, match="must be left out for a Mamba or a hybrid, which is on one device; got 'auto'"):
        interp.load(f"hf:{mamba}?device_map=auto")


def test_a_revision_is_fetched_once_and_opened_from_the_hubs_cache(llama, monkeypatch):
    asked = []

    def fetched(name, revision, allow_patterns):
        asked.append((name, revision, "*.bin" in allow_patterns))
        return str(llama)

    monkeypatch.setattr("huggingface_hub.snapshot_download", fetched)
    loaded = interp.load("hf:someone/model?revision=step1000")
    assert asked == [("someone/model", "step1000", False)]
    assert loaded.description["spec"] == "hf:someone/model?revision=step1000"


def test_a_revision_out_of_reach_is_a_sentence():
    with pytest.raises(
        InterpError, match=r"^someone/model at v2 must be a folder or a name on the Hugging Face hub; got"
    ):
        interp.load("hf:someone/model?revision=v2")
