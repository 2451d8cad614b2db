"""IDX files: the arrays of MNIST and its successors.

Layout (LeCun, 1998, "The MNIST database"): two zero bytes, a byte for the type, a byte for the number of dimensions,
each dimension as a big-endian uint32, then the values, big-endian, last dimension fastest.
"""

import math
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from hasten.base.errors import BadInput
from hasten.data.sources.content import read_bytes

_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}


def is_idx(content: bytes) -> bool:
    """Return whether the first four bytes of a file are those of an IDX file."""
    return len(content) >= 4 and content[:2] == b"\0\0" and content[2] in _DTYPES and content[3] > 0


def read_idx(path: Path) -> NDArray[Any]:
    """Return the array that an IDX file holds, compressed or not.

    Returns:
        a writable array in native byte order, of the shape and dtype that the header states.

    Raises:
        BadInput: if the file is missing or cut off, or its header and its size do not agree.
    """
    content = read_bytes(path)
    dtype, shape = _header(path, content)
    start = 4 + 4 * len(shape)
    expected = start + math.prod(shape) * dtype.itemsize
    if len(content) != expected:
        what = "cut off" if len(content) < expected else "too long"
        raise BadInput(
            f"{path} must hold {expected} bytes, {' x '.join(map(str, shape))} values of {dtype.name} behind "
            f"{start} bytes of header; found {len(content)}, so it is {what}. Get the file again."
        )
    values = np.frombuffer(content, dtype, offset=start).reshape(shape)
    return values.astype(dtype.newbyteorder("="))


def _header(path: Path, content: bytes) -> tuple[np.dtype[Any], tuple[int, ...]]:
    if not is_idx(content):
        known = ", ".join(f"{code:02x}" for code in _DTYPES)
        raise BadInput(
            f"{path} must be an IDX file, which starts with 00 00, a type ({known}) and a number of dimensions; "
            f"found {content[:4].hex(' ') or 'nothing'}. Check that it is the right file."
        )
    dimensions = content[3]
    if len(content) < 4 + 4 * dimensions:
        raise BadInput(
            f"{path} must hold {4 + 4 * dimensions} bytes of header for its {dimensions} dimensions; "
            f"found {len(content)} bytes, so it is cut off. Get the file again."
        )
    shape = np.frombuffer(content, ">u4", count=dimensions, offset=4)
    return np.dtype(_DTYPES[content[2]]), tuple(int(size) for size in shape)
