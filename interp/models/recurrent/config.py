"""What the configs of all recurrent families share: the fields that `RecurrentModel` reads, and their checks."""

from dataclasses import dataclass

from interp.base.codec import checked
from interp.base.errors import UserError
from interp.models.stack.checks import require_choice, require_counts, require_layers
from interp.models.stack.layers import NORMS


@checked
@dataclass(frozen=True)
class RecurrentConfig:
    """Fields of every recurrent family's config; a family's own class adds its fields and its checks.

    Raises: UserError for a value that cannot be.
    """

    n_layers: int = 2
    d_model: int = 64
    d_vocab: int = 30
    normalization: str | None = "RMS"
    """Norm before each layer, before its MLP if it has one, and before the unembedding: one of `layers.NORMS`."""
    norm_eps: float = 1e-5
    tied: bool = True
    """Whether the unembedding is the embedding's transpose."""
    embedding_std: float = 0.02
    """Standard deviation of an untrained model's embedding."""

    def __post_init__(self) -> None:
        require_layers(self.n_layers)
        require_counts(self, "d_model", "d_vocab")
        require_choice("normalization", self.normalization, NORMS)
        for name in ("norm_eps", "embedding_std"):
            if not 0 <= getattr(self, name) < float("inf"):
                raise UserError(f"{name} must be a finite number of at least 0; got {getattr(self, name)}.")


class InHeads:
    """What configs share whose channels are in heads that decay together, and heads in groups that share B and C."""

    d_model: int
    expand: int
    d_head: int
    n_groups: int

    def check_heads(self) -> None:
        """Raises: UserError for channels that do not make whole heads, or heads that do not make whole groups."""
        require_counts(self, "expand", "d_head", "n_groups")
        if self.channels % self.d_head:
            raise UserError(f"d_head must divide the {self.channels} channels (expand x d_model); got {self.d_head}.")
        if self.n_heads % self.n_groups:
            raise UserError(f"n_groups must divide the {self.n_heads} heads; got {self.n_groups}.")

    @property
    def channels(self) -> int:
        """Channels of a layer (E)."""
        return self.expand * self.d_model

    @property
    def n_heads(self) -> int:
        """Heads of a layer."""
        return self.channels // self.d_head
