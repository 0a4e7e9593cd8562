"""What hides a planted circuit without changing it: random turns, norms folded into the weights, a little noise."""

import torch
from jaxtyping import Float
from torch import Tensor

from interp.models.planted.description import Circuit
from interp.models.transformer import HookedTransformer, TransformerConfig

STRINGS = 16
"""Strings on which the length of the stream is measured."""


@torch.no_grad()
def turn_stream(model: HookedTransformer, mean: int | None, generator: torch.Generator | None) -> None:
    """Turn the residual stream by an orthogonal matrix.

    Args:
        model: without norms; its weights are changed.
        mean: the axis that becomes (1, ..., 1) / sqrt(d_model), which a LayerNorm removes; None: no such axis.
        generator: of the turn; None: the least turn that moves `mean` where it belongs.
    """
    d = model.config.d_model
    frame = torch.eye(d, dtype=torch.float64)
    if generator is not None:
        frame = torch.randn(d, d, generator=generator, dtype=torch.float64)
    if mean is not None:
        frame = torch.cat([torch.ones(d, 1, dtype=torch.float64), frame[:, :-1]], dim=1)
    turn = torch.linalg.qr(frame).Q.T
    if mean is not None:
        turn[[0, mean]] = turn[[mean, 0]]
    for name, weight in model.named_parameters():
        if name.endswith(("W_E", "W_pos", "W_O", "W_out", "b_O", "b_out")):
            weight.copy_(weight @ turn)
        elif name.endswith(("W_QKV", "W_in", "W_U")):
            weight.copy_((turn.T @ weight.flatten(1)).view_as(weight))


@torch.no_grad()
def turn_heads(model: HookedTransformer, fixed: int, generator: torch.Generator) -> None:
    """Turn queries with keys, and values with outputs, inside each head; the first `fixed` axes of queries and keys
    stay, which RoPE turns."""
    width = model.config.head_width
    for block in model.blocks:
        weights = block.attn
        for head in range(weights.W_O.shape[0]):
            scores, values = random_turn(width - fixed, generator), random_turn(width, generator)
            weights.W_QKV[:, :2, head, fixed:] = weights.W_QKV[:, :2, head, fixed:] @ scores
            weights.W_QKV[:, 2, head] = weights.W_QKV[:, 2, head] @ values
            weights.W_O[head] = values.T @ weights.W_O[head]


def random_turn(width: int, generator: torch.Generator) -> Float[Tensor, "axis axis"]:
    """An orthogonal matrix, uniform up to signs."""
    return torch.linalg.qr(torch.randn(width, width, generator=generator, dtype=torch.float64)).Q


@torch.no_grad()
def fold_norms(
    model: HookedTransformer, config: TransformerConfig, circuit: Circuit, generator: torch.Generator
) -> tuple[HookedTransformer, float]:
    """Add norms to a model; also returns by how much they change its scores.

    Every map that reads the stream is multiplied by the stream's root mean square, which its constant part keeps nearly
    the same everywhere. Learned scales are drawn between 1/2 and 2, and divided out of the maps that read behind them.

    Returns: the model; and the largest share by which the length of the stream at a letter of the first copy differs
        from the mean length there, before any layer: scores of keys differ by as much.
    """
    lengths, first = _lengths(model, circuit), circuit.n_back + 2
    normed = HookedTransformer(config).double()
    weights = normed.state_dict() | model.state_dict()
    readers = {"ln_final": (f"blocks.{config.n_layers - 1}.hook_resid_post", "unembed.W_U")}
    for i in range(config.n_layers):
        readers[f"blocks.{i}.ln1"] = f"blocks.{i}.hook_resid_pre", f"blocks.{i}.attn.W_QKV"
        if circuit.mlps:
            readers[f"blocks.{i}.ln2"] = f"blocks.{i}.hook_resid_mid", f"blocks.{i}.mlp.W_in"
    for norm, (stream, reader) in readers.items():
        scale = lengths[stream][:, first:].square().mean().sqrt().expand(config.d_model)
        if f"{norm}.w" in weights:
            drawn = 0.5 + 1.5 * torch.rand(config.d_model, generator=generator, dtype=torch.float64)
            weights[f"{norm}.w"], scale = drawn, scale / drawn
        weights[reader] = (weights[reader].flatten(1) * scale[:, None]).view_as(weights[reader])
    normed.load_state_dict(weights)
    letters = [lengths[f"blocks.{i}.hook_resid_pre"][:, first : circuit.lengths[1] + 1] for i in range(config.n_layers)]
    return normed, max(float((length / length.mean() - 1).abs().max()) for length in letters)


def _lengths(model: HookedTransformer, circuit: Circuit) -> dict[str, Float[Tensor, "string pos"]]:
    """Root mean square of the stream before, inside and behind each layer, on strings of the longest length."""
    names = [f"blocks.{i}.hook_resid_{at}" for i in range(model.config.n_layers) for at in ("pre", "mid", "post")]
    tokens = copy_strings(circuit.alphabet, circuit.lengths[1], STRINGS, torch.Generator().manual_seed(0))
    _, cache = model.run_with_cache(tokens, return_type=None, names_filter=names)
    return {name: cache[name].square().mean(dim=-1).sqrt() for name in names}


@torch.no_grad()
def add_noise(model: HookedTransformer, size: float, generator: torch.Generator) -> None:
    """Add noise to every weight, `size` times the root mean square of its matrix; each head has matrices of its own."""
    for name, weight in model.named_parameters():
        if weight.ndim < 2:
            continue
        shared = {"W_QKV": (0, 3), "W_O": (1, 2)}.get(name.rpartition(".")[2], tuple(range(weight.ndim)))
        root = weight.square().mean(dim=shared, keepdim=True).sqrt()
        weight += size * root * torch.randn(weight.shape, generator=generator, dtype=torch.float64)


def copy_strings(alphabet: int, length: int, strings: int, generator: torch.Generator) -> Tensor:
    """Strings `$ x1..xL | x1..xL` of random letters."""
    letters = torch.randint(alphabet, (strings, length), generator=generator)
    bos, separator = (torch.full((strings, 1), alphabet + special) for special in (0, 1))
    return torch.cat([bos, letters, separator, letters], dim=1)
