"""Weights and configs on disk: safetensors and JSON, never a pickle."""

from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from interp.errors import InterpError, UserError
from interp.files import read_json, write_json, write_whole


def save_weights(model: nn.Module, path: Path) -> Path:
    """Write every parameter and buffer of the state dict; the file is whole or absent."""
    tensors = {name: value.detach().contiguous().cpu() for name, value in model.state_dict().items()}
    return write_whole(path, lambda temporary: save_file(tensors, temporary))


def load_weights(model: nn.Module, path: Path) -> None:
    """Read weights into `model`; names and shapes must agree exactly.

    Raises: UserError if the file is not there or belongs to another model; InterpError if it is damaged.
    """
    if not path.is_file():
        raise UserError(f"the model's weights were looked for at {path}, and there is no such file.")
    try:
        tensors = load_file(path)
    except (SafetensorError, OSError, ValueError) as error:
        raise InterpError(f"the weights in {path} are damaged: {error}.") from error
    wanted = model.state_dict()
    if missing := sorted(set(wanted) - set(tensors)):
        raise UserError(f"the weights in {path} lack {', '.join(missing[:6])}, which this model has.")
    if surplus := sorted(set(tensors) - set(wanted)):
        raise UserError(f"the weights in {path} hold {', '.join(surplus[:6])}, which this model does not have.")
    for name, value in wanted.items():
        if tensors[name].shape != value.shape:
            raise UserError(
                f"{name} in {path} has shape {list(tensors[name].shape)}; this model has {list(value.shape)} there."
            )
    model.load_state_dict(tensors)


def write_config(folder: Path, model: dict[str, Any]) -> None:
    write_json(folder / "config.json", {"model": model})


def read_config(folder: Path) -> dict[str, Any]:
    """The model's part of a folder's `config.json`."""
    config = read_json(folder / "config.json", "a model's config")
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        raise UserError(f"{folder / 'config.json'} describes no model: it has no entry 'model'.")
    return config["model"]
