"""Weights and configs on disk: safetensors and JSON, never a pickle. A weights file names a digest of its content."""

import hashlib
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor, nn

from interp.base.errors import InterpError, UserError
from interp.base.files import json_text, read_json, write_together

CONFIG, WEIGHTS = "config.json", "model.safetensors"
WHAT = "the model's weights"
"""What a file of weights is called in errors."""


def save_model(model: nn.Module, config: dict[str, Any], folder: Path) -> None:
    """Write both files; on any failure what was in the folder stays as it was.

    Raises: InterpError if they cannot be written.
    """
    tensors = {name: value.detach().contiguous().cpu() for name, value in model.state_dict().items()}
    metadata = {"digest": content_digest(tensors)}
    write_together(
        {
            folder / WEIGHTS: lambda temporary: temporary.write_bytes(weights_bytes(tensors, metadata)),
            folder / CONFIG: lambda temporary: temporary.write_text(json_text({"model": config}), encoding="utf-8"),
        }
    )


def load_weights(model: nn.Module, path: Path) -> None:
    """Put the tensors of a file in place of the model's, in the file's dtype; names and shapes must agree exactly.

    Raises: UserError if the file is not there or belongs to another model; InterpError if it is damaged or was altered.
    """
    _check_shapes(model, _read_shapes(path), path)
    tensors, _ = read_whole(path, WHAT)
    warn_if_not_finite(tensors, path)
    set_weights(model, tensors)


def warn_if_not_finite(tensors: dict[str, Tensor], where: Path | str) -> None:
    """Warn of weights with which a model computes no numbers, whoever wrote them."""
    strange = sorted(
        name for name, value in tensors.items() if value.is_floating_point() and not value.isfinite().all()
    )
    if strange:
        said = f"the weights in {where} are not all finite numbers ({', '.join(strange[:6])}): the model computes NaN."
        warnings.warn(said, stacklevel=3)


def weights_bytes(tensors: dict[str, Tensor], metadata: dict[str, str]) -> bytes:
    """A safetensors file, the same for the same content: safetensors itself writes metadata in any order."""
    content = save(tensors, metadata)
    length = int.from_bytes(content[:8], "little")
    header = json.loads(content[8 : 8 + length])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # tensors begin at a multiple of 8
    return len(text).to_bytes(8, "little") + text + content[8 + length :]


def set_weights(model: nn.Module, tensors: dict[str, Tensor]) -> None:
    """Put tensors in place of all of a model's, in their dtype; names and shapes must agree exactly."""
    model.load_state_dict(tensors, assign=True)


def read_config(folder: Path) -> dict[str, Any]:
    """The model's part of a folder's `config.json`.

    Raises: UserError if it is not there or describes no model; InterpError if it is damaged.
    """
    config = read_json(folder / CONFIG, "a model's config")
    if not isinstance(config, dict) or not isinstance(config.get("model"), dict):
        raise UserError(f"{folder / CONFIG} must describe a model under 'model'; got no such entry.")
    return config["model"]


def content_digest(tensors: dict[str, Tensor], text: str = "") -> str:
    """SHA-256 of names, types, shapes and values, and of a text that is kept beside them."""
    digest = hashlib.sha256(text.encode())
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.reshape(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _check_shapes(model: nn.Module, found: dict[str, tuple[int, ...]], path: Path) -> None:
    wanted = {name: tuple(value.shape) for name, value in model.state_dict().items()}
    if missing := sorted(set(wanted) - set(found)):
        raise UserError(
            f"the weights in {path} must be those of this model; got none for its {', '.join(missing[:6])}."
        )
    if surplus := sorted(set(found) - set(wanted)):
        raise UserError(
            f"the weights in {path} must be those of this model; got {', '.join(surplus[:6])}, which it does not have."
        )
    for name, shape in wanted.items():
        if found[name] != shape:
            raise UserError(
                f"{name} in {path} must have the shape {list(shape)} that this model has; got {list(found[name])}."
            )


def _read_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    """Name -> shape of the tensors of a file, from its header alone."""
    if not path.is_file():
        raise UserError(f"{WHAT} must be at {path}; got no such file. Check the path.")
    try:
        with safe_open(path, framework="pt") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        raise InterpError(
            f"{WHAT} at {path} must be a whole file; got a damaged one ({error}). Restore it, or train again."
        ) from error


def read_whole(path: Path, what: str) -> tuple[dict[str, Tensor], dict[str, str]]:
    """All tensors of a file and what is written beside them; a digest there is held to. `what` names it in the error.

    Raises: InterpError if the file is cut or altered.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = file.metadata() or {}
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
    except (SafetensorError, OSError, ValueError, MemoryError) as error:
        raise InterpError(
            f"{what} at {path} must be a whole file; got a damaged one ({error}). Restore it, or train again."
        ) from error
    if "digest" in metadata and metadata["digest"] != content_digest(tensors, metadata.get("stamp", "")):
        raise altered(path, what)
    return tensors, metadata


def altered(path: Path, what: str) -> InterpError:
    """The error for a file that does not fit its digest."""
    return InterpError(
        f"{what} at {path} must be what was saved; got a file that was damaged or altered since. Restore it, or train "
        "again."
    )
