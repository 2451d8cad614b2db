"""The number of threads within an operation, set for a while."""

import ctypes
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch


@contextmanager
def threads_set(count: int | None) -> Generator[None]:
    """Let torch use `count` threads within an operation for the body, and as many as before after it.

    `torch.set_num_threads` also forbids MKL to use fewer threads for small products, which no call of torch undoes;
    MKL's own does.

    Args:
        count: of threads; None for as many as torch uses now.
    """
    usual, library = torch.get_num_threads(), _mkl()
    dynamic = library.mkl_serv_get_dynamic() if library is not None else 0
    if count is not None and count != usual:
        torch.set_num_threads(count)
    try:
        yield
    finally:
        if torch.get_num_threads() != usual:
            torch.set_num_threads(usual)
        if library is not None:
            library.mkl_serv_set_dynamic(dynamic)


def can_put_back() -> bool:
    """Return whether the number of threads can be changed without a trace."""
    return _mkl() is not None or not torch.backends.mkl.is_available()


@cache
def _mkl() -> ctypes.CDLL | None:
    """Return the library with MKL's service functions, which torch's wheels export; None where they do not."""
    path = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"
    if not sys.platform.startswith("linux") or not path.is_file():
        return None
    library = ctypes.CDLL(str(path))
    return library if hasattr(library, "mkl_serv_get_dynamic") and hasattr(library, "mkl_serv_set_dynamic") else None
