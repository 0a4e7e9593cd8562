"""What the configs of layers with matrix-valued states share: heads, and the widths of keys and values."""

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

from interp.base.codec import checked, without_defaults
from interp.base.errors import UserError
from interp.models.recurrent.config import RecurrentConfig
from interp.models.stack.checks import require_counts

LATER = ("head_norm_eps", "head_norm_centred")
"""Fields that are left out where they have their default, so that older models and runs keep their name."""


@checked
@dataclass(frozen=True)
class MatrixConfig(RecurrentConfig):
    """Fields of every family whose state is a matrix of d_key x d_value numbers for each head.

    Raises: UserError for a value that cannot be.
    """

    n_heads: int = 4
    d_key: int | None = None
    """Rows of a head's state: the width of its queries and keys; None: d_model / n_heads."""
    d_value: int | None = None
    """Columns of a head's state: the width of its values; None: d_model / n_heads."""
    d_conv: int = 1
    """Width of the convolution of queries, keys and values, which a SiLU follows; 1: neither."""
    gate: bool = True
    """Whether the heads' output is multiplied by SiLU of a map of the stream."""
    head_norm: bool = True
    """Whether each head's output is divided by its rms, before the gate."""
    head_norm_eps: float | None = None
    """Added to the mean square of each head's output; None: norm_eps."""
    head_norm_centred: bool = False
    """Whether the mean of each head's output is taken off it before it is divided."""

    def __post_init__(self) -> None:
        super().__post_init__()
        require_counts(self, "n_heads", "d_conv")
        if self.head_norm_eps is not None and not 0 < self.head_norm_eps < float("inf"):
            raise UserError(f"head_norm_eps must be a positive number, or None for norm_eps; got {self.head_norm_eps}.")
        if self.head_norm_centred and (not self.head_norm or self.d_conv > 1):
            raise UserError(
                "head_norm_centred must be False without head_norm, and with a convolution (d_conv above 1), behind "
                f"which values have no mean of their own; got True with d_conv={self.d_conv}."
            )
        for name in ("d_key", "d_value"):
            if getattr(self, name) is not None:
                require_counts(self, name)
            elif self.d_model % self.n_heads:
                raise UserError(
                    f"n_heads must divide d_model={self.d_model} where {name} is None; got {self.n_heads}. "
                    f"Give {name}, or another number of heads."
                )

    later: ClassVar[tuple[str, ...]] = ()
    """Further such fields, of the family."""

    def to_dict(self) -> dict[str, Any]:
        """The fields, without those that came later and have their default."""
        return without_defaults(self, dataclasses.asdict(self), (*LATER, *self.later))

    @property
    def key_width(self) -> int:
        """Width of a head's queries and keys."""
        return self.d_model // self.n_heads if self.d_key is None else self.d_key

    @property
    def value_width(self) -> int:
        """Width of a head's values."""
        return self.d_model // self.n_heads if self.d_value is None else self.d_value
