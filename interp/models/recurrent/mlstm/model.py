"""`HookedMLSTM`: the matrix LSTM of xLSTM (Beck et al. 2024, arXiv 2405.04517), stabilised, open inside its recurrence.

States are transposed: C is d_key x d_value here, and n stands beside it as a last column.

| paper | here | shape | is |
|---|---|---|---|
| q_t (22) | `hook_q` | [batch pos head d_key] | x W_q |
| k_t (23) | `hook_k` | [batch pos head d_key] | x W_k / sqrt(d_key) |
| v_t (24) | `hook_v` | [batch pos head d_value] | x W_v |
| i-tilde_t (25) | `hook_i` | [batch pos head] | log of the input gate, x W_i + b_i; capped, where there is a cap |
| f_t (26) | `hook_f` | [batch pos head] | forget gate, sigmoid(x W_f + b_f); what it is taken of is capped alike |
| m_t (15) | carried as `m` | [batch head] | max(log f_t + m_(t-1), i-tilde_t): what states are scaled down by |
| i'_t v_t k_t^T (17, 19) | `hook_write` | [batch pos head d_key d_value+1] | exp(i-tilde_t - m_t) k (v, 1)^T |
| C_t (19), n_t (20) | `hook_state`; `h.t` | [batch pos head d_key d_value+1]; without pos | both, times exp(-m_t) |
| max(abs(n^T q), 1) (21) | `normalizer.hook_scale` | [batch pos head] | the same, times exp(-m_t) |
| h-tilde_t (21) | `hook_y` | [batch pos head d_value] | C^T q over it |
| - | `norm.hook_scale` | [batch pos head] | the rms that each head's output is divided by |
| o-tilde_t (27) | `hook_gate` | [batch pos channel] | the output gate before its sigmoid |
| h_t (21) | `hook_gated` | [batch pos channel] | norm(h-tilde) sigmoid(o-tilde): what W_out reads |

m is a scale: neither the outputs nor their gradients depend on it, but for `normalizer_eps`. xLSTM 7B (Beck et al.
2025, arXiv 2503.13427) caps what both gates are made of, c tanh(z / c) (`gate_cap`), takes the mean off each head's
output before its norm (`head_norm_centred`), and adds `normalizer_eps` to the divisor as it stands here.

Departures: the norm is that of the authors' block, and divides by the rms; a convolution (`d_conv` above 1) is one of
values, too; there is neither skip nor projection up.
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError
from interp.models.recurrent.matrix_config import MatrixConfig
from interp.models.recurrent.model import HookedRecurrent


@checked
@dataclass(frozen=True)
class MLSTMConfig(MatrixConfig):
    """Config of a `HookedMLSTM`.

    >>> model = HookedMLSTM(MLSTMConfig(n_heads=2, d_conv=4))

    Raises: UserError for a value that cannot be.
    """

    forget_range: tuple[float, float] = (3.0, 6.0)
    """Bias of an untrained model's forget gates, spread evenly between the two over the heads."""
    gate_cap: float | None = None
    """Bound c of what input and forget gates are made of, which becomes c tanh(z / c); None: no bound."""
    normalizer_eps: float = 0.0
    """Added to what each head's output is divided by, as that stands: times exp(-m)."""

    later = ("gate_cap", "normalizer_eps")

    def __post_init__(self) -> None:
        super().__post_init__()
        low, high = self.forget_range
        if not -float("inf") < low <= high < float("inf"):
            raise UserError(f"forget_range must be two finite numbers, the smaller first; got {self.forget_range}.")
        if self.gate_cap is not None and not 0 < self.gate_cap < float("inf"):
            raise UserError(f"gate_cap must be a positive number, or None for no bound; got {self.gate_cap}.")
        if not 0 <= self.normalizer_eps < float("inf"):
            raise UserError(f"normalizer_eps must be a finite number of at least 0; got {self.normalizer_eps}.")


class HookedMLSTM(HookedRecurrent):
    """A language model of mLSTM layers, opened by hook points: see the table above.

    >>> model = HookedMLSTM(MLSTMConfig(n_layers=2, d_model=64), seed=0)

    Args:
        config: an `MLSTMConfig`.
        seed: seed of the first weights.
    """

    config_class = MLSTMConfig
    config: MLSTMConfig
