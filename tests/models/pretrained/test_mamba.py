"""Tiny random Mambas, saved by transformers itself, are the truth: their logits, states and generations."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file

from interp.base.errors import InterpError, UserError
from interp.models.pretrained.bridge import begin_token, ordinary_tokens
from interp.models.pretrained.mamba import holds_mamba, load_mamba, open_mamba
from interp.models.recurrent.mamba.model import HookedMamba
from interp.models.recurrent.mamba2.model import HookedMamba2
from interp.training.step import decaying_parameters

transformers = pytest.importorskip("transformers")

SMALL = {"hidden_size": 16, "num_hidden_layers": 2, "vocab_size": 21, "state_size": 4}
HEADS = SMALL | {"num_heads": 4, "head_dim": 8, "n_groups": 1, "chunk_size": 4}
SHAPES: dict[str, tuple[str, dict[str, Any]]] = {
    "small": ("Mamba", SMALL),
    "biases": ("Mamba", SMALL | {"use_bias": True, "use_conv_bias": False, "tie_word_embeddings": False}),
    "wide": ("Mamba", SMALL | {"state_size": 16, "expand": 3, "conv_kernel": 2, "time_step_rank": 5}),
    "narrow": ("Mamba", SMALL | {"expand": 1, "conv_kernel": 3, "hidden_size": 24, "layer_norm_epsilon": 0.1}),
    "falcon": ("FalconMamba", SMALL),
    "falcon biases": ("FalconMamba", SMALL | {"use_bias": True, "mixer_rms_eps": 0.1, "tie_word_embeddings": False}),
    "heads": ("Mamba2", HEADS),
    "head biases": ("Mamba2", HEADS | {"use_bias": True, "use_conv_bias": False, "tie_word_embeddings": True}),
    "groups": ("Mamba2", HEADS | {"n_groups": 2, "state_size": 16, "conv_kernel": 2, "chunk_size": 32}),
    "one head": ("Mamba2", HEADS | {"num_heads": 1, "head_dim": 32, "use_bias": True, "layer_norm_epsilon": 0.1}),
    "limits": ("Mamba2", HEADS | {"expand": 3, "num_heads": 6, "time_step_limit": (0.3, 0.9)}),
}
MAMBA = [name for name, (kind, _) in SHAPES.items() if kind != "Mamba2"]


def made(kind: str, shape: dict[str, Any]) -> Any:
    """A model with every parameter away from its starting value, so that leaving one out shows."""
    config = getattr(transformers, f"{kind}Config")(**shape)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = getattr(transformers, f"{kind}ForCausalLM")(config).eval()
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.add_(0.3 * torch.randn(parameter.shape))
    return model


@pytest.fixture(scope="module")
def theirs() -> dict[str, Any]:
    return {name: made(kind, shape) for name, (kind, shape) in SHAPES.items()}


@pytest.fixture(scope="module")
def folders(theirs, tmp_path_factory) -> dict[str, Path]:
    folders = {name: tmp_path_factory.mktemp(name.replace(" ", "-")) for name in theirs}
    for name, model in theirs.items():
        model.save_pretrained(folders[name])
    return folders


@pytest.fixture
def tokens() -> torch.Tensor:
    return torch.randint(0, 21, (3, 19), generator=torch.Generator().manual_seed(1))


@pytest.fixture
def folder(folders, tmp_path) -> Path:
    """A copy of the small Mamba, to be damaged."""
    return copied(folders["small"], tmp_path)


def copied(source: Path, target: Path) -> Path:
    for file in source.iterdir():
        (target / file.name).write_bytes(file.read_bytes())
    return target


def change_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def change_weights(folder: Path, **changes: torch.Tensor | None) -> None:
    """None takes a tensor away."""
    tensors = load_file(folder / "model.safetensors") | changes
    save_file({name: tensor for name, tensor in tensors.items() if tensor is not None}, folder / "model.safetensors")


def refusal(folder: object, kind: type[InterpError] = UserError) -> str:
    with pytest.raises(kind) as caught:
        load_mamba(folder)
    message = str(caught.value)
    assert type(caught.value) is kind
    assert caught.value.__suppress_context__ or caught.value.__context__ is None, "no chain of tracebacks"
    assert "\n" not in message and message.endswith(".")
    return message


# ---------------------------------------------------------------------- what transformers saves


@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_logits_are_those_of_transformers(name, theirs, folders, tokens):
    ours = load_mamba(folders[name])
    assert isinstance(ours, HookedMamba if name in MAMBA else HookedMamba2)
    assert ours.dtype == torch.float32 and not ours.training
    want = theirs[name](tokens).logits
    assert want.std() > 0.5
    torch.testing.assert_close(ours(tokens), want, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", SHAPES)
@torch.no_grad()
def test_the_state_after_a_string_is_that_of_transformers(name, theirs, folders, tokens):
    ours = load_mamba(folders[name])
    past = ours.new_past()
    ours(tokens, past=past)
    cache = theirs[name](tokens, use_cache=True).cache_params
    for own, layer in zip(past, cache.layers, strict=True):
        torch.testing.assert_close(own.parts["h"], layer.recurrent_states[0], atol=1e-5, rtol=1e-5)
        window = layer.conv_states[0][:, :, 1:].mT  # theirs holds one input more than the next step needs
        torch.testing.assert_close(own.parts["window"], window, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize(
    "name", [name for name in SHAPES if name != "limits"]
)  # whose single steps transformers leaves
@torch.no_grad()
def test_free_running_generation_is_that_of_transformers(name, theirs, folders, tokens):
    prompt = tokens[:, :5]
    want = theirs[name].generate(
        prompt, attention_mask=torch.ones_like(prompt), max_new_tokens=12, do_sample=False, eos_token_id=None
    )
    assert len(want[:, 5:].unique()) > 3
    assert torch.equal(load_mamba(folders[name]).generate(prompt, 12), want)


@torch.no_grad()
def test_weights_in_half_precision_and_in_shards_are_read(tmp_path, tokens):
    half = made("Mamba", SMALL).half()
    half.save_pretrained(tmp_path, max_shard_size="4KB")
    assert len(list(tmp_path.glob("model-*.safetensors"))) > 1
    ours = load_mamba(tmp_path)
    assert ours.dtype == torch.float32
    torch.testing.assert_close(ours(tokens), half.float()(tokens).logits, atol=1e-5, rtol=1e-5)


def test_the_config_is_taken_over_so_that_an_untrained_model_can_be_drawn(tmp_path):
    shape = SMALL | {"time_step_min": 0.01, "time_step_max": 0.2, "time_step_floor": 0.02, "initializer_range": 0.3}
    made("Mamba", shape).save_pretrained(tmp_path)
    config = load_mamba(tmp_path).config
    assert (config.dt_min, config.dt_max, config.dt_floor, config.embedding_std) == (0.01, 0.2, 0.02, 0.3)
    assert (config.channels, config.rank, config.d_state, config.tied) == (32, 1, 4, True)


@pytest.mark.parametrize("name", ["biases", "groups"])
@torch.no_grad()
def test_a_loaded_model_saves_its_own_and_learns_like_its_own(name, folders, tmp_path, tokens):
    ours = load_mamba(folders[name])
    again = type(ours).from_pretrained(ours.save_pretrained(tmp_path / "own"))
    assert torch.equal(again(tokens), ours(tokens)) and again.config == ours.config
    decaying = decaying_parameters(type(ours)(ours.config))
    assert decaying_parameters(ours) == decaying_parameters(again) == decaying
    assert any("W_out" in name for name in decaying) and not any("A_log" in name for name in decaying)


def test_loading_draws_nothing(folders):
    before = torch.get_rng_state()
    assert torch.equal(load_mamba(folders["small"]).W_E, load_mamba(folders["small"]).W_E)
    assert torch.equal(torch.get_rng_state(), before)


def test_a_model_goes_to_the_device_that_is_asked_for(folders):
    assert load_mamba(folders["small"], "meta").W_E.is_meta


# ---------------------------------------------------------------------- the authors' layout


def originals(model: Any, folder: Path, binary: bool, **changes: Any) -> Path:
    """Save a transformers model as mamba_ssm does, whose state dict has a tied embedding twice."""
    c, mamba2 = model.config, model.config.model_type == "mamba2"
    ssm = {"d_state": c.state_size, "d_conv": c.conv_kernel, "expand": c.expand}
    ssm |= {"bias": c.use_bias, "conv_bias": c.use_conv_bias}
    if mamba2:
        ssm |= {"layer": "Mamba2", "headdim": c.head_dim, "ngroups": c.n_groups, "chunk_size": c.chunk_size}
        ssm |= {"dt_limit": list(c.time_step_limit)}
    else:
        ssm |= {"dt_rank": c.time_step_rank}
    config = {"d_model": c.hidden_size, "n_layer": c.num_hidden_layers, "vocab_size": c.vocab_size, "ssm_cfg": ssm}
    config |= {"rms_norm": True, "residual_in_fp32": True, "fused_add_norm": True, "pad_vocab_size_multiple": 1}
    config |= {"tie_embeddings": c.tie_word_embeddings, "attn_layer_idx": [], "attn_cfg": {}, "d_intermediate": 0}
    (folder / "config.json").write_text(json.dumps(config | changes))
    tensors = {name.replace("embeddings", "embedding"): tensor for name, tensor in model.state_dict().items()}
    if binary:
        torch.save(tensors, folder / "pytorch_model.bin")
    else:
        if c.tie_word_embeddings:
            del tensors["lm_head.weight"]
        save_file(tensors, folder / "model.safetensors")
    return folder


@pytest.mark.parametrize("binary", [True, False], ids=["bin", "safetensors"])
@pytest.mark.parametrize("name", [n for n in SHAPES if "falcon" not in n and "layer_norm_epsilon" not in SHAPES[n][1]])
@torch.no_grad()
def test_the_authors_layout_gives_the_same_logits(name, binary, theirs, tokens, tmp_path):
    ours = load_mamba(originals(theirs[name], tmp_path, binary))
    torch.testing.assert_close(ours(tokens), theirs[name](tokens).logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_what_the_authors_config_leaves_out_is_as_their_code_has_it(tokens, tmp_path):
    model = made("Mamba", SMALL | {"state_size": 16, "vocab_size": 24})
    originals(model, tmp_path, binary=True)
    (tmp_path / "config.json").write_text(json.dumps({"d_model": 16, "n_layer": 2, "vocab_size": 21, "ssm_cfg": {}}))
    ours = load_mamba(tmp_path)
    assert ours.config.d_vocab == 24, "filled up to a multiple of 8, and the rows kept"
    torch.testing.assert_close(ours(tokens), model(tokens).logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_of_mamba_2_too(tokens, tmp_path):
    shape = {"hidden_size": 64, "num_heads": 2, "head_dim": 64, "state_size": 128, "tie_word_embeddings": True}
    model = made("Mamba2", HEADS | shape | {"vocab_size": 24})
    originals(model, tmp_path, binary=True)
    config = {"d_model": 64, "n_layer": 2, "vocab_size": 21, "ssm_cfg": {"layer": "Mamba2"}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    torch.testing.assert_close(load_mamba(tmp_path)(tokens), model(tokens).logits, atol=1e-5, rtol=1e-5)


@torch.no_grad()
def test_a_layer_norm_stands_where_the_authors_config_asks_for_no_rms_norm(tokens, tmp_path):
    model = made("Mamba", SMALL)
    normed = [*model.backbone.layers, model.backbone]
    for module in normed:
        norm = torch.nn.LayerNorm(16)
        norm.weight.add_(torch.randn(16, generator=torch.Generator().manual_seed(2)))
        norm.bias.add_(torch.randn(16, generator=torch.Generator().manual_seed(3)))
        setattr(module, "norm_f" if module is model.backbone else "norm", norm)
    ours = load_mamba(originals(model, tmp_path, binary=False, rms_norm=False))
    torch.testing.assert_close(ours(tokens), model(tokens).logits, atol=1e-5, rtol=1e-5)


def test_the_rows_that_fill_up_the_embedding_are_no_ordinary_tokens(theirs, tmp_path):
    originals(theirs["small"], tmp_path, True, vocab_size=19, pad_vocab_size_multiple=7)
    model, known = open_mamba(tmp_path)
    assert (model.config.d_vocab, ordinary_tokens(known)) == (21, list(range(19)))
    with pytest.raises(UserError, match="must name a token that begins a text"):
        begin_token(known)


def test_a_vocabulary_of_gpt_neoxs_size_begins_with_its_end_of_text(tmp_path):
    model = made("Mamba", SMALL | {"vocab_size": 50280, "hidden_size": 2, "num_hidden_layers": 1})
    known = open_mamba(originals(model, tmp_path, True, vocab_size=50277, pad_vocab_size_multiple=8))[1]
    assert begin_token(known) == 0
    assert ordinary_tokens(known) == list(range(2, 50277))


def test_a_tokenizer_beside_the_authors_layout_says_where_a_text_begins(theirs, tmp_path):
    tokenizers = pytest.importorskip("tokenizers")
    backend = tokenizers.Tokenizer(tokenizers.models.WordLevel({f"w{i}": i for i in range(15)}, unk_token="w0"))
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=backend, eos_token="w7", unk_token="w0")
    tokenizer.save_pretrained(tmp_path)
    known = open_mamba(originals(theirs["small"], tmp_path, True))[1]
    assert begin_token(known) == 7
    assert ordinary_tokens(known) == [i for i in range(15) if i not in (0, 7)]


# ---------------------------------------------------------------------- weights that do not belong to the config


def test_missing_weights_are_named(folder):
    change_weights(folder, **{"backbone.layers.1.mixer.A_log": None, "backbone.norm_f.weight": None})
    told = refusal(folder)
    assert "got none for backbone.layers.1.mixer.A_log, backbone.norm_f.weight." in told


def test_of_many_missing_or_surplus_weights_six_are_named(folder):
    change_config(folder, num_hidden_layers=3)
    assert refusal(folder).count("backbone.layers.2.") == 6
    change_config(folder, num_hidden_layers=1)
    assert refusal(folder).count("backbone.layers.1.") == 6


def test_surplus_weights_are_named(folder):
    change_weights(folder, **{"backbone.layers.0.mixer.b_norm.weight": torch.ones(4)})
    assert "got backbone.layers.0.mixer.b_norm.weight, which it does not ask for" in refusal(folder)


def test_a_bias_that_the_config_does_not_have_is_surplus(folders, tmp_path):
    change_config(copied(folders["biases"], tmp_path), use_bias=False)
    told = refusal(tmp_path)
    assert "backbone.layers.0.mixer.in_proj.bias, backbone.layers.0.mixer.out_proj.bias" in told


@pytest.mark.parametrize(
    ("name", "changes", "tensor", "shapes", "field"),
    [
        ("small", {"state_size": 8}, "mixer.A_log", "[32, 8]; got [32, 4]", "state_size"),
        ("small", {"hidden_size": 8}, "embeddings.weight", "[21, 8]; got [21, 16]", "hidden_size"),
        ("small", {"vocab_size": 24}, "embeddings.weight", "[24, 16]; got [21, 16]", "vocab_size"),
        ("small", {"conv_kernel": 3}, "conv1d.weight", "[32, 1, 3]; got [32, 1, 4]", "conv_kernel"),
        ("small", {"time_step_rank": 3}, "dt_proj.weight", "[32, 3]; got [32, 1]", "step_rank"),
        ("small", {"intermediate_size": 48}, "mixer.A_log", "[48, 4]; got [32, 4]", "expand"),
        ("heads", {"state_size": 8}, "conv1d.weight", "[48, 1, 4]; got [40, 1, 4]", "state_size"),
        ("heads", {"num_heads": 2, "head_dim": 16}, "A_log", "[2]; got [4]", "num_heads"),
        ("heads", {"expand": 4, "head_dim": 16}, "norm.weight", "[64]; got [32]", "expand"),
    ],
)  # fmt: skip
def test_a_weight_of_another_shape_names_itself_both_shapes_and_the_field(
    name, changes, tensor, shapes, field, folders, tmp_path
):
    change_config(copied(folders[name], tmp_path), **changes)
    told = refusal(tmp_path)
    assert tensor in told and shapes in told.replace(" that the config asks for", "")
    assert field in told.partition("Check its ")[2]
    assert sum(f in told.partition("Check its ")[2] for f in ("state_size", "hidden_size", "conv_kernel", "rank")) <= 1


def test_a_weight_with_another_number_of_axes_is_refused(folder):
    change_weights(folder, **{"backbone.layers.0.mixer.conv1d.weight": torch.ones(32, 4)})
    assert "conv1d.weight" in refusal(folder)


def test_an_unembedding_that_is_not_the_embedding_is_not_tied(folder, theirs):
    change_weights(folder, **{"lm_head.weight": theirs["small"].get_input_embeddings().weight.detach().clone()})
    load_mamba(folder)
    change_weights(folder, **{"lm_head.weight": torch.ones(21, 16)})
    assert "as the config ties them" in refusal(folder)


def test_an_untied_model_needs_its_unembedding(folders, tmp_path):
    change_weights(copied(folders["biases"], tmp_path), **{"lm_head.weight": None})
    assert "got none for lm_head.weight" in refusal(tmp_path)


# ---------------------------------------------------------------------- models that ours are not


def test_a_model_of_another_kind_is_refused_by_its_name(folder):
    for kind in ("bamba", "jamba", "gpt2"):
        change_config(folder, model_type=kind)
        assert f"got one of the kind {kind}." in refusal(folder)
        assert not holds_mamba(folder)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"hidden_act": "gelu"}, "hidden_act must be silu; got gelu"),
        ({"state_size": 0}, "d_state must be an integer from 1"),
        ({"state_size": "four"}, "state_size"),
        ({"time_step_max": 0.0001}, "dt_min at most dt_max"),
    ],
)
def test_a_config_that_cannot_be_is_refused(changes, told, folder):
    change_config(folder, **changes)
    assert "must describe a model that can be opened" in refusal(folder)
    assert told in refusal(folder)


def test_heads_that_do_not_fill_the_channels_are_refused(folders, tmp_path):
    change_config(copied(folders["heads"], tmp_path), num_heads=3)
    assert "must equal num_heads * head_dim" in refusal(tmp_path)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"attn_layer_idx": [1]}, "attn_layer_idx must be left out, as it asks for attention layers"),
        ({"d_intermediate": 64}, "d_intermediate must be left out, as it asks for MLPs"),
        ({"moe": True}, "no option of the original layout is called 'moe'"),
        ({"n_layer": 2.5}, "n_layer must be an integer of at least 1; got 2.5"),
        ({"pad_vocab_size_multiple": 0}, "pad_vocab_size_multiple must be an integer"),
        ({"ssm_cfg": "Mamba2"}, "must describe a model"),
        ({"ssm_cfg": {"layer": "Mamba3"}}, "no layer of ssm_cfg is called 'Mamba3'"),
        ({"ssm_cfg": {"headdim": 8}}, "no option of Mamba1 in ssm_cfg is called 'headdim'"),
        ({"ssm_cfg": {"d_state": "auto"}}, "d_state must be an integer of at least 1; got 'auto'"),
        ({"ssm_cfg": {"expand": 1.5}}, "expand must be an integer of at least 1; got 1.5"),
        ({"ssm_cfg": {"layer": "Mamba2", "norm_before_gate": True}}, "norm_before_gate in ssm_cfg must be"),
        ({"ssm_cfg": {"layer": "Mamba2", "rmsnorm": False}}, "rmsnorm in ssm_cfg must be True; got False"),
        ({"ssm_cfg": {"layer": "Mamba2", "D_has_hdim": True}}, "D_has_hdim in ssm_cfg must be False; got True"),
        ({"ssm_cfg": {"layer": "Mamba2", "d_ssm": 8}}, "d_ssm in ssm_cfg must be None; got 8"),
    ],
)  # fmt: skip
def test_options_of_the_authors_layout_that_ours_lacks_are_refused_by_name(changes, told, theirs, tmp_path):
    assert told in refusal(originals(theirs["small"], tmp_path, True, **changes))


def test_options_that_only_choose_how_it_is_computed_are_passed_over(theirs, tmp_path):
    originals(theirs["small"], tmp_path, True)
    config = json.loads((tmp_path / "config.json").read_text())
    change_config(
        tmp_path, ssm_cfg=config["ssm_cfg"] | {"use_fast_path": False, "dt_init": "constant"}, attn_cfg={"a": 1}
    )
    load_mamba(tmp_path)


# ---------------------------------------------------------------------- files


def test_a_folder_without_config_or_weights_holds_no_model(folder):
    (folder / "model.safetensors").unlink()
    told = refusal(folder)
    assert "must hold a whole Hugging Face model; got one without model.safetensors or pytorch_model.bin" in told
    (folder / "config.json").unlink()
    assert "got one without config.json" in refusal(folder)


def test_a_config_that_is_no_json_is_damaged(folder):
    (folder / "config.json").write_text("{")
    assert "must be JSON" in refusal(folder, InterpError)


def test_a_config_that_describes_nothing_is_refused(folder):
    for text in ("[]", "{}", '{"d_model": 16}'):
        (folder / "config.json").write_text(text)
        assert "got a config of neither" in refusal(folder)


def test_truncated_weights_are_damaged(folder, theirs, tmp_path_factory):
    original = originals(theirs["small"], tmp_path_factory.mktemp("original"), True)
    for file in (folder / "model.safetensors", original / "pytorch_model.bin"):
        file.write_bytes(file.read_bytes()[:-100])
        assert f"the weights in {file} must be a whole file; got a damaged one" in refusal(file.parent, InterpError)
        file.write_bytes(b"")
        assert f"the weights in {file} must be a whole file; got a damaged one" in refusal(file.parent, InterpError)


def test_a_pickle_of_more_than_tensors_is_not_run(theirs, tmp_path):
    class Trap:
        def __reduce__(self):
            return (tmp_path / "sprung").touch, ()

    originals(theirs["small"], tmp_path, True)
    torch.save({"trap": Trap()}, tmp_path / "pytorch_model.bin")
    refusal(tmp_path, InterpError)
    assert not (tmp_path / "sprung").exists()
    torch.save([torch.ones(2)], tmp_path / "pytorch_model.bin")
    assert "tensors by their names; got something else" in refusal(tmp_path)


def test_a_shard_that_is_not_there_is_named(theirs, tmp_path):
    theirs["small"].save_pretrained(tmp_path, max_shard_size="4KB")
    shard = sorted(tmp_path.glob("model-*.safetensors"))[1]
    shard.unlink()
    assert f"got one without {shard.name}" in refusal(tmp_path)
    (tmp_path / "model.safetensors.index.json").write_text("{}")
    assert "the files of the weights (weight_map); got none" in refusal(tmp_path, InterpError)


# ---------------------------------------------------------------------- the hub


@pytest.mark.parametrize(
    ("name", "why"),
    [("/no/such/folder", "/no/such/folder must be a folder or a name"), ("two words", "no name that the hub allows")],
)
def test_a_model_that_is_nowhere_is_the_users_mistake(name, why):
    assert why in refusal(name)


def test_a_hub_out_of_reach_is_not_the_users_mistake(monkeypatch, tmp_path):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.chdir(tmp_path)
    assert "hub could not be reached" in refusal("someone/some-mamba", InterpError)


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Stands for the hub: what it does when asked for a file, by the file's name."""
    answers: dict[str, Any] = {}

    def download(_: str, file: str, **__: Any) -> str:
        answer = answers.get(file, huggingface_hub.errors.EntryNotFoundError("no"))
        if isinstance(answer, Exception):
            raise answer
        return str(answer)

    huggingface_hub = pytest.importorskip("huggingface_hub")
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", download)
    monkeypatch.chdir(tmp_path)
    return answers


