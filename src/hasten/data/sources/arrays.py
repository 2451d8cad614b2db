"""Arrays in .npy, .npz and IDX files, and bare tokens."""

import math
import zipfile
import zlib
from pathlib import Path
from tokenize import TokenError
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.sources.content import read_bytes
from hasten.data.sources.decompression import fits_in_memory, largest, too_large
from hasten.data.sources.idx import read_idx

_NO_ARRAY = (
    ValueError,
    EOFError,
    SyntaxError,
    TokenError,
    TypeError,
    KeyError,
    OverflowError,
    RecursionError,
    MemoryError,
)
"""What numpy's reader raises for a damaged file: its header is a literal of Python."""


def read_array(path: Path) -> NDArray[Any]:
    """Return the array that a .npy or IDX file holds.

    Raises:
        BadInput: if the file is missing, cut off or too long, holds Python objects, or is of another kind.
    """
    if path.suffix.lower() != ".npy":
        return read_idx(path)
    try:
        with path.open("rb") as file:
            array = np.lib.format.read_array(file, allow_pickle=False)
            rest = len(file.read())
    except OSError as error:
        raise BadInput(f"{path} must be a readable file; found: {error.strerror or error}.") from error
    except _NO_ARRAY as error:
        raise BadInput(_not_npy(path, error)) from error
    if rest:
        raise BadInput(
            f"{path} must hold {math.prod(array.shape)} values of {array.dtype.name} and nothing more; found {rest} "
            "bytes behind them. Get the file again."
        )
    return array


def read_arrays(path: Path) -> dict[str, NDArray[Any]]:
    """Return every array of an .npz file by its name.

    Raises:
        BadInput: if the file is missing, cut off, damaged (its checksums are verified), holds Python objects, or
            decompresses to more than memory may hold.
    """
    arrays: dict[str, NDArray[Any]] = {}
    name = ""
    try:
        with zipfile.ZipFile(path) as archive:
            size, total = path.stat().st_size, sum(info.file_size for info in archive.infolist())
            if total > largest(size) or not fits_in_memory(total):
                raise too_large(path, min(total, largest(size)), size)
            for name in archive.namelist():
                with archive.open(name) as file:
                    arrays[name.removesuffix(".npy")] = np.lib.format.read_array(file, allow_pickle=False)
                    file.read()  # to the end, where the checksum of the entry is compared
    except (zipfile.BadZipFile, zlib.error, NotImplementedError, *_NO_ARRAY) as error:
        entry = f" in its entry {name}" if name else ""
        raise BadInput(f"{path} must be a whole .npz file; found{entry}: {error}. Get the file again.") from error
    except OSError as error:
        raise BadInput(f"{path} must be a readable file; found: {error.strerror or error}.") from error
    return arrays


def read_tokens(path: Path, dtype: str = "uint16", *, num_tokens: int | None = None) -> NDArray[Any]:
    """Return the tokens of a file that holds nothing else, as nanoGPT's .bin files do.

    Args:
        path: the file.
        dtype: of the tokens, little-endian; the file does not tell.
        num_tokens: how many there are in the vocabulary, if known.

    Raises:
        BadInput: if the file is missing or empty, its size is no multiple of a token's, or a token is not in the
            vocabulary (names the first).
    """
    kind = np.dtype(dtype).newbyteorder("<")
    content = read_bytes(path)
    if not content or len(content) % kind.itemsize:
        raise BadInput(
            f"{path} must hold tokens of {kind.itemsize} bytes ({kind.name}); found {len(content)} bytes. "
            "Get the file again, or name another type."
        )
    tokens = np.frombuffer(content, kind).astype(kind.newbyteorder("="))
    limit = np.iinfo(kind).max + 1 if num_tokens is None else num_tokens
    wrong = np.flatnonzero((tokens < 0) | (tokens >= limit))
    if wrong.size:
        raise BadInput(
            f"{path} must hold tokens from 0 to {limit - 1}; found {tokens[wrong[0]]} at "
            f"place {wrong[0]} and {wrong.size} such tokens in all. Name another type or vocabulary."
        )
    return tokens


def _not_npy(path: Path, error: Exception) -> str:
    size = path.stat().st_size
    hint = "Save it without Python objects." if "allow_pickle" in str(error) else "Get the file again."
    return f"{path} must be a whole .npy file of numbers; found {size} bytes: {error}. {hint}"
