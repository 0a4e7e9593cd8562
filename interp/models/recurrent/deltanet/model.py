"""`HookedDeltaNet`: linear transformers with the delta rule (Schlag et al. 2021, arXiv 2102.11174; Yang et al. 2024,
arXiv 2406.06484), open inside the recurrence.

A key's old value is taken out before the new one is written. The equations are of Yang et al. 2024; states are
transposed: S is d_key x d_value here.

| paper | here | shape | is |
|---|---|---|---|
| q_t (2.2) | `hook_q` | [batch pos head d_key] | of length 1, divided by sqrt(d_key) |
| k_t (2.2) | `hook_k` | [batch pos head d_key] | of length 1 |
| v_t (2.2) | `hook_v` | [batch pos head d_value] | values |
| beta_t (2.2) | `hook_beta` | [batch pos head] | sigmoid(x W_beta): how much of the old value is replaced |
| beta_t k_t (2.2) | `hook_erase` | [batch pos head d_key] | along it is erased what stood along k_t |
| beta_t v_t k_t^T (2.2) | `hook_write` | [batch pos head d_key d_value] | what is written |
| S_t (2.2) | `hook_state`; `h.t` | [batch pos head d_key d_value]; without pos | S - beta k (k^T S) + beta k v^T |
| o_t (2.2) | `hook_y` | [batch pos head d_value] | S_t^T q_t |
| RMSNorm (3.3) | `norm.hook_scale` | [batch pos head] | the rms that each head's output is divided by |
| - | `hook_conv_in`, `hook_conv` | [batch pos inner] | q, k, v before the convolution, and after (before the SiLU) |
| - | `hook_gated` | [batch pos channel] | what W_out reads |

An edit of `hook_beta` changes both erasure and write; one of `hook_erase` the erasure alone, and it goes through the
recurrence like one of `hook_write`.
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.models.recurrent.matrix_config import MatrixConfig
from interp.models.recurrent.model import HookedRecurrent


@checked
@dataclass(frozen=True)
class DeltaNetConfig(MatrixConfig):
    """Config of a `HookedDeltaNet`.

    >>> model = HookedDeltaNet(DeltaNetConfig(n_heads=2, d_model=64))

    Raises: UserError for a value that cannot be.
    """

    d_conv: int = 4
    gate: bool = False
    negative_eigenvalues: bool = False
    """Whether beta lies between 0 and 2 instead of 0 and 1: then a key's value can be turned round (Grazzi et al. 2024,
    arXiv 2411.12537)."""


class HookedDeltaNet(HookedRecurrent):
    """A language model of DeltaNet layers, opened by hook points: see the table above.

    >>> model = HookedDeltaNet(DeltaNetConfig(n_layers=2, d_model=64), seed=0)

    Args:
        config: a `DeltaNetConfig`.
        seed: seed of the first weights.
    """

    config_class = DeltaNetConfig
    config: DeltaNetConfig
