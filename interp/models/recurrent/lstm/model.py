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
from typing import Any

from interp.models.recurrent.lstm.mixer import LSTMMixer
from interp.models.recurrent.mamba.model import check_shape
from interp.models.recurrent.mixer import RecurrentBlock
from interp.models.recurrent.model import RecurrentModel
from interp.models.stack.layers import make_norm


@dataclass(frozen=True)
class LSTMConfig:
    """Shape of a `HookedLSTM`, by default that of Jelassi et al. 2024 but for its size.

    Raises: UserError for a value that cannot be.
    """

    n_layers: int = 2
    d_model: int = 64
    d_vocab: int = 30
    d_hidden: int | None = None
    """Cells of a layer; None: d_model. Where it differs from d_model, a linear map leads out of the layer."""
    forget_bias: float = 0.0
    """Added to the bias of an untrained model's forget gates; 1.0 helps to remember (Jozefowicz et al. 2015)."""
    residual: bool | None = None
    """Whether a layer adds to the stream (else it replaces it); None: it does in a hybrid, it does not in a stack of
    LSTM layers."""
    normalization: str | None = None
    """Before each layer, and before the unembedding; one of `layers.NORMS`."""
    norm_eps: float = 1e-5
    tied: bool = False
    """Whether the unembedding is the embedding's transpose."""
    embedding_std: float = 1.0
    """Of an untrained model's embedding."""

    def __post_init__(self) -> None:
        check_shape(self, "n_layers", "d_model", "d_vocab", "hidden")

    @property
    def hidden(self) -> int:
        return self.d_model if self.d_hidden is None else self.d_hidden


class HookedLSTM(RecurrentModel):
    """A language model of LSTM layers, opened by hook points: see the table above.

    Args:
        config: its shape.
        seed: of the initial weights.
    """

    kind = "lstm"
    config: LSTMConfig

    def __init__(self, config: LSTMConfig, seed: int = 0) -> None:
        super().__init__(config, [lstm_block(config, residual=False) for _ in range(config.n_layers)], seed=seed)


def lstm_block(config: Any, residual: bool = True) -> RecurrentBlock:
    """One layer with the norm before it; `residual` where the config does not say."""
    residual = residual if config.residual is None else config.residual
    return RecurrentBlock(LSTMMixer(config), make_norm(config.normalization, config.d_model, config.norm_eps), residual)
