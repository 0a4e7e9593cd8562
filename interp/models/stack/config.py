"""The config of a transformer: everything that is fixed before its weights are drawn."""

import math
from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError
from interp.models.stack.checks import require_choice, require_counts, require_layers
from interp.models.stack.layers import ACTIVATIONS, NORMS

POSITIONS = ("learned", "rope", "nope", "alibi", "hard-alibi")


@checked
@dataclass(frozen=True)
class TransformerConfig:
    """Config of a `HookedTransformer`.

    >>> TransformerConfig(n_heads=4).windows
    (2, 3, None, None)

    Raises: UserError for a value that cannot be, or two that do not fit together.
    """

    n_layers: int = 2
    n_heads: int = 8
    d_model: int = 128
    d_vocab: int = 30
    d_head: int | None = None
    """Width of a head; None: d_model / n_heads."""
    d_mlp: int = 0
    """Hidden width of the MLP; 0: attention only."""
    activation: str = "gelu"
    """One of `layers.ACTIVATIONS`."""
    position: str = "hard-alibi"
    """One of `POSITIONS`."""
    windows: tuple[int | None, ...] | None = None
    """One window per head, the same in every layer: how many positions it sees, itself included; None sees all. Of
    "hard-alibi" the default is `default_windows`; may be given with any other position encoding, too."""
    n_ctx: int = 4096
    """Longest sequence; binding for learned positions, which have one vector each."""
    rotary_dim: int | None = None
    """Coordinates of each head that RoPE turns; None: all."""
    rotary_base: float = 10000.0
    normalization: str | None = "LNPre"
    """Before each part: LayerNorm with learned scale and shift ("LN") or without ("LNPre"), RMSNorm ("RMS"), None."""
    parallel: bool = False
    """Attention and MLP both read the block's input (GPT-NeoX) rather than one after the other."""

    def __post_init__(self) -> None:
        require_layers(self.n_layers)
        require_counts(self, "n_heads", "d_model", "d_vocab", "n_ctx")
        require_counts(self, "d_mlp", least=0)
        require_counts(self, *(name for name in ("d_head", "rotary_dim") if getattr(self, name) is not None))
        require_choice("position encoding", self.position, POSITIONS)
        require_choice("activation", self.activation, tuple(ACTIVATIONS))
        require_choice("normalization", self.normalization, NORMS)
        if self.d_head is None and self.d_model % self.n_heads:
            raise UserError(
                f"d_model must be a multiple of n_heads; got {self.d_model} and {self.n_heads}. Or give d_head."
            )
        self._set_windows()
        if self.position == "rope" and (self.rope_dim % 2 or self.rope_dim > self.head_width):
            raise UserError(f"rotary_dim must be even and at most d_head, {self.head_width}; got {self.rope_dim}.")
        if not 0 < self.rotary_base < math.inf:
            raise UserError(f"rotary_base must be a positive number; got {self.rotary_base}.")

    def _set_windows(self) -> None:
        windows = default_windows(self.n_heads) if self.position == "hard-alibi" else None
        windows = windows if self.windows is None else tuple(self.windows)
        object.__setattr__(self, "windows", windows)
        if windows is None:
            return
        if len(windows) != self.n_heads:
            raise UserError(
                f"windows must have one entry for each of {self.n_heads} heads, or be left out; got {len(windows)}."
            )
        if not all(w is None or (type(w) is int and w >= 1) for w in windows):
            raise UserError(
                f"windows must be integers of at least 1 (the position itself) or None (all positions); got {windows}."
            )

    @property
    def head_width(self) -> int:
        """Width of a head."""
        return self.d_model // self.n_heads if self.d_head is None else self.d_head

    @property
    def rope_dim(self) -> int:
        """Coordinates of each head that RoPE turns."""
        return self.head_width if self.rotary_dim is None else self.rotary_dim


def default_windows(n_heads: int) -> tuple[int | None, ...]:
    """Windows of Hard-ALiBi that suit any number of heads: 2, 3, ... for five in eight, the others see everything.

    >>> default_windows(8)
    (2, 3, 4, 5, 6, None, None, None)
    """
    limited = 5 * n_heads // 8
    return (*range(2, limited + 2), *[None] * (n_heads - limited))
