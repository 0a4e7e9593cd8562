"""Hidden attention must be the layer: it reproduces its output, is its Jacobian, and is what a closed form says."""

from itertools import product

import pytest
import torch
from einops import einsum
from torch.utils._python_dispatch import TorchDispatchMode

from interp.base.budget import Budget
from interp.base.errors import UserError
from interp.models.hidden_attention import pattern as module
from interp.models.hidden_attention.layer import ReadLayer, needed
from interp.models.hidden_attention.pattern import decompose, hidden_attention, hidden_pattern, pattern_rows
from interp.models.hidden_attention.recurrence import Recurrence
from interp.models.recurrent.mamba.model import HookedMamba, MambaConfig
from interp.models.recurrent.mamba2.model import HookedMamba2, Mamba2Config
from interp.models.recurrent.model import RecurrentModel
from interp.models.scan.conv import causal_conv

MODELS = {
    "mamba": (HookedMamba, MambaConfig(d_model=8, d_state=3, d_vocab=11, bias=True)),
    "mamba, no conv bias": (HookedMamba, MambaConfig(d_model=8, d_state=3, d_vocab=11, conv_bias=False, d_conv=2)),
    "mamba2": (HookedMamba2, Mamba2Config(d_model=8, d_state=3, d_head=4, d_vocab=11, bias=True)),
    "mamba2, groups": (HookedMamba2, Mamba2Config(d_model=8, d_state=3, d_head=4, d_vocab=11, n_groups=2)),
}
OPTIONS = [
    dict(zip(("through_conv", "gated", "direct"), values, strict=True)) for values in product((False, True), repeat=3)
]
each_model = pytest.mark.parametrize("kind", MODELS)
each_option = pytest.mark.parametrize("options", OPTIONS, ids=lambda o: " ".join(k for k, v in o.items() if v) or "-")


def make(kind: str, dtype: torch.dtype = torch.float64) -> RecurrentModel:
    model_class, config = MODELS[kind]
    model, generator = model_class(config, seed=1).to(dtype), torch.Generator().manual_seed(2)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator).to(dtype))
    return model


def strings(length: int, n: int = 2) -> torch.Tensor:
    return torch.randint(0, 11, (n, length), generator=torch.Generator().manual_seed(3))


def hold(model: RecurrentModel, **values: torch.Tensor | float) -> None:
    """Hook points of layer 0 that give these values whatever comes in."""
    for name, value in values.items():
        name = f"blocks.0.mixer.{name.replace('norm_', 'norm.')}"
        model.add_hook(name, lambda tensor, hook, value=value: torch.zeros_like(tensor) + value)  # noqa: ARG005


# ---------------------------------------------------------------------- what it is


@pytest.mark.parametrize("length", [5, 70])
@each_model
def test_with_a_constant_decay_it_is_the_closed_form(kind, length):
    model = make(kind)
    hold(model, hook_delta=0.2, hook_B=0.5, hook_C=3.0)
    alpha = hidden_attention(model, strings(length), 0)
    mixer = model.blocks[0].mixer
    each = alpha.shape[1] // len(mixer.D)
    at = torch.arange(length, dtype=torch.float64)
    apart = (at[:, None] - at)[None, :, :, None]
    rates = mixer.A[:, None, None] if mixer.A.ndim == 2 else mixer.A[:, None, None, None].expand(-1, -1, -1, 3)
    expected = (0.2 * 0.5 * 3.0 * (rates * 0.2 * apart).exp()).sum(dim=-1).tril()
    expected = (expected + mixer.D[:, None, None] * torch.eye(length)).repeat_interleave(each, dim=0)
    torch.testing.assert_close(alpha, expected.detach().expand_as(alpha), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("dtype", "within"), [(torch.float64, 1e-10), (torch.float32, 1e-5)])
@each_option
@each_model
def test_multiplied_with_the_inputs_it_reproduces_the_layers_output(kind, options, dtype, within):
    model = make(kind, dtype)
    for layer in range(2):
        found = decompose(model, strings(40), layer, **options)
        name = f"blocks.{layer}.mixer.hook_{'gated' if options['gated'] else 'y'}"
        real = model.run_with_cache(strings(40), names_filter=name)[1][name].flatten(2)
        again = einsum(found.alpha, found.inputs, "b c q k, b k c -> b q c") + found.remainder
        torch.testing.assert_close(again, real, rtol=0, atol=within * float(real.abs().max()))
        assert found.remainder.any() == ((options["through_conv"] and "no conv" not in kind) or not options["direct"])