@torch.no_grad()
def test_a_model_on_the_hub_is_read_from_the_files_that_it_has(hub, theirs, tmp_path, tokens):
    originals(theirs["small"], tmp_path, True)
    errors = pytest.importorskip("huggingface_hub").errors
    hub |= {name: tmp_path / name for name in ("config.json", "pytorch_model.bin")}
    hub["model.safetensors"] = errors.LocalEntryNotFoundError("not in the cache, and the hub is out of reach")
    ours = load_mamba("someone/some-mamba")
    torch.testing.assert_close(ours(tokens), theirs["small"](tokens).logits, atol=1e-5, rtol=1e-5)
    del hub["pytorch_model.bin"]
    assert "hub could not be reached" in refusal("someone/some-mamba", InterpError)
    del hub["model.safetensors"]
    assert "someone/some-mamba on the Hugging Face hub must have model.safetensors or" in refusal("someone/some-mamba")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("RepositoryNotFoundError", "got neither. Check the name"),
        ("GatedRepoError", "must be accepted on the Hugging Face hub"),
    ],
)
def test_what_the_hub_refuses_is_told_in_a_sentence(kind, told, hub):
    httpx, errors = pytest.importorskip("httpx"), pytest.importorskip("huggingface_hub").errors
    response = httpx.Response(404, request=httpx.Request("HEAD", "https://hub"))
    hub["config.json"] = getattr(errors, kind)("no", response=response)
    assert told in refusal("someone/some-mamba")
