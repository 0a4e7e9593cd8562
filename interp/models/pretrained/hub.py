"""Files of pretrained models, in a folder or on the hub, and a sentence for each way in which they cannot be had.

Code that lies beside a model is never run, and nobody is asked whether it may be: every call into transformers says so.
"""

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from interp.base.errors import InterpError, UserError
from interp.base.files import MOST_JSON, read_json
from interp.base.paths import is_file, is_folder

WHOLE = ("model.safetensors", "pytorch_model.bin")
SHARDS = tuple(f"{file}.index.json" for file in WHOLE)
TOKENIZER = ("tokenizer.json", "tokenizer_config.json", "vocab.json", "vocab.txt", "tokenizer.model", "spiece.model")
UNREADABLE = (SafetensorError, OSError, EOFError, ValueError, RuntimeError, MemoryError, pickle.UnpicklingError)
"""What a damaged file of weights raises; a file that says it is larger than memory is one."""
PATIENCE = 10.0
"""Seconds that the hub has to answer whether it is there."""


def find(name: str, *files: str) -> Path:
    """The first of these files that a model has, fetched from the hub if need be.

    Args:
        name: a folder, or a name on the hub.
        files: in the order in which they are wanted.

    Raises:
        UserError: if there is no such model, or it has none of the files.
        InterpError: if the hub cannot be reached.
    """
    from huggingface_hub import hf_hub_download
    from huggingface_hub.errors import EntryNotFoundError, HFValidationError, LocalEntryNotFoundError

    if is_folder(Path(name)):
        for file in files:
            if is_file(Path(name) / file):
                return Path(name) / file
        raise UserError(
            f"the folder {name} must hold a whole Hugging Face model; got one without {' or '.join(files)}."
        )
    out_of_reach, local = None, only_local(name)
    for file in files:
        try:
            return Path(hf_hub_download(name, file, local_files_only=local))
        except LocalEntryNotFoundError as error:  # another of the files may lie in the cache
            out_of_reach = error
        except EntryNotFoundError:
            continue
        except (OSError, HFValidationError) as error:
            raise not_found(name, error) from None
    if out_of_reach is not None:
        raise not_found(name, out_of_reach) from None
    raise UserError(
        f"{name} on the Hugging Face hub must have {' or '.join(files)}; got a model without. Choose another."
    )


def only_local(name: str) -> bool:
    """Whether a model must be looked for on this machine alone: a folder, or a hub that does not answer.

    Asked once, so that a machine without a network need not wait until each file has been tried several times.
    """
    from huggingface_hub import get_hf_file_metadata, hf_hub_url
    from huggingface_hub.errors import HfHubHTTPError

    if is_folder(Path(name)):
        return True
    try:
        get_hf_file_metadata(hf_hub_url(name, "config.json"), timeout=PATIENCE)
    except HfHubHTTPError:  # it answers, if only to say no
        return False
    except Exception:  # each kind of network failure has a class of its own, in whichever client is installed
        return True
    return False


def at_revision(name: str, revision: str) -> Path:
    """The folder, on this machine, of a model on the hub as it was at a revision: fetched, or from the hub's cache.

    Pickled weights are fetched only where there are no others.

    Raises: UserError if there is no such model or revision; InterpError if the hub cannot be reached.
    """
    from huggingface_hub import snapshot_download

    def fetched(*patterns: str) -> Path:
        return Path(snapshot_download(name, revision=revision, allow_patterns=list(patterns)))

    try:
        folder = fetched("*.json", "*.safetensors", "*.txt", "*.model")
        return folder if any(folder.glob("*.safetensors")) else fetched("*.json", "*.bin", "*.txt", "*.model")
    except Exception as error:  # each kind of failure has a class of its own, in whichever client is installed
        raise not_found(f"{name} at {revision}", error) from None


@contextmanager
def refusals(name: str, what: str) -> Iterator[None]:
    """Turn whatever transformers raises over a model's files into one sentence.

    Args:
        name: of the model.
        what: is opened: "the model", "the tokenizer".

    Raises: InterpError for damaged weights or a hub out of reach, else UserError.
    """
    try:
        yield
    except (InterpError, MemoryError):
        raise
    except OSError as error:
        raise not_found(name, error) from None
    except RecursionError:
        raise UserError(
            f"{what} of {name} must be in files that can be read; got ones that nest too deeply. Choose another model."
        ) from None
    except (SafetensorError, RuntimeError) as error:
        raise InterpError(
            f"the weights of {name} must be whole files; got a damaged one ({first_line(error)}). Fetch the "
            "model again."
        ) from None
    except ImportError as error:
        raise UserError(
            f"{what} of {name} must need only packages that are installed; got an error "
            f"({first_line(error)}). Install the package."
        ) from None
    except Exception as error:  # a damaged or odd config ends in any of them, deep within transformers
        why = first_line(error) or type(error).__name__
        raise UserError(
            f"{what} of {name} must be one that transformers can open; got an error ({why}). Choose another "
            "model, or mend its files."
        ) from None


