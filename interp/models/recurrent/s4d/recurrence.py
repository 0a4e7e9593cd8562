"""The recurrence of S4D: diagonal, complex, the same at every position.

    x_k = A_bar x_(k-1) + B_bar u_k        y_k = 2 Re(C x_k)

so y is u convolved with the kernel K_l = 2 Re(sum over n of C_n B_bar_n A_bar_n^l), a Vandermonde product. The scan
takes a chunk of positions at once: within it the kernel as a triangular matrix, from chunk to chunk the state.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Complex, Float
from torch import Tensor

from interp.models.scan.methods import choose

CHUNK = 32
"""Positions that are taken at once."""

Channels = Float[Tensor, "batch pos channel"]
Modes = Complex[Tensor, "channel mode"]
State = Complex[Tensor, "batch channel mode"]
States = Complex[Tensor, "batch pos channel mode"]


@dataclass(frozen=True)
class Diagonal:
    """The recurrence of some channels."""

    log_A_bar: Modes
    """Delta A; its real part is negative."""
    B_bar: Modes
    C: Modes

    def powers(self, count: int) -> Complex[Tensor, "channel mode power"]:
        """A_bar to the powers 0, 1 and so on."""
        return (self.log_A_bar[..., None] * torch.arange(count, device=self.C.device)).exp()

    def kernel(self, length: int) -> Float[Tensor, "channel pos"]:
        """K."""
        return 2 * ((self.C * self.B_bar)[..., None] * self.powers(length)).sum(1).real

    def at(self, channels: slice) -> "Diagonal":
        """Keep some channels."""
        return Diagonal(self.log_A_bar[channels], self.B_bar[channels], self.C[channels])

    def read(self, states: States) -> Channels:
        """y of some states."""
        return 2 * (self.C * states).sum(-1).real


def diagonal_scan(u: Channels, parts: Diagonal, initial: State | None = None) -> tuple[Channels, State]:
    """Run the recurrence by the method that `scan.methods` takes, in chunks where it is not asked for another.

    Returns: y, and the state after the last position.
    """
    if choose("diagonal_scan", u.device, dtype=u.dtype) == "reference":
        return diagonal_scan_reference(u, parts, initial)
    n, outputs = min(CHUNK, u.shape[1]), []
    powers = parts.powers(n + 1)
    within = toeplitz(parts.kernel(n))
    reads = 2 * parts.C[..., None] * powers[..., 1:]  # channel mode pos
    reads = torch.cat([reads.real, -reads.imag], dim=1).mT
    writes = parts.B_bar[..., None] * powers[..., :n].flip(-1)
    writes = torch.cat([writes.real, writes.imag], dim=1)  # channel, real and imaginary parts, pos
    state = None if initial is None else torch.cat([initial.real, initial.imag], dim=2).permute(1, 2, 0)
    for part in u.permute(2, 1, 0).split(n, dim=1):  # channel pos batch
        length = part.shape[1]
        y, new = within[:, :length, :length] @ part, writes[..., n - length :] @ part
        if state is not None:
            y, new = y + reads[:, :length] @ state, new + _times(powers[..., length, None], state)
        state = new
        outputs.append(y)
    assert state is not None
    return torch.cat(outputs, dim=1).permute(2, 1, 0), torch.complex(*state.permute(2, 0, 1).chunk(2, dim=2))


def diagonal_scan_reference(u: Channels, parts: Diagonal, initial: State | None = None) -> tuple[Channels, State]:
    """`diagonal_scan` as the paper writes it: position by position."""
    states = diagonal_states(parts.B_bar * u[..., None], parts, initial)
    return parts.read(states), states[:, -1]


def diagonal_states(
    write: States,
    parts: Diagonal,
    initial: State | None = None,
    edits: Mapping[int, Callable[[State], State]] | None = None,
) -> States:
    """Compute every state from what is written; `edits`: position -> what is made of the state there."""
    state, states, edits = torch.zeros_like(write[:, 0]) if initial is None else initial, [], edits or {}
    A_bar = parts.log_A_bar.exp()
    for at, new in enumerate(write.unbind(1)):  # unbind: the gradient of write[:, t] would be as large as write
        state = A_bar * state + new
        state = edits[at](state) if at in edits else state
        states.append(state)
    return torch.stack(states, dim=1)


def toeplitz(kernel: Float[Tensor, "channel pos"]) -> Float[Tensor, "channel query key"]:
    """The convolution with a kernel as a matrix: what is this far back counts this much."""
    at = torch.arange(kernel.shape[1], device=kernel.device)
    back = at[:, None] - at
    return torch.where(back >= 0, kernel[:, back.clamp(min=0)], 0.0)


def _times(factor: Tensor, parts: Tensor) -> Tensor:
    """A complex factor times numbers whose real and imaginary parts stand one after the other on axis 1."""
    real, imag = parts.chunk(2, dim=1)
    return torch.cat([factor.real * real - factor.imag * imag, factor.real * imag + factor.imag * real], dim=1)
