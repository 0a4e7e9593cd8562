"""`HookedLSTM`: long short-term memory (Hochreiter & Schmidhuber 1997), with forget gates (Gers et al. 2000).

From the papers' letters to names. The four gates stand side by side in PyTorch's order i f g o; `channel` is a cell.

| paper | here | shape | is |
|---|---|---|---|
| net without its recurrent part | `hook_gates_in` | [batch pos gate channel] | x_t W_x + b |
| y^in | `hook_i`; `i.t` | [batch pos channel]; [batch channel] | input gate, sigmoid(gates_in_t + h_(t-1) W_h) |
| y^phi | `hook_f`; `f.t` | the same | forget gate, likewise |
| g(net_c) | `hook_g`; `g.t` | the same | what is offered to the cell, tanh(gates_in_t + h_(t-1) W_h) |
| y^out | `hook_o`; `o.t` | the same | output gate, with sigmoid |
| s_c | `hook_c`; `c.t` | the same | the cell, c_t = f_t c_(t-1) + i_t g_t |
| y^c | `hook_h`; `h.t` | the same | h_t = o_t tanh(c_t) |

Departures from the papers, all PyTorch's: tanh for both squashing functions, gates for each cell, whole gradients.

Where to edit: `hook_gates_in` goes through the recurrence, and so does each quantity at a single position, as in
`blocks.0.mixer.c.5`. An edit of `hook_h` changes what is read at that position alone, not what the next step sees. The
others that hold all positions are for reading: an edit is refused. Their gradients are those of the recurrence.
"""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.models.recurrent.config import RecurrentConfig
from interp.models.recurrent.model import HookedRecurrent
from interp.models.stack.checks import require_counts


@checked
@dataclass(frozen=True)
class LSTMConfig(RecurrentConfig):
    """Config of a `HookedLSTM`, by default that of Jelassi et al. 2024 except for its size.

    >>> model = HookedLSTM(LSTMConfig(d_model=128, residual=True, normalization="RMS"))

    Raises: UserError for a value that cannot be.
    """

    d_hidden: int | None = None
    """Cells of a layer; None: d_model. Where it differs from d_model, a linear map leads out of the layer."""
    forget_bias: float = 0.0
    """Added to the bias of an untrained model's forget gates; 1.0 helps to remember (Jozefowicz et al. 2015)."""
    residual: bool | None = None
    """Whether a layer adds to the stream (else it replaces it); None: it does in a hybrid, it does not in a stack of
    LSTM layers."""
    normalization: str | None = None
    tied: bool = False
    embedding_std: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "hidden")

    @property
    def hidden(self) -> int:
        """Cells of a layer."""
        return self.d_model if self.d_hidden is None else self.d_hidden


class HookedLSTM(HookedRecurrent):
    """A language model of LSTM layers, opened by hook points: see the table above.

    >>> model = HookedLSTM(LSTMConfig(n_layers=2, d_model=64), seed=0)

    Args:
        config: an `LSTMConfig`.
        seed: seed of the first weights.
    """

    config_class = LSTMConfig
    config: LSTMConfig
