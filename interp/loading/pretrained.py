"""What stands behind `hf:`: a folder or a name on the hub, and how it is opened: `hf:NAME?revision=TAG`."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from interp.base.errors import UserError, shortened
from interp.base.paths import LONGEST_NAME, is_folder
from interp.tasks.spec import parse


@dataclass(frozen=True)
class Opening:
    """How a pretrained model is opened."""

    revision: str | None = None
    """Branch, tag or commit of a model on the hub; None: its newest."""
    dtype: Literal["float32", "float64", "bfloat16", "float16"] = "float32"
    """What its weights are held and run in. In half the memory, heads are told apart only as far as its rounding."""
    device_map: Literal["auto", "balanced", "sequential"] | None = None
    """How a model too large for one device is laid over several, in accelerate's words; None: it is on one."""


def named(rest: str) -> tuple[str, Opening]:
    """Read what stands behind `hf:`.

    Returns: the folder or name, and how it is opened. A question mark that is part of a folder's name belongs to it.

    Raises: UserError for nothing, a name longer than a file's can be, an unknown option, and a revision of a folder.
    """
    name, _, options = (rest, "", "") if is_folder(Path(rest)) else rest.partition("?")
    if not name:
        raise UserError(
            "a model after hf: must be a folder or a name on the Hugging Face hub, as in hf:gpt2; got nothing."
        )
    if any(len(os.fsencode(part)) > LONGEST_NAME for part in Path(name).parts):
        raise UserError(
            f"a model after hf: must be a folder or a name on the Hugging Face hub; got {shortened(name)}, "
            "which is longer than a file name can be."
        )
    opening = Opening(**parse(options, Opening, "a model after hf:")) if options else Opening()
    if opening.revision is not None and is_folder(Path(name).expanduser()):
        raise UserError(
            f"revision must be one of a model on the hub; got {shortened(opening.revision)!r} of the folder {name}. "
            "Leave it out, or name the folder of that revision."
        )
    return name, opening


def open_pretrained(rest: str, device: torch.device | str) -> tuple[Any, Any]:
    """Open what stands behind `hf:`.

    Returns: a bridge, which knows its tokens itself, and None; or a Mamba or hybrid of ours and what is known of its
        tokens.

    Raises: UserError as `named`, for one of ours that is to be laid over several devices, and for a model that cannot
        be opened; InterpError if the hub cannot be reached, or for damaged files.
    """
    from interp.models.pretrained.bridge import load_bridge
    from interp.models.pretrained.hub import at_revision
    from interp.models.pretrained.hybrids.reading import holds_hybrid, open_hybrid
    from interp.models.pretrained.mamba import holds_mamba, open_mamba

    name, opening = named(rest)
    dtype = getattr(torch, opening.dtype)
    if opening.revision is not None:
        name = str(at_revision(name, opening.revision))
    hybrid = holds_hybrid(name)
    if not hybrid and not holds_mamba(name):
        return load_bridge(name, device, dtype, opening.device_map), None
    if opening.device_map is not None:
        raise UserError(
            f"device_map must be left out for a Mamba or a hybrid, which is on one device; got {opening.device_map!r}. "
            "Leave it out."
        )
    model, known = open_hybrid(name, device) if hybrid else open_mamba(name, device)
    return model.to(dtype), known
