"""Heads that bring letters to where a lookup head reads them: by windows, one by one, shared, or in two steps."""

from collections.abc import Sequence

import torch

from interp.models.planted.description import HeadSpec, Write
from interp.models.planted.looks import Back, Even


def gather_offsets(n: int, window: int) -> tuple[int, ...]:
    """The slots to which the gather head of this window writes. (Slot 0 is there already: the embedding.)"""
    return tuple(offset for offset in (window - 1, window) if 1 <= offset <= n)


def by_windows(n: int, layer: int = 0, first_column: int = 0) -> tuple[HeadSpec, ...]:
    """Heads of the windows 1, ..., n + 1, whose differences are single tokens (Theorem 2.3's first block).

    With h_m the mean of the last m tokens, (t + 1) h_{t+1} - t h_t is the token t places back: window m adds m h_m to
    slot m - 1 and takes it from slot m. (In the first t positions slot t holds the mean of all tokens so far.)
    """
    return tuple(
        HeadSpec(
            layer,
            first_column + window - 1,
            Even(),
            tuple(
                Write(to=f"back:{offset}", factor=float(window if offset == window - 1 else -window))
                for offset in gather_offsets(n, window)
            ),
        )
        for window in range(1, n + 2)
    )


def by_sloped_windows(n: int, slopes: Sequence[float], layer: int = 0) -> tuple[HeadSpec, ...]:
    """Gather heads under ALiBi, where a head of slope s weighs the place d back by exp(-s d) within its window.

    Heads of the windows 1, ..., n + 1, the first of these columns, give n + 1 mixtures of n + 1 letters; each letter is
    the combination of them that solves for it.
    """
    distance = torch.arange(n + 1, dtype=torch.float64)
    share = torch.exp(-torch.tensor(slopes[: n + 1], dtype=torch.float64)[:, None] * distance).tril()
    solved = torch.linalg.inv(share / share.sum(dim=1, keepdim=True))
    return tuple(
        HeadSpec(
            layer,
            window,
            Even(),
            tuple(
                Write(to=f"back:{offset}", factor=float(solved[offset, window]))
                for offset in range(max(1, window), n + 1)
                if abs(float(solved[offset, window])) > 1e-9
            ),
        )
        for window in range(n + 1)
    )


def one_by_one(
    offsets: Sequence[int], gain: float = 30.0, layer: int = 0, first_column: int = 0, copies: int = 1
) -> tuple[HeadSpec, ...]:
    """A head for each letter back, which attends to it; or several, which share it evenly."""
    return tuple(
        HeadSpec(layer, first_column + i * copies + copy, Back(offset, gain), (_brings(offset, 1 / copies),))
        for i, offset in enumerate(offsets)
        for copy in range(copies)
    )


def two_steps(n: int, gain: float = 30.0, layers: tuple[int, int] = (0, 1)) -> tuple[HeadSpec, ...]:
    """The first half of the letters back in one step; the others by heads of a later layer, which attend so far back
    and carry on what was brought there."""
    near = (n + 1) // 2
    first = one_by_one(range(1, near + 1), gain, layers[0])
    second = tuple(
        HeadSpec(layers[1], offset - near - 1, Back(near, gain), (Write(f"back:{offset - near}", f"back:{offset}"),))
        for offset in range(near + 1, n + 1)
    )
    return first + second


def _brings(offset: int, factor: float) -> Write:
    return Write(to=f"back:{offset}", factor=factor)
