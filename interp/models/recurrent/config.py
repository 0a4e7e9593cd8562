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
    """Norm before each layer, and before the unembedding: one of `layers.NORMS`."""
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
