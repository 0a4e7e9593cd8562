"""Linear attention, its gated forms and the delta rule's kin: each layer by hand, and its edits in closed form."""

import math

import pytest
import torch
import torch.nn.functional as F

from interp.base.errors import UserError
from interp.models import build
from interp.models.hooks.model import HookedModel
from interp.models.recurrent.deltanet.model import DeltaNetConfig
from interp.models.recurrent.gated_deltanet.model import GatedDeltaNetConfig
from interp.models.recurrent.gla.model import GLAConfig
from interp.models.recurrent.linear_attention.model import LinearAttentionConfig
from interp.models.recurrent.matrix_config import MatrixConfig
from interp.models.recurrent.mlstm.model import MLSTMConfig
from interp.models.recurrent.retnet.model import RetNetConfig
from interp.models.recurrent.rwkv7.model import RWKV7Config

SHAPES = {
    "linear attention": ("linear_attention", {}),
    "linear attention without normaliser": (
        "linear_attention",
        {"normalizer": False, "head_norm": True, "gate": True, "d_conv": 3, "feature": "relu"},
    ),
    "retnet": ("retnet", {}),
    "retnet without rotation": ("retnet", {"rotary": False, "gate": False, "d_conv": 2}),
    "gla": ("gla", {"temperature": 2.0}),
    "gla, convolution": ("gla", {"d_conv": 4, "head_norm": False}),
    "deltanet": ("deltanet", {}),
    "deltanet, reflections": ("deltanet", {"negative_eigenvalues": True, "d_conv": 1}),
    "gated deltanet": ("gated_deltanet", {}),
    "kimi delta attention": ("gated_deltanet", {"decay_per_row": True, "gate_activation": "sigmoid"}),
    "mlstm": ("mlstm", {"d_conv": 3}),
    "rwkv7": ("rwkv7", {}),
}
MIXER = "blocks.0.mixer."


@pytest.fixture(params=SHAPES)
def model(recurrent, request):
    kind, options = SHAPES[request.param]
    return recurrent(kind, **options)