@each_option
@each_model
def test_it_is_the_jacobian_with_step_sizes_and_factors_held(kind, options):
    model, tokens, last = make(kind), strings(6, 1), {}
    mixer = model.blocks[0].mixer
    names = [*needed(mixer), "hook_gated" if options["gated"] else "hook_y"]
    _, cache = model.run_with_cache(tokens, names_filter=[f"blocks.0.mixer.{name}" for name in names])
    values = {name: cache[f"blocks.0.mixer.{name}"] for name in names}
    hold(
        model,
        **{name.replace(".", "_"): values[name] for name in names if name.endswith(("delta", "_B", "_C", "scale"))},
    )
    n = len(mixer.W_out)
    factor = values["hook_conv"][..., :n].sigmoid()
    bias = None if mixer.b_conv is None else mixer.b_conv[:n]

    def output(given: torch.Tensor) -> torch.Tensor:
        u = causal_conv(given, mixer.W_conv[:n], bias)[0] * factor if options["through_conv"] else given
        put = u.reshape(values["hook_u"].shape)
        hooks = [
            ("blocks.0.mixer.hook_u", lambda tensor, hook: put),  # noqa: ARG005
            (f"blocks.0.mixer.{names[-1]}", lambda tensor, hook: last.update(out=tensor)),  # noqa: ARG005
        ]
        model.run_with_hooks(tokens, fwd_hooks=hooks)
        direct = 0.0 if options["direct"] else mixer.D.repeat_interleave(n // len(mixer.D)) * u
        gate = ReadLayer.of(mixer, values).gate if options["gated"] else 1.0
        return last["out"].flatten(2) - direct * gate

    given = values[names[0]][..., :n] if options["through_conv"] else values["hook_u"].flatten(2)
    jacobian = torch.autograd.functional.jacobian(output, given)[0, :, :, 0]  # [query channel key channel]
    alpha = hidden_attention(model, tokens, 0, **options)[0]
    expected = torch.diag_embed(alpha.permute(1, 2, 0)).permute(0, 2, 1, 3)
    torch.testing.assert_close(jacobian, expected, rtol=1e-9, atol=1e-11)


@each_model
def test_no_output_is_reached_from_a_later_input(kind):
    alpha = hidden_attention(make(kind), strings(40), 0, through_conv=True, gated=True)
    assert not alpha.triu(1).any()
    assert alpha.tril().abs().amax(dim=(0, 1)).tril().count_nonzero() == 40 * 41 / 2


@pytest.mark.parametrize("step", [1e-6, 30.0])
@each_model
def test_decays_that_vanish_or_forget_nothing_stay_exact(kind, step):
    model = make(kind, torch.float32)
    hold(model, hook_delta=step)
    found = decompose(model, strings(100), 0)
    again = einsum(found.alpha, found.inputs, "b c q k, b k c -> b q c")
    assert found.alpha.isfinite().all()
    torch.testing.assert_close(again, found.outputs, rtol=0, atol=1e-5 * float(found.outputs.abs().max()))


def test_sums_of_many_steps_lose_nothing_in_single_precision():
    generator = torch.Generator().manual_seed(0)
    delta = torch.rand(1, 1500, 2, generator=generator) + 0.5
    B, C = (torch.randn(1, 1500, 1, 4, generator=generator) for _ in range(2))
    parts = (delta, -torch.rand(2, 4, generator=generator), B, C)
    single, double = (Recurrence(*(part.to(dtype) for part in parts)) for dtype in (torch.float32, torch.float64))
    rows = slice(1480, 1500)
    assert (single.rows(rows) - double.rows(rows)).abs().max() < 1e-5 * double.rows(rows).abs().max()


@each_model
def test_channels_are_those_of_the_whole(kind):
    model = make(kind)
    whole = decompose(model, strings(9), 1, gated=True)
    some = decompose(model, strings(9), 1, channels=slice(3, 9), gated=True)
    for name, value in vars(some).items():
        of_all = getattr(whole, name)
        torch.testing.assert_close(value, of_all[:, 3:9] if name == "alpha" else of_all[..., 3:9])


# ---------------------------------------------------------------------- patterns


@each_model
def test_a_pattern_shares_out_what_the_layer_really_writes(kind):
    model, tokens = make(kind), strings(40)
    mixer, found = model.blocks[1].mixer, decompose(model, tokens, 1, through_conv=True, gated=True, direct=False)
    brought = einsum(found.alpha, found.inputs, mixer.W_out, "b c q k, b k c, c m -> b q k m")
    out = model.run_with_cache(tokens, names_filter="blocks.1.hook_mixer_out")[1]["blocks.1.hook_mixer_out"]
    rest = found.remainder @ mixer.W_out + (0.0 if mixer.b_out is None else mixer.b_out)
    torch.testing.assert_close(brought.sum(dim=2) + rest, out)
    n_heads = hidden_pattern(model, tokens, 1).shape[1]
    by_head = found.alpha.unflatten(1, (n_heads, -1)), found.inputs.unflatten(2, (n_heads, -1))
    lengths = einsum(*by_head, mixer.W_out.unflatten(0, (n_heads, -1)), "b h c q k, b k h c, h c m -> b h q k m").norm(
        dim=-1
    )
    torch.testing.assert_close(hidden_pattern(model, tokens, 1), lengths / lengths.sum(dim=-1, keepdim=True))
    assert n_heads == (4 if "mamba2" in kind else 1)


@each_model
def test_the_signed_sum_is_normalised_by_its_absolute_values(kind):
    model, tokens = make(kind), strings(40)
    signed = hidden_pattern(model, tokens, 0, "sum")
    total = hidden_attention(model, tokens, 0, direct=False).unflatten(1, (signed.shape[1], -1)).sum(dim=2)
    torch.testing.assert_close(signed, total / total.abs().sum(dim=-1, keepdim=True))
    assert (signed < 0).any()
    torch.testing.assert_close(signed.abs().sum(dim=-1), torch.ones(signed.shape[:3], dtype=signed.dtype))


@pytest.mark.parametrize("summary", module.SUMMARIES)
@each_model
def test_a_row_for_each_string_is_that_of_the_whole_pattern(kind, summary):
    model, tokens = make(kind), strings(40, 3)
    mixer, query = model.blocks[0].mixer, torch.tensor([39, 0, 17])
    names = {name: f"blocks.0.mixer.{name}" for name in needed(mixer)}
    _, cache = model.run_with_cache(tokens, names_filter=list(names.values()))
    rows = pattern_rows(ReadLayer.of(mixer, {name: cache[full] for name, full in names.items()}), query, summary)
    whole = hidden_pattern(model, tokens, 0, summary)
    torch.testing.assert_close(rows[:, :, 0], whole[torch.arange(3), :, query])


@each_model
def test_a_layer_that_writes_nothing_looks_nowhere(kind):
    model = make(kind)
    with torch.no_grad():
        model.blocks[0].mixer.W_out.zero_()
    assert not hidden_pattern(model, strings(5), 0).any()


# ---------------------------------------------------------------------- how it is computed


@each_model
def test_blocks_of_any_size_give_the_same(kind, monkeypatch):
    model, tokens = make(kind), strings(20)
    options = {"through_conv": True, "gated": True}
    whole, pattern = hidden_attention(model, tokens, 1, **options), hidden_pattern(model, tokens, 1)
    for queries, floats in ((1, 2**24), (7, 1), (16, 3_000)):
        monkeypatch.setattr(module, "QUERIES", queries)
        monkeypatch.setattr("interp.base.budget.CPU", Budget(floats=floats))
        torch.testing.assert_close(hidden_attention(model, tokens, 1, **options), whole)
        torch.testing.assert_close(hidden_pattern(model, tokens, 1), pattern)


class Largest(TorchDispatchMode):
    """The most numbers that any tensor holds."""

    numbers = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        if isinstance(out, torch.Tensor):
            self.numbers = max(self.numbers, out.untyped_storage().nbytes() // out.element_size())
        return out


@each_model
def test_no_intermediate_result_is_larger_than_allowed(kind, monkeypatch):
    monkeypatch.setattr("interp.base.budget.CPU", Budget(floats=2**17))
    model, tokens = make(kind), strings(300, 1)
    with Largest() as largest:
        hidden_pattern(model, tokens, 0)
    assert tokens.shape[1] ** 2 * 4 < 1.1 * 2**17 * 3
    assert largest.numbers <= max(2**17, 4 * 300**2)  # the pattern of four heads is the result itself


@each_model
def test_it_runs_on_the_meta_device(kind):
    model, tokens = make(kind).to("meta"), strings(40).to("meta")
    n_channels = len(model.blocks[0].mixer.W_out)
    assert hidden_attention(model, tokens, 0, through_conv=True, gated=True).shape == (2, n_channels, 40, 40)
    assert hidden_pattern(model, tokens, 0).device.type == "meta"


def test_half_precision_is_computed_in_single():
    model = make("mamba", torch.float32)
    whole = hidden_pattern(model.bfloat16(), strings(20), 0)
    assert whole.dtype == torch.float32
    torch.testing.assert_close(whole, hidden_pattern(model.float(), strings(20), 0), rtol=0, atol=0.02)


# ---------------------------------------------------------------------- what is refused


def test_what_has_no_hidden_attention_is_refused_by_name(tiny):
    model = make("mamba")
    with pytest.raises(UserError, match=r"recurrent layer.*2"):
        hidden_attention(model, strings(4), 2)
    with pytest.raises(UserError, match="recurrent layer"):
        hidden_attention(tiny(), strings(4), 0)
    with pytest.raises(UserError, match="slice with step 1 of the layer's 16 channels"):
        hidden_attention(model, strings(4), 0, channels=slice(20, 24))
    with pytest.raises(UserError, match=r"summary.*norm"):
        hidden_pattern(model, strings(4), 0, "mean")