def refuse_strange_files(folder: Path) -> None:
    """Raises: UserError for a folder that holds a pipe or a device, which may never end, or giants of JSON."""
    for path in folder.iterdir():
        if not (is_file(path) or is_folder(path)):
            raise UserError(f"{path} must be a file; got a pipe, a device or a broken link. Remove it.")
        if path.suffix == ".json" and (size := path.stat().st_size) > MOST_JSON:
            raise UserError(f"{path} must have at most {MOST_JSON} bytes; got {size}. Fetch the model again.")


def read_tokenizer(name: str) -> Any:
    """The tokenizer beside a model; None if there is none. Some classes then make up one that knows no text.

    Raises: UserError for one that is damaged, needs a package that is not installed, or code of its own.
    """
    from transformers import AutoTokenizer

    folder = Path(name)
    if is_folder(folder) and not any((folder / file).exists() for file in TOKENIZER):
        return None
    try:
        with refusals(name, "the tokenizer"):
            tokenizer = AutoTokenizer.from_pretrained(name, trust_remote_code=False, local_files_only=only_local(name))
    except InterpError:
        if is_folder(folder):
            raise
        return None  # the hub has none, or none that was kept
    return tokenizer if len(tokenizer) > len(tokenizer.all_special_ids) else None


def read_tensors(name: str) -> tuple[Path, dict[str, Tensor]]:
    """A model's weights, of one file or of several, and the file that was found. Pickles are read for tensors alone.

    Raises: as `find`; InterpError for damaged files.
    """
    path = find(name, *WHOLE, *SHARDS)
    if path.name not in SHARDS:
        return path, _read_file(path)
    try:
        files = sorted(set(read_json(path, "a checkpoint's index")["weight_map"].values()))
    except (KeyError, TypeError, AttributeError):
        raise InterpError(
            f"{path} must name the files of the weights (weight_map); got none. Fetch the model again."
        ) from None
    tensors: dict[str, Tensor] = {}
    for file in files:
        tensors |= _read_file(find(name, file))
    return path, tensors


def _read_file(path: Path) -> dict[str, Tensor]:
    try:
        if path.suffix == ".safetensors":
            with safe_open(path, framework="pt") as file:
                return {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # not a dict
        tensors: Any = torch.load(path, map_location="cpu", weights_only=True)
    except UNREADABLE as error:
        raise InterpError(
            f"the weights in {path} must be a whole file; got a damaged one ({first_line(error)}). Fetch the "
            "model again."
        ) from None
    if not isinstance(tensors, dict) or not all(isinstance(tensor, Tensor) for tensor in tensors.values()):
        raise UserError(f"{path} must hold tensors by their names; got something else. Choose another model.")
    return tensors


def not_found(name: str, error: Exception) -> InterpError:
    """What to tell of an error met on the way to a model, by what caused it."""
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HFValidationError,
        LocalEntryNotFoundError,
        OfflineModeIsEnabled,
        RepositoryNotFoundError,
    )

    if is_folder(Path(name)):
        return UserError(f"the folder {name} must hold a whole Hugging Face model; got an error ({first_line(error)}).")
    met = (error, error.__cause__, error.__context__)  # transformers wraps what the hub's own client raises

    def is_any(*kinds: type[Exception]) -> bool:
        return any(isinstance(one, kinds) for one in met)

    if is_any(LocalEntryNotFoundError, OfflineModeIsEnabled):
        return InterpError(
            f"{name} must be a folder or a name on the Hugging Face hub; got no such folder, and the hub "
            "could not be reached. Fetch the model where there is a network, and name its folder."
        )
    if is_any(HFValidationError):
        return UserError(
            f"{name} must be a folder or a name on the Hugging Face hub; got no such folder, and no name that "
            "the hub allows."
        )
    if is_any(GatedRepoError):
        return UserError(
            f"the terms of {name} must be accepted on the Hugging Face hub; got no access. Accept them on its "
            "page, then log in with hf auth."
        )
    if is_any(RepositoryNotFoundError, EntryNotFoundError):
        return UserError(
            f"{name} must be a folder or a name on the Hugging Face hub; got neither. Check the name, or log "
            "in with hf auth if the model is private."
        )
    return InterpError(
        f"{name} must be a folder or a name on the Hugging Face hub; got no such folder, and an error "
        f"from the hub ({first_line(error)})."
    )


def first_line(error: Exception) -> str:
    """Return the first line of an error, without its full stop."""
    return str(error).strip().partition("\n")[0].rstrip(".:")
