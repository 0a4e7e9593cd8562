"""The tensors of a checkpoint, taken one by one and held to their shapes; what they are in our axes."""

from collections.abc import Iterable
from pathlib import Path

import torch
from jaxtyping import Float
from torch import Tensor

from interp.base.errors import UserError


class Tensors:
    """A checkpoint's tensors, each of which is taken once, in float32.

    Args:
        tensors: by their names; emptied.
        path: of the checkpoint, for errors.
        prefixes: what a name may begin with, where checkpoints of one kind differ in it.
    """

    def __init__(self, tensors: dict[str, Tensor], path: Path, prefixes: tuple[str, ...]) -> None:
        self.tensors, self.path = tensors, path
        self.prefix = next((each for each in prefixes if any(name.startswith(each) for name in tensors)), prefixes[0])

    def has(self, name: str) -> bool:
        """Whether there is such a tensor, after the prefix."""
        return self.prefix + name in self.tensors

    def has_any(self, beginning: str) -> bool:
        """Whether there is one whose name begins so, after the prefix."""
        return any(name.startswith(self.prefix + beginning) for name in self.tensors)

    def take(self, name: str, *shape: int) -> Tensor:
        """Take the tensor of a name, after the prefix.

        Raises: UserError if there is none, or of another shape.
        """
        return self.take_whole(self.prefix + name, *shape)

    def take_whole(self, name: str, *shape: int) -> Tensor:
        """Take the tensor of a whole name. Raises: as `take`."""
        if name not in self.tensors:
            raise UserError(f"the weights in {self.path} must be those of the config; got none for {name}.")
        found = self.tensors.pop(name).float()  # popped, so that it is not held twice
        if found.shape != shape:
            raise UserError(
                f"{name} in {self.path} must have the shape {list(shape)} that the config asks for; got "
                f"{list(found.shape)}."
            )
        return found

    def bias(self, name: str, there: bool, size: int) -> Float[Tensor, " size"]:
        """Take a bias, or zeros where the config has none."""
        return self.take(name, size) if there else torch.zeros(size, dtype=torch.float32)

    def drop(self, beginnings: Iterable[str]) -> None:
        """Leave out the tensors whose names begin so."""
        for name in [name for name in self.tensors if name.startswith(tuple(beginnings))]:
            del self.tensors[name]

    def require_empty(self) -> None:
        """Raises: UserError for tensors that were not taken."""
        if self.tensors:
            raise UserError(
                f"the weights in {self.path} must be those of the config; got {', '.join(sorted(self.tensors)[:6])}, "
                "which it does not ask for."
            )


def of_heads(rows: Float[Tensor, "rows d_model"], n_heads: int) -> Float[Tensor, "d_model head d_head"]:
    """A map to heads, [head x d_head d_model] there, as it is here."""
    return rows.unflatten(0, (n_heads, -1)).permute(2, 0, 1)


def ends(
    tensors: Tensors, d_vocab: int, d_model: int, tied: bool, embed: str, norm: Float[Tensor, " d_model"]
) -> dict[str, Tensor]:
    """Our embedding, final norm and unembedding.

    Raises: UserError for a tied model whose unembedding is another.
    """
    W_E = tensors.take(embed, d_vocab, d_model)
    if not tied:
        W_U = tensors.take_whole("lm_head.weight", d_vocab, d_model).T
        return {
            "embed.W_E": W_E,
            "ln_final.w": norm,
            "unembed.W_U": W_U,
            "unembed.b_U": torch.zeros(d_vocab, dtype=torch.float32),
        }
    head = tensors.tensors.pop("lm_head.weight", None)
    if head is not None and not torch.equal(head.float(), W_E):
        raise UserError(
            f"lm_head.weight in {tensors.path} must equal {tensors.prefix}{embed}, as the config ties them; got other "
            "values."
        )
    return {"embed.W_E": W_E, "ln_final.w": norm}
