"""`HookedLinearAttention`: transformers are RNNs (Katharopoulos et al. 2020, arXiv 2006.16236), open at every step.

From the paper's letters to names. `state` below is one head's: d_key rows, d_value columns, and a last column for z.

| paper | here | shape | is |
|---|---|---|---|
| phi(Q_i) (7) | `hook_q` | [batch pos head d_key] | feature map of x W_q, divided by sqrt(d_key) |
| phi(K_j) (7) | `hook_k` | [batch pos head d_key] | feature map of x W_k |
| V_j (1) | `hook_v` | [batch pos head d_value] | x W_v |
| phi(x_i W_K) (x_i W_V)^T (18) | `hook_write` | [batch pos head d_key d_value+1] | k (v, 1)^T |
| s_i (18), z_i (19) | `hook_state`; `h.t` | [batch pos head d_key d_value+1]; without pos | the sum of all writes |
| phi(x_i W_Q)^T z_i (20) | `normalizer.hook_scale` | [batch pos head] | what the output is divided by |
| y_i (20) | `hook_y` | [batch pos head d_value] | phi(q)^T s / phi(q)^T z |
| - | `hook_gate`, `norm.hook_scale` | [batch pos channel], [batch pos head] | gate and norm after it, if any |
| - | `hook_gated` | [batch pos channel] | what W_out reads |

With `normalizer=False` there is neither z nor its column, and y_i = phi(q)^T s; then `head_norm=True` keeps the output
from growing with the string (Qin et al. 2022, arXiv 2210.10340).
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.models.recurrent.matrix_config import MatrixConfig
from interp.models.recurrent.model import HookedRecurrent
from interp.models.stack.checks import require_choice

FEATURES = ("elu", "relu", "identity")
"""Feature maps: elu(x) + 1, which the paper uses (7); relu(x); x."""


@checked
@dataclass(frozen=True)
class LinearAttentionConfig(MatrixConfig):
    """Config of a `HookedLinearAttention`.

    >>> model = HookedLinearAttention(LinearAttentionConfig(n_heads=4, d_conv=4))

    Raises: UserError for a value that cannot be.
    """

    feature: str = "elu"
    """Feature map of queries and keys: one of `FEATURES`."""
    normalizer: bool = True
    """Whether the output is divided by what the same weights make of ones."""
    gate: bool = False
    head_norm: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice("feature", self.feature, FEATURES)


class HookedLinearAttention(HookedRecurrent):
    """A language model of linear attention, opened by hook points: see the table above.

    >>> model = HookedLinearAttention(LinearAttentionConfig(n_layers=2, d_model=64), seed=0)

    Args:
        config: a `LinearAttentionConfig`.
        seed: seed of the first weights.
    """

    config_class = LinearAttentionConfig
    config: LinearAttentionConfig
