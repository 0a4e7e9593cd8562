"""The shape of a transformer: everything that is fixed before its weights are drawn."""

from dataclasses import dataclass

from interp.base.errors import UserError, unknown
from interp.models.stack.layers import ACTIVATIONS, NORMS

POSITIONS = ("learned", "rope", "nope", "alibi", "hard-alibi")


@dataclass(frozen=True)
class TransformerConfig:
    """Shape of a `HookedTransformer`. Raises: UserError for a value that cannot be, or two that do not fit together."""

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
    """One window per head, the same in every layer: how many positions it sees, itself included; None sees all.
    Needed by "hard-alibi"; may be given with any other position encoding too."""
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
        if self.windows is not None:
            object.__setattr__(self, "windows", tuple(self.windows))
        if self.position not in POSITIONS:
            raise unknown("position encoding", self.position, POSITIONS)
        if self.activation not in ACTIVATIONS:
            raise unknown("activation", self.activation, ACTIVATIONS)
        if self.normalization not in NORMS:
            raise unknown("normalization", str(self.normalization), map(str, NORMS))
        for name in ("n_layers", "n_heads", "d_model", "d_vocab", "n_ctx", "d_mlp"):
            least = 0 if name == "d_mlp" else 1
            if getattr(self, name) < least:
                raise UserError(f"{name} is at least {least}; got {getattr(self, name)}.")
        if self.d_head is None and self.d_model % self.n_heads:
            raise UserError(f"d_model {self.d_model} is no multiple of n_heads {self.n_heads}; give d_head.")
        if self.position == "hard-alibi" and self.windows is None:
            raise UserError("position 'hard-alibi' needs windows, one per head, e.g. (2, 3, 4, None).")
        if self.windows is not None:
            if len(self.windows) != self.n_heads:
                raise UserError(f"windows has {len(self.windows)} entries for {self.n_heads} heads; give one per head.")
            if any(w is not None and w < 1 for w in self.windows):
                raise UserError(f"a window is at least 1 (the position itself) or None; got {self.windows}.")
        if self.position == "rope" and (self.rope_dim % 2 or self.rope_dim > self.head_width):
            raise UserError(f"rotary_dim is even and at most d_head {self.head_width}; got {self.rope_dim}.")

    @property
    def head_width(self) -> int:
        return self.d_model // self.n_heads if self.d_head is None else self.d_head

    @property
    def rope_dim(self) -> int:
        return self.head_width if self.rotary_dim is None else self.rotary_dim
