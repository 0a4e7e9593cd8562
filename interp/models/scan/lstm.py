"""The recurrence of an LSTM (Hochreiter & Schmidhuber 1997, forget gates after Gers et al. 2000), open at every step.

    i_t, f_t, o_t = sigmoid(gates_in_t + h_(t-1) W_h)       c_t = f_t c_(t-1) + i_t g_t
              g_t =    tanh(gates_in_t + h_(t-1) W_h)       h_t = o_t tanh(c_t)            gates_in = x W_x + b

The four gates stand side by side in the order i f g o, which is PyTorch's.
"""

import warnings
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError
from interp.models.scan.axes import agree
from interp.models.scan.methods import choose
from interp.models.scan.precision import promoted, without_autocast

State = tuple[Float[Tensor, "batch channel"], Float[Tensor, "batch channel"]]
"""h and c."""
Visit = Callable[[str, int, Tensor], Tensor]
"""`visit(quantity, position, value)` sees i, f, g, o, c and h [batch channel] of each step, in this order and as soon
as they are there; the recurrence continues with what it returns."""


def lstm_scan(
    x: Float[Tensor, "batch pos d_in"],
    W_x: Float[Tensor, "d_in gate_channel"],
    W_h: Float[Tensor, "channel gate_channel"],
    b: Float[Tensor, " gate_channel"],
    initial: State | None = None,
) -> tuple[Float[Tensor, "batch pos channel"], State]:
    """Run the recurrence by the method that `scan.methods` takes.

    Args:
        x: the input.
        W_x, W_h, b: maps to the gates from the input and from h, and their bias.
        initial: h and c before the first position; None for zeros.

    Returns: h at every position in the dtype of x; h and c after the last, float64 if x is and float32 otherwise.

    Raises: UserError for no position, or for the method that `using` asks for, if it cannot run here.
    """
    _check("lstm_scan", W_h, initial, x=(x, "batch pos d_in"), W_x=(W_x, "d_in gates"), b=(b, "gates"))
    if x.shape[1] == 0:
        raise UserError("x of lstm_scan must have at least one position; got none.")
    if choose("lstm_scan", x.device, dtype=x.dtype) == "reference":
        h, last = lstm_steps(lstm_gates_in(x, W_x, b), W_h, initial)
    else:
        wide, W_x, W_h, b = promoted(x, W_x, W_h, b)
        h, last = _fused(wide, W_x, W_h, b, initial)
    return h.to(x.dtype), last


def lstm_gates_in(
    x: Float[Tensor, "batch pos d_in"], W_x: Float[Tensor, "d_in gate_channel"], b: Float[Tensor, " gate_channel"]
) -> Float[Tensor, "batch pos gate_channel"]:
    """What the input adds to the gates of every position."""
    with without_autocast(x.device):
        x, W_x, b = promoted(x, W_x, b)
        return F.linear(x, W_x.T, b)


def lstm_steps(
    gates_in: Float[Tensor, "batch pos gate_channel"],
    W_h: Float[Tensor, "channel gate_channel"],
    initial: State | None = None,
    visit: Visit | None = None,
) -> tuple[Float[Tensor, "batch pos channel"], State]:
    """The recurrence step by step, differentiable any number of times, each step as `visit` leaves it."""
    _check("lstm_steps", W_h, initial, gates_in=(gates_in, "batch pos gates"))
    with without_autocast(gates_in.device):
        gates_in, W_h = promoted(gates_in, W_h)
        h, c = zero_state(gates_in, W_h) if initial is None else (part.to(gates_in) for part in initial)
        outputs = []
        for t, gates_in_t in enumerate(gates_in.unbind(1)):
            i, f, g, o = torch.addmm(gates_in_t, h, W_h).chunk(4, dim=1)
            i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
            if visit is not None:
                i, f, g, o = (visit(name, t, gate) for name, gate in zip("ifgo", (i, f, g, o), strict=True))
            c = f * c + i * g
            if visit is not None:
                c = visit("c", t, c)
            h = o * c.tanh()
            if visit is not None:
                h = visit("h", t, h)
            outputs.append(h)
        return torch.stack(outputs, dim=1), (h, c)


def _fused(x: Any, W_x: Any, W_h: Any, b: Any, initial: State | None) -> tuple[Tensor, State]:
    """torch's own: oneDNN on a CPU in float32, cuDNN on a GPU. It has a second bias, of h: zeros here."""
    initial = zero_state(x, W_h) if initial is None else initial
    before = [part.to(x)[None].contiguous() for part in initial]
    weights = [W_x.T.contiguous(), W_h.T.contiguous(), b, torch.zeros_like(b)]
    keeps = torch.is_grad_enabled()  # cuDNN has a backward only for what it calls training
    with without_autocast(x.device), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "RNN module weights")  # cuDNN copies them at every call: they are few
        h, *last = torch._VF.lstm(x, before, weights, True, 1, 0.0, keeps, False, True)
    return h, (last[0][0], last[1][0])


def _check(scan: str, W_h: Tensor, initial: State | None, **inputs: tuple[Tensor | None, str]) -> None:
    """Hold the shapes to each other: torch's own kernel reads what it is given without a look at them.

    Raises: UserError.
    """
    h, c = (None, None) if initial is None else initial
    size = agree(scan, **inputs, W_h=(W_h, "channel gates"), h=(h, "batch channel"), c=(c, "batch channel"))
    if size["gates"] != 4 * size["channel"]:
        raise UserError(
            f"weights of {scan} must have four gates for each of {size['channel']} channels; got {size['gates']} gates."
        )


def zero_state(like: Tensor, W_h: Tensor) -> State:
    """Make h and c of zeros for each string, on the device and in the dtype of another tensor."""
    zeros = like.new_zeros(len(like), len(W_h))
    return zeros, zeros
