"""`HookedRWKV7`: the time mixing of RWKV-7 "Goose" (Peng et al. 2025, arXiv 2503.14456), open inside its recurrence.

Each row of a head's state fades by itself, and what stands along one direction is taken out of each row as much as the
input says. States are transposed: S is d_key x d_value here. The quantities are those of section 4 of the paper.

| paper | here | shape | is |
|---|---|---|---|
| r_t | `hook_q` | [batch pos head d_key] | receptance: what reads the state |
| k-tilde_t | `hook_k` | [batch pos head d_key] | k (1 + alpha (a - 1)): the key that is written |
| v_t | `hook_v` | [batch pos head d_value] | values |
| w_t | `hook_w` | [batch pos head d_key] | exp(-exp(-1/2) sigmoid(d_t)), from .545 to 1: what each row keeps |
| kappa-hat_t | `hook_kappa` | [batch pos head d_key] | k xi, of length 1: along it is looked for what is erased |
| a_t | `hook_a` | [batch pos head d_key] | in-context learning rate, from 0 to 1 |
| a_t kappa-hat_t | `hook_erase` | [batch pos head d_key] | along it is erased what stood along kappa-hat |
| k-tilde_t v_t^T | `hook_write` | [batch pos head d_key d_value] | what is written |
| wkv_t | `hook_state`; `h.t` | [batch pos head d_key d_value]; without pos | w S - erase (kappa-hat^T S) + write |
| r_t wkv_t^T | `hook_y` | [batch pos head d_value] | what is read |
| - | `norm.hook_scale` | [batch pos head] | the rms that each head's output is divided by |
| r_t (rho k-tilde_t)^T | `hook_bonus` | [batch pos head] | weight of the value's direct way past the state |
| g_t | `hook_gate` | [batch pos channel] | the output gate |
| - | `hook_gated` | [batch pos channel] | (norm(y) + bonus v) g: what W_out reads |

Every map reads the stream mixed with that of the position before (token shift), which is carried as `last`.
Departures: the norm divides by the rms and does not centre; values are not mixed with those of the first layer; there
is time mixing only, no channel mixing.
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError
from interp.models.recurrent.matrix_config import MatrixConfig
from interp.models.recurrent.model import HookedRecurrent
from interp.models.stack.checks import require_counts


@checked
@dataclass(frozen=True)
class RWKV7Config(MatrixConfig):
    """Config of a `HookedRWKV7`.

    >>> model = HookedRWKV7(RWKV7Config(n_heads=2, d_model=64))

    Raises: UserError for a value that cannot be.
    """

    rank: int = 16
    """Width of the maps to decays, learning rates and gates."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "rank")
        if self.d_conv != 1:
            raise UserError(
                f"d_conv must be 1 for rwkv7, which mixes neighbours by its token shift; got {self.d_conv}."
            )


class HookedRWKV7(HookedRecurrent):
    """A language model of RWKV-7's time mixing, opened by hook points: see the table above.

    >>> model = HookedRWKV7(RWKV7Config(n_layers=2, d_model=64), seed=0)

    Args:
        config: an `RWKV7Config`.
        seed: seed of the first weights.
    """

    config_class = RWKV7Config
    config: RWKV7Config
