"""The MLPs of a planted model: none of them does more than move, flag, or disturb a little."""

from typing import Any

import torch

from interp.models.planted.description import Circuit
from interp.models.planted.stream import Stream
from interp.models.transformer import HookedTransformer

LEAK = 0.003
"""What a random MLP writes outside the scratch slot, as a share of what it writes there."""


@torch.no_grad()
def write_mlps(model: HookedTransformer, stream: Stream, circuit: Circuit, generator: torch.Generator) -> None:
    """Fill in the MLPs of a model whose weights are zero.

    relay    relu of the slot `relay`, letter by letter, to the answer
    flag     2 relu(answer - 1/2), summed over letters: 1 where the answer is one letter, 0 where it is spread
    random   random maps, from all but the constant part of the stream
    """
    answer, letters = stream.slot(stream.answer), torch.eye(stream.n_tokens, dtype=torch.float64)
    for block, kind in zip(model.blocks, circuit.mlps, strict=False):
        mlp: Any = block.mlp
        if kind == "relay":
            mlp.W_in[stream.place("relay")] = letters
            mlp.W_out[:, answer] = letters
        if kind == "flag":
            mlp.W_in[answer] = letters
            mlp.b_in.fill_(-0.5)
            mlp.W_out[:, stream.axis("flag")] = 2
        if kind == "random":
            shape_in, shape_out = mlp.W_in.shape, mlp.W_out.shape
            mlp.W_in += torch.randn(shape_in, generator=generator, dtype=torch.float64) * 0.5
            out = torch.randn(shape_out, generator=generator, dtype=torch.float64) * shape_out[0] ** -0.5
            mlp.W_out += LEAK * out
            mlp.W_out[:, stream.slot(stream.scratch)] = out[:, stream.slot(stream.scratch)]
            for constant in ("ballast", "mean"):
                if constant in stream.extras:
                    mlp.W_in[stream.place(constant)] = 0
