"""`HookedS4D`: a diagonal state-space model (Gu, Gupta, Goel & Re 2022, arXiv 2206.11893), open inside its recurrence.

The ancestor of Mamba that reads every position alike: nothing in its recurrence depends on the input. The state is
complex; of each conjugate pair one number is kept, its real and its imaginary part on a last axis of length 2.

| paper | here | shape | is |
|---|---|---|---|
| u (1) | `hook_u` | [batch pos channel] | input: the normalised stream, a channel for each of its numbers |
| Delta | `mixer.log_dt` | [channel] | log of the step size |
| A (1) | `mixer.A_log`, `mixer.A_im` | [channel mode] | -exp(A_log) + i A_im |
| A_bar (2) | - | [channel mode] | exp(Delta A): the share of the state that is kept, and by how much it turns |
| B_bar u_k (2) | `hook_write` | [batch pos channel mode 2] | (A_bar - 1) / A times u_k: what is written, with B = 1 |
| x_k (2) | `hook_state`; `h.t` | [batch pos channel mode 2]; without pos | A_bar x_(k-1) + B_bar u_k |
| y_k (2) | `hook_y` | [batch pos channel] | 2 Re(C x_k) + D u_k; C is `mixer.C` [channel mode 2] |
| - | `hook_gated` | [batch pos channel] | GELU(y): what W_out reads |

Departures: B is 1, since only its product with C is seen; the map out of the layer has no gate.
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError
from interp.models.recurrent.config import RecurrentConfig
from interp.models.recurrent.model import HookedRecurrent
from interp.models.stack.checks import require_choice, require_counts

FREQUENCIES = ("lin", "inv")


@checked
@dataclass(frozen=True)
class S4DConfig(RecurrentConfig):
    """Config of a `HookedS4D`.

    >>> model = HookedS4D(S4DConfig(d_state=32))

    Raises: UserError for a value that cannot be.
    """

    d_state: int = 64
    """Numbers of state of each channel (N): half as many complex ones, each of which stands for itself and its
    conjugate."""
    frequencies: str = "lin"
    """Imaginary parts of an untrained model's A: S4D-Lin, pi n, or S4D-Inv, N / pi (N / (2n + 1) - 1)."""
    dt_min: float = 0.001
    dt_max: float = 0.1
    """Bounds of an untrained model's step sizes, which are spread log-uniformly between them over the channels."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "d_state")
        require_choice("frequencies", self.frequencies, FREQUENCIES)
        if self.d_state % 2:
            raise UserError(f"d_state must be even for s4d, whose states are complex; got {self.d_state}.")
        if not 0 < self.dt_min <= self.dt_max < float("inf"):
            raise UserError(
                f"dt_min and dt_max must be positive, the smaller first; got {self.dt_min} and {self.dt_max}."
            )


class HookedS4D(HookedRecurrent):
    """A language model of S4D layers, opened by hook points: see the table above.

    >>> model = HookedS4D(S4DConfig(n_layers=2, d_model=64), seed=0)

    Args:
        config: an `S4DConfig`.
        seed: seed of the first weights.
    """

    config_class = S4DConfig
    config: S4DConfig
