"""`HookedGLA`: gated linear attention (Yang et al. 2023, arXiv 2312.06635), open inside its recurrence.

| paper | here | shape | is |
|---|---|---|---|
| q_t (3) | `hook_q` | [batch pos head d_key] | x W_q / sqrt(d_key) |
| k_t (3) | `hook_k` | [batch pos head d_key] | x W_k |
| v_t (3) | `hook_v` | [batch pos head d_value] | x W_v |
| alpha_t (3, and 4.4) | `hook_alpha` | [batch pos head d_key] | sigmoid(x W^1 W^2 + b)^(1/tau): what each row keeps |
| k_t^T v_t (3) | `hook_write` | [batch pos head d_key d_value] | an outer product |
| S_t (3) | `hook_state`; `h.t` | [batch pos head d_key d_value]; without pos | Diag(alpha_t) S_(t-1) + k_t^T v_t |
| o_t (4.4) | `hook_y` | [batch pos head d_value] | q_t S_t |
| LayerNorm (4.4) | `norm.hook_scale` | [batch pos head] | the rms that each head's output is divided by |
| r_t before Swish (4.4) | `hook_gate` | [batch pos channel] | the output gate before its SiLU |
| - | `hook_gated` | [batch pos channel] | norm(o) SiLU(gate): what W_out reads |

Departures: the norm divides by the rms, as the authors' code does. d_key is d_model / (2 n_heads) in the paper, and
d_value d_model / n_heads: `d_key=None` means the former here.
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError
from interp.models.recurrent.matrix_config import MatrixConfig
from interp.models.recurrent.model import HookedRecurrent
from interp.models.stack.checks import require_counts


@checked
@dataclass(frozen=True)
class GLAConfig(MatrixConfig):
    """Config of a `HookedGLA`.

    >>> model = HookedGLA(GLAConfig(n_heads=4, d_conv=4))

    Raises: UserError for a value that cannot be.
    """

    rank: int = 16
    """Width of the map to the decays (W_alpha^1)."""
    temperature: float = 16.0
    """tau: the larger, the closer an untrained model's decays are to 1."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "rank", "key_width")
        if not 0 < self.temperature < float("inf"):
            raise UserError(f"temperature must be a positive number; got {self.temperature}.")

    @property
    def key_width(self) -> int:
        return self.d_model // self.n_heads // 2 if self.d_key is None else self.d_key


class HookedGLA(HookedRecurrent):
    """A language model of gated linear attention, opened by hook points: see the table above.

    >>> model = HookedGLA(GLAConfig(n_layers=2, d_model=64), seed=0)

    Args:
        config: a `GLAConfig`.
        seed: seed of the first weights.
    """

    config_class = GLAConfig
    config: GLAConfig
