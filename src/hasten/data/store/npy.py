"""The header of a .npy file, always 128 bytes long, so that it can be written last and compared byte by byte."""

from typing import Any

import numpy as np

HEADER_BYTES = 128
_MAGIC = b"\x93NUMPY\x01\x00"


def npy_header(dtype: np.dtype[Any], shape: tuple[int, ...]) -> bytes:
    """Return the header of an array in C order, format version 1.0 (NEP 1).

    Args:
        dtype: of the values; not a structured one.
        shape: of the whole array.
    """
    room = HEADER_BYTES - len(_MAGIC) - 2
    text = f"{{'descr': {dtype.str!r}, 'fortran_order': False, 'shape': {shape!r}, }}"
    if len(text) >= room:
        raise ValueError(f"a header of at most {room - 1} characters was expected; found {len(text)}")
    return _MAGIC + room.to_bytes(2, "little") + text.ljust(room - 1).encode("latin1") + b"\n"
