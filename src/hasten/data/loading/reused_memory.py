"""Memory for large batches that is used again once no tensor lies in it.

Fresh memory costs a page fault for every 4 KiB that is first written: a batch of large images took four times as long
to normalize as into memory that was there. Allocators give large pieces back to the system as soon as they are free.
"""

import threading
import weakref
from math import prod
from typing import Any

import torch
from numpy.typing import NDArray
from torch import Tensor

SMALLEST_BYTES = 2**22
"""What is smaller comes from torch's allocator, which keeps it, and is quicker."""
_MOST_WASTE = 2  # times the bytes that are wanted
_Piece = NDArray[Any]


class ReusedMemory(threading.local):
    """Memory on the CPU for tensors of about one size: as many pieces as were in use at one time, until a thread ends.

    Each thread has its own: there is nothing to lock, and a forked process cannot inherit a lock that is held.
    """

    def __init__(self) -> None:
        self._free: list[_Piece] = []
        self._lent: list[tuple[_Piece, weakref.ref[_Piece]]] = []

    def empty(self, shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
        """Return a tensor on the CPU whose contents are undefined and whose memory is no other tensor's.

        The memory is used again when the tensor, its views and every graph that keeps it for a gradient are gone.
        """
        nbytes = prod(shape) * dtype.itemsize
        if nbytes < SMALLEST_BYTES:
            return torch.empty(shape, dtype=dtype)
        piece = self._take(nbytes)
        part = piece[:nbytes]  # the tensor's storage keeps this array alive, and nothing else does
        self._lent.append((piece, weakref.ref(part)))
        return torch.from_numpy(part).view(dtype).view(shape)

    def _take(self, nbytes: int) -> _Piece:
        back = [piece for piece, part in self._lent if part() is None]
        self._lent = [lent for lent in self._lent if lent[1]() is not None]
        fitting = [piece for piece in (*self._free, *back) if nbytes <= piece.nbytes <= _MOST_WASTE * nbytes]
        self._free = fitting[1:]  # pieces of another size go back to the system
        return fitting[0] if fitting else torch.empty(nbytes, dtype=torch.uint8).numpy()
