"""`HookedGatedDeltaNet`: gated delta networks (Yang, Kautz & Hatamizadeh 2024, arXiv 2412.06464), as in Qwen3-Next.

DeltaNet whose state also fades: alpha clears it all, beta replaces what stands along one key. States are transposed: S
is d_key x d_value here.

| paper | here | shape | is |
|---|---|---|---|
| q_t, k_t (10) | `hook_q`, `hook_k` | [batch pos head d_key] | of length 1; q divided by sqrt(d_key) |
| v_t (10) | `hook_v` | [batch pos head d_value] | values |
| alpha_t (10) | `hook_alpha` | [batch pos head] | exp(-exp(A_log) softplus(x W_alpha + b_alpha)): what is kept |
| beta_t (10) | `hook_beta` | [batch pos head] | sigmoid(x W_beta): how much of the old value is replaced |
| beta_t k_t (10) | `hook_erase` | [batch pos head d_key] | along it is erased what stood along k_t |
| beta_t v_t k_t^T (10) | `hook_write` | [batch pos head d_key d_value] | what is written |
| S_t (10) | `hook_state`; `h.t` | [batch pos head d_key d_value]; without pos | alpha (S - beta k k^T S) + beta k v^T |
| o_t | `hook_y` | [batch pos head d_value] | S_t^T q_t |
| - | `norm.hook_scale` | [batch pos head] | the rms that each head's output is divided by |
| - | `hook_gate`, `hook_gated` | [batch pos channel] | the gate before its SiLU; norm(o) SiLU(gate), what W_out reads |
| - | `hook_conv_in`, `hook_conv` | [batch pos inner] | q, k, v before the convolution, and after (before the SiLU) |

Kimi Delta Attention (Kimi Team 2025, arXiv 2510.26692, 1) has an alpha for each row of the state (`decay_per_row`;
`hook_alpha` is then [batch pos head d_key]): S_t = (I - beta k k^T) Diag(alpha) S + beta k v^T. Its output gate goes
through a sigmoid (`gate_activation`).
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.models.recurrent.deltanet.model import DeltaNetConfig
from interp.models.recurrent.initial import check_rates, check_step_sizes
from interp.models.recurrent.model import HookedRecurrent
from interp.models.stack.checks import require_choice


@checked
@dataclass(frozen=True)
class GatedDeltaNetConfig(DeltaNetConfig):
    """Config of a `HookedGatedDeltaNet`.

    >>> model = HookedGatedDeltaNet(GatedDeltaNetConfig(n_heads=2, d_model=64))

    Raises: UserError for a value that cannot be.
    """

    gate: bool = True
    dt_min: float = 0.001
    dt_max: float = 0.1
    """Bounds of an untrained model's softplus(b_alpha), which is spread log-uniformly between them over the heads."""
    dt_floor: float = 1e-4
    """Least of them."""
    A_range: tuple[float, float] = (0.01, 16.0)
    """exp(A_log) of an untrained model, drawn uniformly between the two for each head."""
    decay_per_row: bool = False
    """Whether each row of a head's state is kept by a share of its own."""
    gate_activation: str = "silu"
    """What the output gate goes through: "silu" or "sigmoid"."""

    later = ("decay_per_row", "gate_activation")

    def __post_init__(self) -> None:
        super().__post_init__()
        check_step_sizes(self)
        check_rates(self)
        require_choice("gate_activation", self.gate_activation, ("silu", "sigmoid"))


class HookedGatedDeltaNet(HookedRecurrent):
    """A language model of gated DeltaNet layers, opened by hook points: see the table above.

    >>> model = HookedGatedDeltaNet(GatedDeltaNetConfig(n_layers=2, d_model=64), seed=0)

    Args:
        config: a `GatedDeltaNetConfig`.
        seed: seed of the first weights.
    """

    config_class = GatedDeltaNetConfig
    config: GatedDeltaNetConfig
