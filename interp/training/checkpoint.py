"""Tensors on disk that prove themselves whole, and the state from which a training continues bit by bit.

Each file names, in its safetensors header, the step, the recipe that it belongs to, and a digest of all its content.
Weights and optimizer of a checkpoint share one file, `state.safetensors`: one rename makes it valid, and no moment
exists at which a killed process could leave weights of one step beside moments of another.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from interp.base.errors import UserError
from interp.base.files import write_whole
from interp.models.checkpoint import altered, content_digest, read_whole, weights_bytes


@dataclass(frozen=True)
class Stamp:
    """Where in a training a file was written."""

    recipe: str
    """Digest of the run's task, model and training: see `interp.training.run_folder`."""
    step: int
    """Steps done."""
    examples: int
    """Strings seen."""
    finished: bool
    """Whether the training has come to its end."""


def write_tensors(path: Path, tensors: dict[str, Tensor], stamp: Stamp) -> Path:
    """Write a file that is whole or absent. Raises: InterpError if it cannot be written."""
    tensors = {name: value.detach().cpu().contiguous().clone() for name, value in tensors.items()}  # untied
    text = json.dumps(asdict(stamp), sort_keys=True)
    content = weights_bytes(tensors, {"stamp": text, "digest": content_digest(tensors, text)})
    return write_whole(path, lambda temporary: temporary.write_bytes(content))


def read_tensors(path: Path, what: str) -> tuple[Stamp, dict[str, Tensor]]:
    """Read what `write_tensors` wrote; `what` names it in the error.

    Raises: UserError if it is not there; InterpError if it is cut, altered, or not of this package.
    """
    if not path.is_file():
        raise UserError(f"{what} must be at {path}; got no such file. Check the path.")
    tensors, metadata = read_whole(path, what)
    if not {"stamp", "digest"} <= metadata.keys():
        raise altered(path, what)
    return Stamp(**json.loads(metadata["stamp"])), tensors


def save_state(path: Path, model: nn.Module, optimizer: torch.optim.Optimizer, stamp: Stamp) -> Path:
    """Write weights and optimizer state as one file."""
    tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
    for index, values in optimizer.state_dict()["state"].items():
        tensors |= {f"optimizer.{index}.{name}": value for name, value in values.items()}
    return write_tensors(path, tensors, stamp)


def load_state(tensors: dict[str, Tensor], model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put what `save_state` wrote back into the model and the optimizer that it was taken from."""
    model.load_state_dict({name.removeprefix("model."): t for name, t in tensors.items() if name.startswith("model.")})
    state: dict[int, dict[str, Tensor]] = {}
    for name, tensor in tensors.items():
        if name.startswith("optimizer."):
            _, index, key = name.split(".")
            state.setdefault(int(index), {})[key] = tensor
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})
