"""The layer of an LSTM: fused, or step by step where something listens inside; every quantity at a hook point."""

from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.axes import Residual
from interp.models.hooks.point import HookPoint, in_use, traced
from interp.models.hooks.read_point import Reading, ReadPoint
from interp.models.recurrent.initial import fill_uniform
from interp.models.recurrent.mixer import Mixer, RecurrentState
from interp.models.recurrent.parts import linear, weight
from interp.models.scan.lstm import State, lstm_gates_in, lstm_scan, lstm_steps


class LSTMMixer(Mixer):
    """One layer of an LSTM. Its hook points are in the table of `interp.models.recurrent.lstm.model`.

    Args:
        config: an `LSTMConfig`.
    """

    per_step = ("i", "f", "g", "o", "c", "h")
    scans = ("lstm_scan",)
    state_hook, decaying, decay_hook = "hook_c", "c", "hook_f"
    why_no_hidden_attention = (
        "its gates depend on its own output before, so that no matrix leads from its inputs to its outputs"
    )

    def __init__(self, config: Any) -> None:
        super().__init__()
        d, hidden = config.d_model, config.hidden
        self.config = config
        self.W_x, self.W_h, self.b = weight(d, 4 * hidden), weight(hidden, 4 * hidden), weight(4 * hidden)
        self.W_out = None if hidden == d else weight(hidden, d)
        self.hook_gates_in, self.hook_h = HookPoint(), HookPoint()
        self.hook_i, self.hook_f, self.hook_g, self.hook_o, self.hook_c = (ReadPoint() for _ in range(5))

    @torch.no_grad()
    def init_weights(self, generator: torch.Generator) -> None:
        """Draw first weights as PyTorch does: all U(+-1/sqrt(hidden)), and the bias, of which PyTorch has two, as the
        sum of two."""
        hidden = len(self.W_h)
        biases = torch.empty_like(self.b), torch.empty_like(self.b)
        for tensor in (self.W_x, self.W_h, *biases, *([] if self.W_out is None else [self.W_out])):
            fill_uniform(tensor, hidden**-0.5, generator)
        self.b.copy_(biases[0] + biases[1])
        self.b[hidden : 2 * hidden] += self.config.forget_bias

    def state_shapes(self) -> dict[str, tuple[int, ...]]:
        return {"h": (len(self.W_h),), "c": (len(self.W_h),)}

    def log_decay(self, value: Float[Tensor, "batch pos channel"]) -> Float[Tensor, " channel"]:
        """Sum of the logs of the forget gate, which is what the cell keeps."""
        return value.log().double().sum(dim=(0, 1))

    def forward(
        self, x: Residual, past: RecurrentState | None = None, first: int = 0
    ) -> Float[Tensor, "batch query d_model"]:
        """Read the stream; returns what the layer writes at the positions from `first` on.

        Args:
            x: the normalised stream.
            past: h and c before these positions; replaced by those after them.
            first: the recurrence needs all positions, the map out of the layer only these.
        """
        h, last = self.recur(x, past)
        if past is not None:
            past.advance(x.shape[1], h=last[0], c=last[1])
        h = self.hook_h(h)[:, first:]
        return h if self.W_out is None else linear(h, self.W_out)

    # ------------------------------------------------------------------ the recurrence

    def recur(self, x: Residual, past: RecurrentState | None) -> tuple[Float[Tensor, "batch pos channel"], State]:
        """h at every position, and the last h and c, on the path that the hooks in use ask for."""
        initial = None if past is None or not past.parts else (past.parts["h"], past.parts["c"])
        start, n = 0 if past is None else past.length, x.shape[1]
        stacked = {"i": self.hook_i, "f": self.hook_f, "g": self.hook_g, "o": self.hook_o, "c": self.hook_c}
        if not self._steps(start, n) and not in_use(self.hook_gates_in, *stacked.values()):
            return lstm_scan(x, self.W_x, self.W_h, self.b, initial)

        gates_in = self.hook_gates_in(lstm_gates_in(x, self.W_x, self.b).unflatten(-1, (4, -1)))
        steps = self._steps(start, n)  # once more: a trace may wait for one of them only now
        reads = in_use(*stacked.values()) or any(map(traced, steps.values()))
        readings = {name: Reading(gates_in[:, :, 0]) for name in stacked} if reads else {}

        def visit(name: str, t: int, value: Tensor) -> Tensor:
            if (point := steps.get((name, t))) is not None:
                value = point(value.clone())  # an edit in place must not reach what the backward pass needs
            return readings[name].take(value) if name in readings else value

        h, last = lstm_steps(gates_in.flatten(-2), self.W_h, initial, visit)
        for name, reading in readings.items():
            stacked[name].show(reading)
        return h.to(x.dtype), last

    def _steps(self, start: int, n: int) -> dict[tuple[str, int], HookPoint]:
        """(quantity, position among the `n` new ones) -> its hook point, of those in use."""
        return {(name, t): point for name in self.per_step for t, point in self.edited(name, start, n).items()}
