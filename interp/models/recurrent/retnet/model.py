"""`HookedRetNet`: retentive networks (Sun et al. 2023, arXiv 2307.08621), one decay for each head.

| paper | here | shape | is |
|---|---|---|---|
| Q = (X W_Q) Theta (5) | `hook_q` | [batch pos head d_key] | turned by its position, divided by sqrt(d_key) |
| K = (X W_K) Theta-bar (5) | `hook_k` | [batch pos head d_key] | turned likewise, so that only distances count |
| V = X W_V (5) | `hook_v` | [batch pos head d_value] | values |
| gamma (6, 8) | `hook_gamma` | [batch pos head] | 1 - 2^(-5 - head): the share of the state that is kept |
| K_n^T V_n (6) | `hook_write` | [batch pos head d_key d_value] | k v^T |
| S_n (6) | `hook_state`; `h.t` | [batch pos head d_key d_value]; without pos | S_n = gamma S_(n-1) + K_n^T V_n |
| Retention(X_n) (6) | `hook_y` | [batch pos head d_value] | Q_n S_n |
| GroupNorm_h (8) | `norm.hook_scale` | [batch pos head] | the rms that each head's output is divided by |
| X W_G (8) | `hook_gate` | [batch pos channel] | the gate before its SiLU (the paper's swish) |
| what W_O reads (8) | `hook_gated` | [batch pos channel] | norm(y) SiLU(gate) |

Gated linear attention whose gate is a constant. Departures: the norm divides by the rms and does not
centre, as the authors' later code does; the rotation stands in GPT-NeoX's half-split layout.
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError
from interp.models.recurrent.matrix_config import MatrixConfig
from interp.models.recurrent.model import HookedRecurrent


@checked
@dataclass(frozen=True)
class RetNetConfig(MatrixConfig):
    """Config of a `HookedRetNet`.

    >>> model = HookedRetNet(RetNetConfig(n_heads=4, d_model=64))

    Raises: UserError for a value that cannot be.
    """

    rotary: bool = True
    """Whether queries and keys are turned by their positions."""
    rotary_base: float = 10000.0

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.rotary and self.key_width % 2:
            raise UserError(f"d_key must be even where rotary is True; got {self.key_width}.")
        if not 0 < self.rotary_base < float("inf"):
            raise UserError(f"rotary_base must be a positive number; got {self.rotary_base}.")


class HookedRetNet(HookedRecurrent):
    """A language model of retention, opened by hook points: see the table above.

    >>> model = HookedRetNet(RetNetConfig(n_layers=2, d_model=64), seed=0)

    Args:
        config: a `RetNetConfig`.
        seed: seed of the first weights.
    """

    config_class = RetNetConfig
    config: RetNetConfig
