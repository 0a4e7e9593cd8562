"""The heads of one attention layer, as the config has them: how many, how wide, who sees how far, who looks evenly."""

from dataclasses import dataclass

Window = int | None
"""Positions that a head sees, itself included; None: all."""


@dataclass(frozen=True)
class LayerHeads:
    """The heads of one layer. Frozen and small, so that masks can be kept by it."""

    width: int
    """Numbers in a head's query, key and value."""
    windows: tuple[Window, ...] | None
    """One per head; None: all see everything."""
    slopes: tuple[float, ...] | None
    """ALiBi's, one per head, 0 for a head without; None: none has one."""
    even: tuple[bool, ...]
    """Whether each head looks evenly at all that it sees."""

    @property
    def n(self) -> int:
        """Number of heads."""
        return len(self.even)

    @property
    def looking(self) -> tuple[int, ...]:
        """Heads that choose where to look: those with queries and keys."""
        return tuple(head for head in range(self.n) if not self.even[head])

    @property
    def looking_evenly(self) -> tuple[int, ...]:
        """Heads that do not."""
        return tuple(head for head in range(self.n) if self.even[head])

    @property
    def see_all(self) -> bool:
        """Whether every head sees every earlier position, all of them alike."""
        return self.slopes is None and not any(self.windows or ())

    def of(self, heads: tuple[int, ...]) -> "LayerHeads":
        """Some of the heads alone."""
        some = tuple(self.windows[head] for head in heads) if self.windows else None
        slopes = tuple(self.slopes[head] for head in heads) if self.slopes else None
        return LayerHeads(self.width, some, slopes, tuple(self.even[head] for head in heads))


def alibi_slopes(n_heads: int) -> list[float]:
    """2^(-8 (h + 1) / H) for head h of H (Press et al. 2022), as in the paper's code."""
    return [2.0 ** (-8 * (head + 1) / n_heads) for head in range(n_heads)]


def default_windows(n_heads: int) -> tuple[int | None, ...]:
    """Windows of Hard-ALiBi that suit any number of heads: 2, 3, ... for five in eight, the others see everything.

    >>> default_windows(8)
    (2, 3, 4, 5, 6, None, None, None)
    """
    limited = 5 * n_heads // 8
    return (*range(2, limited + 2), *[None] * (n_heads - limited))
