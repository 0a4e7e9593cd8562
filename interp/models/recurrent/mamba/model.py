"""`HookedMamba`: the selective state-space model S6 (Gu & Dao 2023, arXiv 2312.00752), open inside its recurrence.

From the paper's letters to names; sizes: D = d_model, E = channels of a layer (expand x D), N = d_state, R = dt_rank.

| paper | here | shape | is |
|---|---|---|---|
| x (algorithm 2) | `hook_u` | [batch pos channel] | input of the recurrence, after convolution and SiLU |
| Delta | `hook_delta` | [batch pos channel] | step size, softplus(s_Delta(x) + b); before the softplus: `hook_dt` |
| A | `mixer.A` = -exp(A_log) | [channel state] | decay rates |
| A-bar (equation 4) | `hook_A_bar` | [batch pos channel state] | exp(Delta A): the share of the state that is kept |
| B, C | `hook_B`, `hook_C` | [batch pos state] | how a position writes to the state, and reads it |
| B-bar x | `hook_write` | [batch pos channel state] | Delta B x (Euler's rule for B, as the authors' code has it) |
| h_t (2a) | `hook_state`; `h.t` | [batch pos channel state]; [batch channel state] | h_t = A-bar_t h_(t-1) + write_t |
| y_t (2b) | `hook_y` | [batch pos channel] | C_t h_t + D x_t; D is `mixer.D` [channel] |
| the gate (figure 3) | `hook_gate` | [batch pos channel] | z before its SiLU; the layer writes (y SiLU(z)) W_out |
| - | `hook_x`, `hook_conv` | [batch pos channel] | before the convolution, and after it (before the SiLU) |
| - | `hook_gated` | [batch pos channel] | y SiLU(z) |
"""

from dataclasses import dataclass
from typing import Any

from interp.base.errors import UserError, unknown
from interp.models.recurrent.mamba.mixer import MambaMixer
from interp.models.recurrent.mixer import RecurrentBlock
from interp.models.recurrent.model import RecurrentModel
from interp.models.stack.layers import NORMS, make_norm


@dataclass(frozen=True)
class MambaConfig:
    """Shape of a `HookedMamba`. Raises: UserError for a value that cannot be."""

    n_layers: int = 2
    d_model: int = 64
    d_vocab: int = 30
    d_state: int = 16
    """Numbers of state that each channel holds (N)."""
    d_conv: int = 4
    """Width of the convolution."""
    expand: int = 2
    """Channels per d_model."""
    d_inner: int | None = None
    """Channels; None: expand x d_model."""
    dt_rank: int | None = None
    """Rank of the map to Delta; None: d_model / 16, rounded up."""
    conv_bias: bool = True
    bias: bool = False
    """Whether the maps into and out of the layer have biases."""
    dt_min: float = 0.001
    dt_max: float = 0.1
    """Delta of an untrained model, spread log-uniformly between the two over the channels."""
    dt_floor: float = 1e-4
    initialization: str = "authors"
    """One of `INITIALIZATIONS`: as the authors' code, or mimetic (Trockman et al. 2024)."""
    normalization: str | None = "RMS"
    """One of `layers.NORMS`."""
    norm_eps: float = 1e-5
    tied: bool = True
    """Whether the unembedding is the embedding's transpose."""
    embedding_std: float = 0.02
    """Of an untrained model's embedding."""

    def __post_init__(self) -> None:
        check_shape(self, "n_layers", "d_model", "d_vocab", "d_state", "d_conv", "expand", "channels", "rank")

    @property
    def channels(self) -> int:
        return self.expand * self.d_model if self.d_inner is None else self.d_inner

    @property
    def rank(self) -> int:
        return -(-self.d_model // 16) if self.dt_rank is None else self.dt_rank


INITIALIZATIONS = ("authors", "mimetic")


def check_shape(config: Any, *counts: str) -> None:
    """Raises: UserError for a count below 1, an unknown norm or initialization, or step sizes in disorder."""
    for name in counts:
        if getattr(config, name) < 1:
            raise UserError(f"{name} is at least 1; got {getattr(config, name)}.")
    if config.normalization not in NORMS:
        raise unknown("normalization", str(config.normalization), map(str, NORMS))
    if getattr(config, "initialization", INITIALIZATIONS[0]) not in INITIALIZATIONS:
        raise unknown("initialization", config.initialization, INITIALIZATIONS)
    if not 0 < getattr(config, "dt_min", 1) <= getattr(config, "dt_max", 1):
        raise UserError(f"0 < dt_min <= dt_max; got {config.dt_min} and {config.dt_max}.")


class HookedMamba(RecurrentModel):
    """A Mamba language model opened by hook points: see the table above.

    Args:
        config: its shape.
        seed: of the initial weights.
    """

    kind = "mamba"
    config: MambaConfig

    def __init__(self, config: MambaConfig, seed: int = 0) -> None:
        super().__init__(config, [mamba_block(config) for _ in range(config.n_layers)], seed=seed)


def mamba_block(config: MambaConfig) -> RecurrentBlock:
    """One layer with the norm before it."""
    return RecurrentBlock(MambaMixer(config), make_norm(config.normalization, config.d_model, config.norm_eps))
