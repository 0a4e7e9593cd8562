"""Recurrent models of transformers that are not ours: refused with what is missing; one layer is held to ours."""

import pytest
import torch

import interp
from interp.base.errors import UserError
from interp.models import build
from interp.models.pretrained.elsewhere import LACKING

transformers = pytest.importorskip("transformers")


@pytest.mark.parametrize("kind", LACKING)
def test_each_is_refused_with_what_it_has_that_ours_lack(kind, tmp_path):
    transformers.CONFIG_MAPPING[kind]().save_pretrained(tmp_path)
    with pytest.raises(UserError) as caught:
        interp.load(f"hf:{tmp_path}")
    assert f"got one of the kind {kind}, which has {LACKING[kind]}. Choose" in str(caught.value)


@pytest.mark.parametrize(("key_heads", "value_heads"), [(2, 2), (2, 4)])
@torch.no_grad()
def test_the_gated_delta_layer_of_qwen3_next_is_ours_weight_by_weight(key_heads, value_heads):
    """Where fewer heads have keys than values, each of ours has a copy of its keys."""
    from transformers.models.qwen3_next.modeling_qwen3_next import Qwen3NextGatedDeltaNet

    d, d_key, d_value = 12, 4, 6
    config = transformers.Qwen3NextConfig(
        hidden_size=d, linear_num_key_heads=key_heads, linear_num_value_heads=value_heads, linear_key_head_dim=d_key,
        linear_value_head_dim=d_value, linear_conv_kernel_dim=4, num_hidden_layers=1, layer_types=["linear_attention"],
    )  # fmt: skip
    generator = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        theirs = Qwen3NextGatedDeltaNet(config, 0).eval()
    for parameter in theirs.parameters():
        parameter.copy_(parameter + 0.3 * torch.randn(parameter.shape, generator=generator))
    model = build({"kind": "gated_deltanet", "n_layers": 1, "d_model": d, "n_heads": value_heads, "d_key": d_key,
                   "d_value": d_value, "d_conv": 4, "norm_eps": config.rms_norm_eps})  # fmt: skip
    ours, each = model.mixers[0], value_heads // key_heads

    def repeated(rows):
        """[key_heads x d_key ...] for every head of values."""
        return rows.unflatten(0, (key_heads, d_key)).repeat_interleave(each, dim=0).flatten(0, 1)

    sizes = [d_key, d_key, each * d_value, each * d_value]
    q, k, v, gate = theirs.in_proj_qkvz.weight.unflatten(0, (key_heads, -1)).split(sizes, dim=1)
    beta, alpha = theirs.in_proj_ba.weight.unflatten(0, (key_heads, -1)).split([each, each], dim=1)
    conv = theirs.conv1d.weight[:, 0].split([key_heads * d_key, key_heads * d_key, value_heads * d_value])
    for name, value in {
        "W_q": repeated(q.flatten(0, 1)).T,
        "W_k": repeated(k.flatten(0, 1)).T,
        "W_v": v.flatten(0, 1).T,
        "W_gate": gate.flatten(0, 1).T,
        "W_beta": beta.flatten(0, 1).T,
        "W_alpha": alpha.flatten(0, 1).T,
        "b_alpha": theirs.dt_bias,
        "A_log": theirs.A_log,
        "W_conv": torch.cat([repeated(conv[0]), repeated(conv[1]), conv[2]]),
        "W_out": theirs.out_proj.weight.T,
    }.items():
        getattr(ours, name).copy_(value)
    ours.norm.w.copy_(theirs.norm.weight.repeat(value_heads))
    x = torch.randn(3, 70, d, generator=generator)
    want = theirs(x)
    # in single precision transformers' chunks of 64 are several times further from double precision than ours
    torch.testing.assert_close(ours(x), want, atol=2e-5 * float(want.abs().max()), rtol=0)


def test_a_hybrid_says_which_of_its_layers_attend():
    model = build({"kind": "hybrid", "d_model": 16, "layers": ("s4d", "attention", "mamba3", "gla")})
    assert model.recurrent_layers == (0, 2, 3) and model.attention_layers == (1,)