def by_hand(kind, mixer, x):
    """What a layer writes for one string [pos d_model], one position and head at a time."""
    c, widths = mixer.config, mixer.widths
    if kind == "rwkv7":
        return rwkv_by_hand(mixer, x)
    states = [torch.zeros(c.key_width, c.value_width, dtype=x.dtype) for _ in range(c.n_heads)]
    sums = [torch.zeros(c.key_width, dtype=x.dtype) for _ in range(c.n_heads)]
    inner, out = [torch.zeros(sum(widths), dtype=x.dtype)] * (c.d_conv - 1), []
    for t, row in enumerate(x):
        inner.append(torch.cat([row @ W for W in (mixer.W_q, mixer.W_k, mixer.W_v)]))
        now = inner[-1]
        if c.d_conv > 1:
            now = F.silu(sum(mixer.W_conv[:, -1 - back] * inner[-1 - back] for back in range(c.d_conv)))
        parts = [part.view(c.n_heads, -1) for part in now.split(widths)]
        written = []
        for head, (q, k, v) in enumerate(zip(*parts, strict=True)):
            S = states[head]
            if kind == "linear_attention":
                feature = {"elu": lambda x: F.elu(x) + 1, "relu": F.relu}[c.feature]
                q, k = feature(q), feature(k)
                S, sums[head] = S + torch.outer(k, v), sums[head] + k
                y = S.T @ q / math.sqrt(len(q))
                if c.normalizer:
                    y = y / (sums[head] @ q / math.sqrt(len(q)) + 1e-6)
            elif kind == "retnet":
                if c.rotary:
                    turn = torch.exp(1j * t * 10000.0 ** (-2 * torch.arange(len(q) // 2, dtype=torch.float64) / len(q)))
                    q, k = (torch.complex(*z.chunk(2)) * turn for z in (q, k))
                    q, k = (torch.cat([z.real, z.imag]) for z in (q, k))
                S = (1 - 2.0 ** (-5 - head)) * S + torch.outer(k, v)
                y = S.T @ q / math.sqrt(len(q))
            elif kind == "gla":
                logits = (row @ mixer.W_alpha_down @ mixer.W_alpha + mixer.b_alpha).view(c.n_heads, -1)[head]
                S = logits.sigmoid()[:, None] ** (1 / c.temperature) * S + torch.outer(k, v)
                y = S.T @ q / math.sqrt(len(q))
            elif kind == "mlstm":  # without a stabiliser
                i = torch.exp(row @ mixer.W_i[:, head] + mixer.b_i[head])
                f = torch.sigmoid(row @ mixer.W_f[:, head] + mixer.b_f[head])
                k = k / math.sqrt(len(k))
                S, sums[head] = f * S + i * torch.outer(k, v), f * sums[head] + i * k
                y = S.T @ q / max(abs(sums[head] @ q), torch.ones(()))
            else:
                q, k = (z / (z @ z + 1e-6).sqrt() for z in (q, k))
                beta = torch.sigmoid(row @ mixer.W_beta[:, head]) * (2 if c.negative_eigenvalues else 1)
                if kind == "gated_deltanet":
                    own = slice(head * len(k), (head + 1) * len(k)) if c.decay_per_row else slice(head, head + 1)
                    step = torch.log(1 + torch.exp(row @ mixer.W_alpha[:, own] + mixer.b_alpha[own]))
                    S = torch.exp(-step * torch.exp(mixer.A_log[head]))[:, None] * S
                S = S - beta * torch.outer(k, k @ S) + beta * torch.outer(k, v)
                y = S.T @ q / math.sqrt(len(q))
            states[head] = S
            if c.head_norm:
                y = y / (y.square().mean() + c.norm_eps).sqrt() * mixer.norm.w.view(c.n_heads, -1)[head]
            written.append(y)
        y = torch.cat(written)
        if c.gate:
            by_sigmoid = kind == "mlstm" or getattr(c, "gate_activation", "silu") == "sigmoid"
            y = y * (torch.sigmoid if by_sigmoid else F.silu)(row @ mixer.W_gate)
        out.append(y @ mixer.W_out)
    return torch.stack(out)


def rwkv_by_hand(mixer, x):
    """Compute what an RWKV-7 layer writes, whose maps read two positions."""
    c, before, out = mixer.config, torch.zeros_like(x[0]), []
    states = [torch.zeros(c.key_width, c.value_width, dtype=x.dtype) for _ in range(c.n_heads)]
    for row in x:
        r, k, v, w, a, g = (row * (1 - mu) + before * mu for mu in mixer.mu)
        r, k, v, before = r @ mixer.W_q, k @ mixer.W_k, v @ mixer.W_v, row
        w = torch.exp(-torch.sigmoid(torch.tanh(w @ mixer.W_w_down) @ mixer.W_w + mixer.b_w) / math.sqrt(math.e))
        a = torch.sigmoid(a @ mixer.W_a_down @ mixer.W_a + mixer.b_a)
        kappa, key = k * mixer.xi, k * (1 + mixer.alpha * (a - 1))
        written = []
        for head in range(c.n_heads):
            own = slice(head * c.key_width, (head + 1) * c.key_width)
            values = slice(head * c.value_width, (head + 1) * c.value_width)
            along = kappa[own] / (kappa[own] @ kappa[own] + 1e-6).sqrt()
            A = torch.diag(w[own]) - torch.outer(a[own] * along, along)
            states[head] = A @ states[head] + torch.outer(key[own], v[values])
            y = r[own] @ states[head]
            y = y / (y.square().mean() + c.norm_eps).sqrt() * mixer.norm.w[values]
            written.append(y + (r[own] * mixer.rho[own] * key[own]).sum() * v[values])
        gate = torch.sigmoid(g @ mixer.W_gate_down) @ mixer.W_gate
        out.append((torch.cat(written) * gate) @ mixer.W_out)
    return torch.stack(out)


def test_a_layer_is_its_recurrence_written_out(model, tokens):
    _, cache = model.run_with_cache(tokens)
    with torch.no_grad():
        expected = torch.stack([by_hand(model.kind, model.mixers[0], x) for x in cache["blocks.0.hook_mixer_in"]])
    within = 1e-5 if model.kind == "retnet" else 1e-7  # angles are in single precision
    torch.testing.assert_close(cache["blocks.0.hook_mixer_out"], expected, atol=within, rtol=within)


# ---------------------------------------------------------------------- edits


def transitions(model, cache):
    """A_t of every position, [batch pos head d_key d_key]."""
    k = cache["hook_k"]
    eye = torch.eye(k.shape[3], dtype=k.dtype)
    if model.kind == "linear_attention":
        return eye.expand(*k.shape, -1)
    if model.kind in ("retnet", "gla"):
        decay = cache["hook_gamma"][..., None] if model.kind == "retnet" else cache["hook_alpha"]
        return decay[..., None] * eye
    if model.kind == "mlstm":  # of the scaled states
        log_f = cache["hook_f"].log()
        m = [torch.zeros_like(log_f[:, 0])]
        for t in range(log_f.shape[1]):
            m.append(torch.maximum(log_f[:, t] + m[-1], cache["hook_i"][:, t]))
        m = torch.stack(m, dim=1)
        return (log_f + m[:, :-1] - m[:, 1:]).exp()[..., None, None] * eye
    if model.kind == "rwkv7":
        return torch.diag_embed(cache["hook_w"]) - cache["hook_erase"][..., :, None] * cache["hook_kappa"][..., None, :]
    factor = eye - cache["hook_erase"][..., :, None] * k[..., None, :]
    if model.kind == "deltanet":
        return factor
    alpha = cache["hook_alpha"]  # of a head, or of each row, which is taken before anything is erased
    return factor * (alpha[..., None, None] if alpha.ndim == 3 else alpha[..., None, :])


def run(model, tokens, edits=()):
    """Values at all hook points of the mixer, by their names within it."""
    names = [name for name in model.hook_dict if name.startswith(MIXER) and not name[len(MIXER) :].startswith("h.")]
    with torch.no_grad(), model.hooks(fwd_hooks=list(edits)):
        _, cache = model.run_with_cache(tokens, names_filter=names)
    return {name.removeprefix(MIXER): cache[name] for name in names}


@pytest.mark.parametrize("at", [0, 5, 11])
@pytest.mark.parametrize("point", ["hook_write", "h"])
def test_an_edit_of_a_write_or_a_state_reaches_later_states_as_the_closed_form_says(model, tokens, point, at):
    plain = run(model, tokens)
    extra = torch.randn(plain["hook_state"].shape[2:], dtype=torch.float64, generator=torch.Generator().manual_seed(0))

    def add(value, **_):
        if point == "h":
            return value + extra
        return value.index_add(1, torch.tensor([at]), extra.expand(3, 1, -1, -1, -1))

    name = MIXER + (f"h.{at}" if point == "h" else point)
    edited, left = run(model, tokens, [(name, add)]), extra.expand(3, -1, -1, -1)
    assert torch.equal(edited["hook_state"][:, :at], plain["hook_state"][:, :at])
    A, difference = transitions(model, plain), edited["hook_state"] - plain["hook_state"]
    for t in range(at, 12):
        left = left if t == at else A[:, t] @ left
        torch.testing.assert_close(difference[:, t], left)
        if "normalizer.hook_scale" not in plain:
            read = (plain["hook_q"][:, t, :, None] @ left).squeeze(2)
            torch.testing.assert_close(edited["hook_y"][:, t] - plain["hook_y"][:, t], read)
    clean, changed = model(tokens), model.run_with_hooks(tokens, fwd_hooks=[(name, add)])
    torch.testing.assert_close(changed[:, :at], clean[:, :at])
    assert ((changed - clean)[:, at:].abs().amax((0, 2)) > 1e-9).all()


@pytest.mark.parametrize("kind", ["deltanet", "gated_deltanet"])
def test_without_erasure_at_one_position_what_stood_along_its_key_stays(recurrent, tokens, kind):
    model = recurrent(kind)

    def spare(erase, **_):
        return erase.index_fill(1, torch.tensor([5]), 0.0)

    plain, edited = run(model, tokens), run(model, tokens, [(MIXER + "hook_erase", spare)])
    assert torch.equal(edited["hook_state"][:, :5], plain["hook_state"][:, :5])
    assert torch.equal(edited["hook_write"], plain["hook_write"])
    before = plain["hook_state"][:, 4]
    kept = plain["hook_alpha"][:, 5, :, None] if kind == "gated_deltanet" else 1.0
    stood = (plain["hook_k"][:, 5, :, None] @ before).squeeze(2)
    left = (kept * plain["hook_erase"][:, 5])[..., None] * stood[..., None, :]
    A = transitions(model, plain)
    for t in range(5, 12):
        left = left if t == 5 else A[:, t] @ left
        torch.testing.assert_close(edited["hook_state"][:, t] - plain["hook_state"][:, t], left)


def test_a_key_of_full_strength_reads_back_what_was_written_last(recurrent, tokens):
    model = recurrent("deltanet")
    found = run(model, tokens, [(MIXER + "hook_beta", lambda beta, **_: torch.ones_like(beta))])
    k, length = found["hook_k"], found["hook_k"].square().sum(-1, keepdim=True)
    read = (k[..., None, :] @ found["hook_state"]).squeeze(3)
    before = torch.cat([torch.zeros_like(found["hook_state"][:, :1]), found["hook_state"][:, :-1]], 1)
    stood = (k[..., None, :] @ before).squeeze(3)
    torch.testing.assert_close(read, length * found["hook_v"] + (1 - length) * stood)
    assert (length > 0.999).all()


def test_input_gates_of_any_size_neither_overflow_nor_lose_a_gradient(recurrent):
    model = recurrent("mlstm").float()
    tokens = torch.randint(0, 11, (1, 600), generator=torch.Generator().manual_seed(0))
    for size in (-300.0, 300.0):
        hooks = [(MIXER + "hook_i", lambda i, size=size, **_: i + size * (i.detach() > 0))]
        loss = model.run_with_hooks(tokens, "loss", fwd_hooks=hooks)
        grads = torch.autograd.grad(loss, list(model.parameters()))
        assert loss.isfinite() and all(grad.isfinite().all() for grad in grads)


# ---------------------------------------------------------------------- hybrids and files


def test_a_hybrid_of_every_one_of_them_with_attention_is_one_line(tokens, tmp_path):
    kinds = ("linear_attention", "retnet", "gla", "deltanet", "gated_deltanet", "mlstm", "rwkv7")
    layers = (*kinds, "attention")
    model = build({"kind": "hybrid", "d_model": 16, "d_vocab": 11, "layers": layers, "gla": {"d_conv": 4}})
    assert [mixer.config.d_conv for mixer in model.mixers.values()] == [1, 1, 4, 4, 4, 1, 1]
    again = HookedModel.from_pretrained(model.save_pretrained(tmp_path))
    assert again.config == model.config and torch.equal(again(tokens), model(tokens))
    past = model.new_past()
    pieces = torch.cat([model(part, past=past) for part in tokens.split([5, 1, 6], dim=1)], dim=1)
    torch.testing.assert_close(pieces, model(tokens), atol=1e-5, rtol=1e-4)


# ---------------------------------------------------------------------- first weights, and what cannot be


def test_first_weights_are_uniform_within_one_over_the_root_of_their_fan_in():
    mixer = build({"kind": "gated_deltanet", "d_model": 64, "n_heads": 64, "d_key": 4, "n_layers": 4}).blocks[1].mixer
    for name, bound in {"W_q": 1 / 8, "W_v": 1 / 8, "W_beta": 1 / 8, "W_out": 1 / 16, "W_conv": 1 / 2}.items():
        assert 0.95 * bound < getattr(mixer, name).abs().max() <= bound, name
    step = F.softplus(mixer.b_alpha)
    assert 0.001 <= step.min() < 0.002 and 0.05 < step.max() <= 0.1001
    assert 0.01 <= mixer.A_log.exp().min() < 2 and 14 < mixer.A_log.exp().max() <= 16


def test_the_decays_of_a_retnet_are_the_papers():
    model = build({"kind": "retnet", "n_heads": 4, "d_model": 16})
    _, cache = model.run_with_cache(torch.zeros(1, 3, dtype=torch.long), names_filter=MIXER + "hook_gamma")
    torch.testing.assert_close(
        cache[MIXER + "hook_gamma"][0, 1], torch.tensor([31 / 32, 63 / 64, 127 / 128, 255 / 256])
    )


@pytest.mark.parametrize(
    ("config", "fields", "match"),
    [
        (MatrixConfig, {"n_heads": 5}, "n_heads must divide d_model=64 where d_key is None; got 5. Give d_key"),
        (MatrixConfig, {"d_key": 0}, "d_key must be an integer from 1"),
        (MatrixConfig, {"d_conv": 0}, "d_conv must be an integer from 1"),
        (LinearAttentionConfig, {"feature": "exp"}, "no feature is called 'exp'"),
        (RetNetConfig, {"d_key": 3}, "d_key must be even where rotary is True; got 3"),
        (RetNetConfig, {"rotary_base": 0.0}, "rotary_base must be a positive number; got 0"),
        (GLAConfig, {"temperature": 0.0}, "temperature must be a positive number; got 0"),
        (GLAConfig, {"d_model": 4, "n_heads": 4}, "key_width must be an integer from 1"),
        (DeltaNetConfig, {"d_value": -1}, "d_value must be an integer from 1"),
        (GatedDeltaNetConfig, {"dt_min": 0.2}, "dt_min at most dt_max"),
        (RWKV7Config, {"d_conv": 4}, "d_conv must be 1 for rwkv7, .*; got 4"),
        (MLSTMConfig, {"forget_range": (2.0, 1.0)}, "forget_range must be two finite numbers"),
        (GatedDeltaNetConfig, {"A_range": (0.0, 1.0)}, "A_range must be two positive numbers"),
    ],
    ids=str,
)
def test_a_shape_that_cannot_be_is_refused(config, fields, match):
    with pytest.raises(UserError, match=match):
        config(**fields)
