"""With another number of threads: steps with each, against steps with the current number."""

import ctypes
import sys
from collections.abc import Generator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import psutil
import torch

from hasten.base.records.machine import Machine
from hasten.base.records.profile import Profile
from hasten.machine.threads import thread_counts
from hasten.measurement.paired import Block
from hasten.profiling.ablations.running import Measured, steps_on_one, timed
from hasten.profiling.stepping import one_batch
from hasten.training.session import Session


def measure(run: Session, profile: Profile, machine: Machine, *, budget_s: float) -> Measured | None:
    """Return the best other number of threads and how many times faster the step is with it.

    None on a GPU, where there is no other number, and where MKL's choice of threads could not be put back afterwards.
    """
    usual = torch.get_num_threads()
    logical = psutil.cpu_count(logical=True) or machine.cores
    others = [count for count in thread_counts(cores=machine.cores, threads=usual, logical=logical) if count != usual]
    if not run.recipe.device.is_host or not others or not can_put_back():
        return None
    steps = steps_on_one(run, one_batch(run))
    found = [
        timed(
            steps,
            _with_threads(steps, count, usual),
            step_s=profile.step_s.value,
            budget_s=budget_s / len(others),
            detail=f"{count} thread{'s' if count > 1 else ''}",
        )
        for count in others
    ]
    return max(found, key=lambda one: one.ratio.value)


def _with_threads(steps: Block, count: int, usual: int) -> Block:
    def block(number: int) -> None:
        with threads_set(count, usual):
            steps(number)

    return block


@contextmanager
def threads_set(count: int, usual: int) -> Generator[None]:
    """Let torch use `count` threads for the body, and `usual` after it.

    `torch.set_num_threads` also forbids MKL to use fewer threads for small products, which no call of torch undoes;
    MKL's own does.
    """
    library = _mkl()
    dynamic = library.mkl_serv_get_dynamic() if library is not None else 0
    torch.set_num_threads(count)
    try:
        yield
    finally:
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
