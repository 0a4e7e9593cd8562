"""A delta-rule memory built by hand: a table of keys and values that is read exactly, and forgets by overwriting.

One layer of DeltaNet, one head. A token writes a value under a key, or asks for a key; keys are orthogonal, so that S
holds in row i the value that key i was given last, and nothing else. `planted_delta_copier` is the same memory with
letters as keys and what follows them as values: it copies by looking up the last letter, until a letter comes twice.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Int
from torch import Tensor

from interp.base.seeds import as_generator
from interp.models.recurrent.deltanet.model import DeltaNetConfig, HookedDeltaNet
from interp.models.stack.checks import require_size

LONG = 1e3
"""Length of a key in the stream: so long that nothing is lost where it is brought to length 1."""
SURE = 100.0
"""What a gate reads: beta is 1 or 0. Also the logits' distance between an answer and all others."""


@dataclass(frozen=True)
class DeltaTable:
    """The tokens of such a memory, and what it should say of them.

    >>> model, table = planted_delta_memory(keys=4, values=3)
    >>> tokens = table.draw(2, 20, 0)
    >>> table.answers(tokens)[:, -1]
    """

    keys: int
    values: int

    @property
    def size(self) -> int:
        """Tokens: one for each pair, and one question for each key."""
        return self.keys * self.values + self.keys

    def write(self, key: int, value: int) -> int:
        """The token that writes a value under a key; also the answer to a question for it."""
        return key * self.values + value

    def ask(self, key: int) -> int:
        """The token that asks for a key."""
        return self.keys * self.values + key

    def draw(self, n: int, length: int, generator: torch.Generator | int) -> Int[Tensor, "batch pos"]:
        """Strings of writes and questions, each token uniform."""
        return torch.randint(0, self.size, (n, length), generator=as_generator(generator))

    def key(self, tokens: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
        """The key that each token writes or asks for."""
        pairs = self.keys * self.values
        return torch.where(tokens < pairs, tokens // self.values, tokens - pairs)

    def last_write(self, tokens: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
        """Where the key of each token was last written, the token itself included; -1 if it never was."""
        at, key = torch.arange(tokens.shape[1], device=tokens.device), self.key(tokens)
        same = (key[:, :, None] == key[:, None]) & (tokens < self.keys * self.values)[:, None] & (at <= at[:, None])
        return torch.where(same, at, -1).amax(dim=2)

    def answers(self, tokens: Int[Tensor, "batch pos"]) -> Int[Tensor, "batch pos"]:
        """The pair that stands under the key of each token, the token itself included; -1 if there is none."""
        last = self.last_write(tokens)
        return torch.where(last < 0, -1, tokens.gather(1, last.clamp(min=0)))


@torch.no_grad()
def planted_delta_memory(keys: int, values: int) -> tuple[HookedDeltaNet, DeltaTable]:
    """Make a memory of `keys` orthogonal keys, each of which holds one of `values` values.

    Returns: the model, whose highest logit after every token is what its key holds, and the table of its tokens.

    Raises: UserError for sizes that are not positive integers.
    """
    require_size("keys", keys)
    require_size("values", values)
    table, pairs = DeltaTable(keys, values), keys * values
    width = keys + 2 * values + 1  # the key, the value, whether it is written; what is read
    model = _blank(d_model=width, d_vocab=table.size, d_key=keys, d_value=values, d_conv=1)
    key, value, flag, out = (slice(*bounds) for bounds in _bounds(keys, values))
    one_key, one_value = torch.eye(keys), torch.eye(values)
    mixer = model.blocks[0].mixer
    model.W_E[:pairs, key] = LONG * one_key.repeat_interleave(values, dim=0)
    model.W_E[pairs:, key] = LONG * one_key
    model.W_E[:pairs, value] = one_value.repeat(keys, 1)
    model.W_E[:pairs, flag], model.W_E[pairs:, flag] = 1.0, -1.0
    mixer.W_q[key], mixer.W_k[key], mixer.W_v[value] = one_key, one_key, one_value
    mixer.W_beta[flag] = SURE
    mixer.W_out[:, out] = keys**0.5 * one_value  # undoes the scale of queries
    model.W_U[key, :pairs] = SURE / LONG * one_key.repeat_interleave(values, dim=1)
    model.W_U[out, :pairs] = SURE * one_value.repeat(1, keys)
    return model, table


@torch.no_grad()
def planted_delta_copier(alphabet: int = 26, logit: float = 6.0) -> tuple[HookedDeltaNet, int]:
    """Make a copier that holds, under each letter, what followed it last; read at the separator, what follows BOS.

    Each position writes its token under the one before it, which a convolution of width 2 brings, and reads what stands
    under its own. The logit of the letter that it reads is `logit`, of every other token 0.

    >>> model, n = planted_delta_copier(alphabet=8)
    >>> model.state_shapes()["blocks.0.h"], n
    ((1, 12, 12), 1)

    Args:
        alphabet: number of letters, 2 to 26. Token ids: the letters, then BOS, separator, EOS, pad.
        logit: how sure it is.

    Returns: the model, and how many letters it looks up: one.

    Raises: UserError for an alphabet that is not a positive integer.
    """
    require_size("alphabet", alphabet)
    tokens, bos, separator = alphabet + 4, alphabet, alphabet + 1
    width = 2 * tokens  # the token; what is read
    model = _blank(d_model=width, d_vocab=tokens, d_key=tokens, d_value=tokens, d_conv=2)
    here, out, one = slice(0, tokens), slice(tokens, None), torch.eye(tokens)
    asks = one.clone()  # the separator asks for what follows the beginning
    asks[separator] = one[bos]
    mixer = model.blocks[0].mixer
    model.W_E[:, here] = one
    mixer.W_q[here], mixer.W_k[here], mixer.W_v[here] = LONG * asks, LONG * one, LONG * one
    mixer.W_conv[:tokens, 1] = mixer.W_conv[2 * tokens :, 1] = 1.0
    mixer.W_conv[tokens : 2 * tokens, 0] = 1.0  # keys are the token before
    mixer.W_beta[here] = SURE
    mixer.W_out[:, out] = tokens**0.5 / LONG * one
    model.W_U[out] = logit * one
    return model, 1


def _blank(d_model: int, d_vocab: int, d_key: int, d_value: int, d_conv: int) -> HookedDeltaNet:
    """A layer with one head and no norms, all of whose weights are 0."""
    config = DeltaNetConfig(
        n_layers=1,
        d_model=d_model,
        d_vocab=d_vocab,
        n_heads=1,
        d_key=d_key,
        d_value=d_value,
        d_conv=d_conv,
        head_norm=False,
        normalization=None,
        tied=False,
    )
    model = HookedDeltaNet(config)
    for parameter in model.parameters():
        parameter.zero_()
    return model


def _bounds(keys: int, values: int) -> tuple[tuple[int, int], ...]:
    """Where in the stream the key, the value, the flag and what is read stand."""
    ends = (keys, keys + values, keys + values + 1, keys + 2 * values + 1)
    return tuple(zip((0, *ends[:-1]), ends, strict=True))
