"""The arrays of a result in one file, `arrays.npz`: written from memory, and looked at before they are unfolded.

A compressed file of a megabyte can unfold to any size; the sizes stand in its headers, which are read first.
"""

import hashlib
import io
import math
import struct
import zlib
from collections.abc import Mapping
from pathlib import Path
from zipfile import BadZipFile, ZipFile

import numpy as np

from interp.base.errors import InterpError, UserError
from interp.base.files import read_bytes

MOST_BYTES = 2**30
"""Bytes of all arrays of a result together, at most; the largest page takes a quarter of it."""
DAMAGE = (
    OSError,
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    EOFError,
    RuntimeError,
    BadZipFile,
    MemoryError,
    zlib.error,
    struct.error,
    NotImplementedError,
)
"""What a damaged file can raise on its way through JSON, zip and npz."""


def npz_bytes(arrays: Mapping[str, np.ndarray]) -> bytes:
    """The content of the file: the same for the same arrays."""
    content = io.BytesIO()
    np.savez_compressed(content, **dict(arrays))  # pyright: ignore[reportArgumentType]: none is called allow_pickle
    return content.getvalue()


def digest(content: bytes) -> str:
    """Names the file in the `results.json` beside it."""
    return hashlib.sha256(content).hexdigest()


class OfAnotherRun(InterpError):
    """The arrays are not those that the document beside them names; a writer may be between its two renames."""


def read_arrays(path: Path, named: str | None) -> dict[str, np.ndarray]:
    """Read a file of arrays. Nothing is unpickled.

    Args:
        path: of the file.
        named: the digest that it must have; None for a result from before digests.

    Raises: OfAnotherRun if it has another digest; InterpError if it is not there, or would unfold to more than
        `MOST_BYTES`; whatever is in `DAMAGE` if it is damaged.
    """
    try:
        content = read_bytes(path, "the arrays of a result", MOST_BYTES)
    except UserError as error:  # the other file is there: it is not the user who named a wrong place
        raise InterpError(str(error)) from error
    if named is not None and digest(content) != named:
        raise OfAnotherRun(
            f"{path} must be of the same run as the results.json beside it; got a file that is damaged or of "
            "another run. Run the analysis again."
        )
    check_headers(path, content)
    with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
        return dict(arrays)


def check_headers(path: Path, content: bytes) -> None:
    """Refuse what does not fit into memory, or is not as large as it says, by the headers alone."""
    with ZipFile(io.BytesIO(content)) as file:
        members = file.infolist()
        if (size := sum(member.file_size for member in members)) > MOST_BYTES:
            raise InterpError(f"{path} must decompress to at most {MOST_BYTES} bytes; got {size}.")
        for member in members:
            with file.open(member) as array:
                version = np.lib.format.read_magic(array)
                read = {(1, 0): np.lib.format.read_array_header_1_0, (2, 0): np.lib.format.read_array_header_2_0}
                shape, _, dtype = read[version](array)
                if array.tell() + math.prod(shape) * dtype.itemsize != member.file_size:
                    raise ValueError(f"{member.filename} is not as long as its header says")
