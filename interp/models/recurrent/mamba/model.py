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

from interp.base.codec import checked, to_plain, without_defaults
from interp.base.errors import UserError
from interp.models.recurrent.config import RecurrentConfig
from interp.models.recurrent.initial import check_first_weights
from interp.models.recurrent.model import HookedRecurrent
from interp.models.stack.checks import require_counts

LATER = ("inner_eps", "inner_scale")
"""Fields that are left out where they have their default, so that older models and runs keep their name."""


@checked
@dataclass(frozen=True)
class MambaConfig(RecurrentConfig):
    """Config of a `HookedMamba`.

    >>> model = HookedMamba(MambaConfig(d_state=4))

    Raises: UserError for a value that cannot be.
    """

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
    inner_eps: float | None = None
    """Added to the mean squares of B, C and what the map to Delta reads, where each is divided by its rms, as
    Falcon-Mamba has it; None: none is, as in Mamba."""
    inner_scale: bool = False
    """Whether they are then multiplied by learned scales, as in Jamba."""
    dt_min: float = 0.001
    dt_max: float = 0.1
    """Bounds of an untrained model's Delta, which is spread log-uniformly between them over the channels."""
    dt_floor: float = 1e-4
    """Least Delta of an untrained model."""
    initialization: str = "authors"
    """One of `initial.INITIALIZATIONS`: as the authors' code, or mimetic (Trockman et al. 2024)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "d_state", "d_conv", "expand", "channels", "rank")
        check_first_weights(self)
        if self.inner_eps is not None and not 0 < self.inner_eps < float("inf"):
            raise UserError(f"inner_eps must be a positive number, or None for no norms; got {self.inner_eps}.")
        if self.inner_scale and self.inner_eps is None:
            raise UserError("inner_scale must be False without the norms of inner_eps; got True.")

    def to_dict(self) -> dict[str, Any]:
        """The fields, without those of `LATER` that have their default."""
        return without_defaults(self, to_plain(self), LATER)

    @property
    def channels(self) -> int:
        """Channels of a layer (E)."""
        return self.expand * self.d_model if self.d_inner is None else self.d_inner

    @property
    def rank(self) -> int:
        """Rank of the map to Delta (R)."""
        return -(-self.d_model // 16) if self.dt_rank is None else self.dt_rank


class HookedMamba(HookedRecurrent):
    """A Mamba language model opened by hook points: see the table above.

    >>> model = HookedMamba(MambaConfig(n_layers=2, d_model=64), seed=0)

    Args:
        config: a `MambaConfig`.
        seed: seed of the first weights.
    """

    config_class = MambaConfig
    config: MambaConfig
