"""A model on disk comes back equal, or is refused in one sentence; what was there before survives a full disk."""

import copy
import json
import pickle
import resource
from contextlib import contextmanager

import pytest
import torch
from safetensors.torch import load_file, save_file

from interp.base.errors import InterpError, UserError
from interp.models import build
from interp.models.transformer import HookedTransformer, TransformerConfig


@pytest.fixture
def saved(tiny, tmp_path):
    return tiny(d_mlp=8, position="rope", normalization="LN").float().save_pretrained(tmp_path / "model")


def weights(folder):
    return folder / "model.safetensors"


@contextmanager
def full_disk(room: int):
    """No file may grow past `room` bytes; the system's own error, as on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def refused(folder, kind, match, load=HookedTransformer.from_pretrained):
    with pytest.raises(kind, match=match) as caught:
        load(folder)
    assert type(caught.value) is kind and "\n" not in str(caught.value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_model_comes_back_equal(tiny, tokens, tmp_path, dtype):
    for shape in ({"d_mlp": 8}, {"position": "learned", "windows": None, "normalization": "LN"}):
        model = tiny(**shape).to(dtype)
        again = HookedTransformer.from_pretrained(model.save_pretrained(tmp_path / "m"))
        assert again.config == model.config and again.dtype == dtype
        assert torch.equal(again(tokens), model(tokens))


def test_a_copy_of_a_model_is_its_own(tiny, tokens):
    model = tiny()
    expected = model(tokens)
    for copied in (copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert torch.equal(copied(tokens), expected)
        with torch.no_grad():
            copied.W_E.zero_()
        copied.add_hook("hook_embed", lambda x, **_: 0 * x)
        assert not torch.equal(copied(tokens), expected) and torch.equal(model(tokens), expected)


def test_a_config_builds_the_same_model_from_the_same_seed_only(tokens):
    config = {"kind": "transformer", "n_heads": 4, "d_model": 16, "windows": [1, 2, None, None]}
    one, same, other = build(config, seed=3), build(config, seed=3), build(config, seed=4)
    assert one.config.windows == (1, 2, None, None)
    assert torch.equal(one(tokens), same(tokens)) and not torch.equal(one(tokens), other(tokens))
    assert json.loads(json.dumps(one.config_dict())) == {**one.config_dict(), "windows": [1, 2, None, None]}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"kind": "transfomer"}, "no kind of model is called 'transfomer'; the nearest known: transformer"),
        ({}, "no kind of model is called 'None'"),
        (
            {"kind": "transformer", "d_modle": 3, "position": "nope"},
            "is called 'd_modle'; the nearest known: d_model",
        ),
        (
            {"kind": "transformer", "position": "nope", "d_model": 30},
            "must be a multiple of n_heads; got 30 and 8",
        ),
    ],
)
def test_a_config_that_is_none_is_refused(tmp_path, config, message):
    (tmp_path / "config.json").write_text(json.dumps({"model": config}))
    refused(tmp_path, UserError, message)


@pytest.mark.parametrize(
    ("text", "kind", "message"),
    [
        ("{", InterpError, "must be JSON"),
        ('"model"', UserError, "must describe a model"),
        ('{"model": 3}', UserError, "must describe a model"),
        ('{"model": {"kind": "transformer", "position": "nope", "n_heads": "eight"}}', UserError, "eight"),
    ],
)
def test_a_config_file_that_is_damaged_is_refused(tmp_path, text, kind, message):
    (tmp_path / "config.json").write_text(text)
    refused(tmp_path, kind, message)


def test_a_folder_without_a_model_is_refused(saved, tmp_path):
    refused(tmp_path / "nowhere", UserError, "no such file")
    weights(saved).unlink()
    refused(saved, UserError, "weights must be at .*; got no such file")


def test_a_file_that_is_cut_short_is_refused(saved):
    content = weights(saved).read_bytes()
    for kept in (0, 4, 100, len(content) // 2, len(content) - 1):
        weights(saved).write_bytes(content[:kept])
        refused(saved, InterpError, "the model's weights at .* must be a whole file; got a damaged one")


def test_a_single_changed_bit_is_noticed_wherever_it_is(saved):
    content = weights(saved).read_bytes()
    for at in range(0, len(content), len(content) // 40):
        changed = bytearray(content)
        changed[at] ^= 4
        weights(saved).write_bytes(changed)
        with pytest.raises(InterpError) as caught:
            HookedTransformer.from_pretrained(saved)
        assert "\n" not in str(caught.value)


def test_weights_of_another_model_are_refused(saved):
    tensors = load_file(weights(saved))
    for change, message in (
        (lambda t: t.pop("blocks.1.attn.W_O"), "got none for its blocks.1.attn.W_O"),
        (lambda t: t.update(extra=torch.ones(2)), "got extra, which it does not have"),
        (
            lambda t: t.update(**{"embed.W_E": torch.ones(12, 16)}),
            r"embed.W_E in .* the shape \[11, 16\] that this model has; got \[12, 16\]",
        ),
    ):
        other = dict(tensors)
        change(other)
        save_file(other, weights(saved))
        refused(saved, UserError, message)
    save_file(tensors, weights(saved))  # written by somebody else, without our checksum
    HookedTransformer.from_pretrained(saved)


@pytest.mark.parametrize("room", [0, 100, 5000])
def test_a_full_disk_leaves_the_model_that_was_there(tiny, saved, room, tokens):
    before = HookedTransformer.from_pretrained(saved)(tokens)
    with full_disk(room), pytest.raises(InterpError, match=r"must be writable.*What was there before is unchanged"):
        tiny(d_model=64).save_pretrained(saved)
    assert torch.equal(HookedTransformer.from_pretrained(saved)(tokens), before)
    assert sorted(path.name for path in saved.iterdir()) == ["config.json", "model.safetensors"]


def test_a_model_of_another_class_is_refused(saved):
    class Other(HookedTransformer):
        pass

    refused(saved, UserError, "must hold a Other; got a HookedTransformer", Other.from_pretrained)


def test_the_starting_weights_have_unit_scale():
    model = HookedTransformer(TransformerConfig(d_mlp=512, windows=(None,) * 8, d_vocab=500))
    for name, fan_in in {"attn.W_QKV": 128, "attn.W_O": 128, "mlp.W_in": 128, "mlp.W_out": 512}.items():
        weight = model.get_parameter(f"blocks.0.{name}")
        assert abs(weight.std() * fan_in**0.5 - 1) < 0.02, name
    assert abs(model.W_E.std() - 1) < 0.02 and not model.b_U.any() and not model.blocks[0].attn.b_QKV.any()
    assert model.n_parameters == sum(p.numel() for p in model.parameters()) > 400_000
