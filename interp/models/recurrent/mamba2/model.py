"""`HookedMamba2`: state-space duality, SSD (Dao & Gu 2024, arXiv 2405.21060), open inside its recurrence.

From the paper's letters to names; sizes: E = channels of a layer (expand x d_model) in heads of P = d_head,
N = d_state, G groups of heads that share B and C (7.2). What the paper calls A is discretised already (remark 1) and is
A_bar here, as in `HookedMamba`; its A with a ring is A here.

| paper | here | shape | is |
|---|---|---|---|
| X (16) | `hook_u` | [batch pos head d_head] | input of the recurrence, after convolution and SiLU; as values |
| Delta (2.1) | `hook_delta` | [batch pos head] | step size, softplus(`hook_dt`), held within dt_limit |
| A with a ring (2.1) | `mixer.A` = -exp(A_log) | [head] | decay rate: a scalar for the whole state of a head (5.1) |
| A_t (2a) | `hook_A_bar` | [batch pos head] | exp(Delta A): the share of the state that is kept |
| B, C (16) | `hook_B`, `hook_C` | [batch pos group state] | how a position writes and reads; as keys and queries |
| B_t x_t (2a) | `hook_write` | [batch pos head d_head state] | Delta X B, an outer product (Euler's rule for B) |
| h_t (2a) | `hook_state`; `h.t` | [batch pos head d_head state]; without pos | h_t = A_bar_t h_(t-1) + write_t |
| Y (2b) | `hook_y` | [batch pos head d_head] | h_t C_t + D X_t; D is `mixer.D` [head] |
| z (8.1) | `hook_gate` | [batch pos channel] | the gate before its SiLU |
| y_n (7.1, 8.1) | `hook_gated` | [batch pos channel] | Y SiLU(z), normalised: what W_out reads |
| - | `norm.hook_scale` | [batch pos group] | the rms that Y SiLU(z) is divided by in each of the norm's groups |
| - | `hook_conv_in`, `hook_conv` | [batch pos inner] | X, B, C before the convolution, and after (before the SiLU) |

inner is E + 2GN wide: the channels, then B of each group, then C of each group.
"""

import dataclasses
from dataclasses import dataclass
from typing import Any

from interp.base.codec import checked, without_defaults
from interp.base.errors import UserError
from interp.models.recurrent.config import InHeads, RecurrentConfig
from interp.models.recurrent.initial import check_first_weights, check_rates
from interp.models.recurrent.model import HookedRecurrent
from interp.models.stack.checks import require_choice, require_counts

LATER = ("d_inner", "gate_norm")
"""Fields that are left out where they have their default, so that older models and runs keep their name."""
GATE_NORMS = ("after", "before", None)


@checked
@dataclass(frozen=True)
class Mamba2Config(InHeads, RecurrentConfig):
    """Config of a `HookedMamba2`.

    >>> model = HookedMamba2(Mamba2Config(d_head=16, d_state=32))

    Raises: UserError for a value that cannot be.
    """

    d_state: int = 64
    """Numbers of state that each channel holds (N)."""
    d_conv: int = 4
    """Width of the convolution."""
    expand: int = 2
    """Channels per d_model."""
    d_inner: int | None = None
    """Channels; None: expand x d_model."""
    d_head: int = 32
    """Channels of a head (P), which decay together."""
    n_groups: int = 1
    """Groups of heads (G); those of a group share B and C."""
    norm_groups: int | None = None
    """Parts of the channels that the norm before W_out takes each by itself; None: n_groups, as the authors have it."""
    gate_norm: str | None = "after"
    """Where that norm stands: "after" the gate, norm(y SiLU(z)), as the authors have it; "before" it, norm(y) SiLU(z);
    None: there is none, as in Mamba."""
    conv_bias: bool = True
    bias: bool = False
    """Whether the maps into and out of the layer have biases."""
    dt_min: float = 0.001
    dt_max: float = 0.1
    """Bounds of an untrained model's Delta, which is spread log-uniformly between them over the heads."""
    dt_floor: float = 1e-4
    """Least Delta of an untrained model."""
    dt_limit: tuple[float, float] | None = None
    """Least and greatest Delta of any model; None: no limit."""
    A_range: tuple[float, float] = (1.0, 16.0)
    """-A of an untrained model, drawn uniformly between the two for each head."""
    chunk: int | None = None
    """Positions that the scan takes at once; None: what suits the sizes."""
    initialization: str = "authors"
    """One of `initial.INITIALIZATIONS`: as the authors' code, or mimetic (Trockman et al. 2024)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "d_state", "d_conv")
        counts = (name for name in ("d_inner", "norm_groups", "chunk") if getattr(self, name) is not None)
        require_counts(self, *counts)
        check_first_weights(self)
        require_choice("gate_norm", self.gate_norm, GATE_NORMS)
        self.check_heads()
        if self.channels % (groups := self.norm_groups or self.n_groups):
            raise UserError(f"norm_groups must divide the {self.channels} channels; got {groups}.")
        check_rates(self)
        if self.dt_limit is not None and not 0 <= self.dt_limit[0] <= self.dt_limit[1]:
            raise UserError(f"dt_limit must be two numbers of at least 0, the smaller first; got {self.dt_limit}.")

    def to_dict(self) -> dict[str, Any]:
        """The fields, without those of `LATER` that have their default."""
        return without_defaults(self, dataclasses.asdict(self), LATER)

    @property
    def channels(self) -> int:
        """Channels of a layer (E)."""
        return self.expand * self.d_model if self.d_inner is None else self.d_inner


class HookedMamba2(HookedRecurrent):
    """A Mamba-2 language model opened by hook points: see the table above.

    >>> model = HookedMamba2(Mamba2Config(n_layers=2, d_model=64), seed=0)

    Args:
        config: a `Mamba2Config`.
        seed: seed of the first weights.
    """

    config_class = Mamba2Config
    config: Mamba2Config
