"""`HookedMamba3`: Mamba-3 (Lahoti et al. 2026, arXiv 2603.15569), open inside its recurrence.

Three things differ from Mamba-2: the step is integrated by a trapezoidal rule whose weight depends on the input, which
takes the convolution's place; states are complex, as pairs of numbers that turn by an angle which depends on the input,
computed by turning B and C instead (a rotary embedding); and B and C are normalised, with a bias for each head. States
are transposed: S is d_state x d_head here.

| paper | here | shape | is |
|---|---|---|---|
| x_t | `hook_u` | [batch pos head d_head] | input of the recurrence |
| Delta_t | `hook_delta` | [batch pos head] | step size, softplus(`hook_dt`) |
| A_t | `hook_A` | [batch pos head] | decay rate, -softplus of a map of the stream, at most -A_floor |
| alpha_t | `hook_alpha` | [batch pos head] | exp(Delta A): the share of the state that is kept |
| lambda_t | `hook_lambda` | [batch pos head] | weight of the step's end, from 0 to 1; 1 is Mamba-2's rule |
| theta_t | `hook_theta` | [batch pos angle] | pi tanh of a map of the stream: pairs turn by Delta theta in a step |
| B_t, C_t | `hook_B`, `hook_C` | [batch pos head state] | how it writes and reads, turned by all angles so far |
| beta_t B_(t-1) x_(t-1)^T + gamma_t B_t x_t^T | `hook_write` | [batch pos head state d_head] | what a step adds, with \
beta = (1 - lambda) Delta alpha and gamma = lambda Delta |
| h_t | `hook_state`; `h.t` | [batch pos head state d_head]; without pos | alpha_t h_(t-1) + write_t, turned back |
| y_t | `hook_y` | [batch pos head d_head] | h_t^T C_t + D x_t; D is `mixer.D` [head] |
| z_t | `hook_gate` | [batch pos channel] | the gate before its SiLU |
| - | `hook_gated` | [batch pos channel] | y SiLU(z): what W_out reads |
| - | `norm_B.hook_scale`, `norm_C.hook_scale` | [batch pos group 1] | the rms that B and C are divided by |

The first pairs of each head's state turn (`rope_fraction`); the rest does not. Carried beside `h`: B and x of the last
position, and the angle. Departure: one input and one output for each head ("SISO"); there is no MIMO.
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError
from interp.models.recurrent.config import InHeads, RecurrentConfig
from interp.models.recurrent.initial import check_step_sizes
from interp.models.recurrent.model import HookedRecurrent
from interp.models.stack.checks import require_counts


@checked
@dataclass(frozen=True)
class Mamba3Config(InHeads, RecurrentConfig):
    """Config of a `HookedMamba3`.

    >>> model = HookedMamba3(Mamba3Config(d_head=16, d_state=32))

    Raises: UserError for a value that cannot be.
    """

    d_state: int = 64
    """Numbers of state that each channel holds (N)."""
    expand: int = 2
    """Channels per d_model."""
    d_head: int = 32
    """Channels of a head (P), which decay together."""
    n_groups: int = 1
    """Groups of heads; those of a group share B and C but for their biases."""
    rope_fraction: float = 0.5
    """Share of the state's numbers that turn, in pairs."""
    A_floor: float = 1e-4
    """Least decay rate."""
    dt_min: float = 0.001
    dt_max: float = 0.1
    """Bounds of an untrained model's softplus(b_dt), which is spread log-uniformly between them over the heads."""
    dt_floor: float = 1e-4
    """Least of them."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "d_state")
        self.check_heads()
        if not 0 < self.rope_fraction <= 1 or self.n_angles < 1:
            raise UserError(
                f"rope_fraction must be a share of d_state={self.d_state} with at least two numbers; got "
                f"{self.rope_fraction}."
            )
        if not 0 < self.A_floor < float("inf"):
            raise UserError(f"A_floor must be a positive number; got {self.A_floor}.")
        check_step_sizes(self)

    @property
    def n_angles(self) -> int:
        """Pairs of a head's state that turn."""
        return int(self.d_state * self.rope_fraction) // 2


class HookedMamba3(HookedRecurrent):
    """A Mamba-3 language model opened by hook points: see the table above.

    >>> model = HookedMamba3(Mamba3Config(n_layers=2, d_model=64), seed=0)

    Args:
        config: a `Mamba3Config`.
        seed: seed of the first weights.
    """

    config_class = Mamba3Config
    config: Mamba3Config
