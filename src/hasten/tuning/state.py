"""The process as it was found: whatever tuning does in it, nothing of it stays."""

import gc
import os
import sys
import warnings
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import torch

from hasten.base.seeds import preserved

deterministic_options: Any = torch.utils.deterministic  # a module whose one option its types do not know

Setting = tuple[Callable[[], Any], Callable[[Any], object]]
"""How a process-wide setting is read and how it is put back."""


def _deterministic() -> tuple[bool, bool]:
    return torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled()


def _set_deterministic(found: tuple[bool, bool]) -> None:
    torch.use_deterministic_algorithms(found[0], warn_only=found[1])


def _attribute(owner: Any, name: str) -> Setting:
    return (lambda: getattr(owner, name)), (lambda found: setattr(owner, name, found))


SETTINGS: tuple[Setting, ...] = (
    (torch.get_num_threads, torch.set_num_threads),
    (torch.get_float32_matmul_precision, torch.set_float32_matmul_precision),
    (torch.get_default_dtype, torch.set_default_dtype),
    (torch.is_grad_enabled, torch.set_grad_enabled),
    (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    (_deterministic, _set_deterministic),
    _attribute(deterministic_options, "fill_uninitialized_memory"),
    _attribute(torch.backends.cudnn, "benchmark"),
    _attribute(torch.backends.cudnn, "deterministic"),
    _attribute(torch.backends.cudnn, "allow_tf32"),
    (gc.isenabled, lambda found: gc.enable() if found else gc.disable()),
    (lambda: dict(os.environ), lambda found: _set_environment(found)),
)

MOST_COMPILATIONS = 64


@contextmanager
def untouched() -> Generator[None]:
    """Leave the process as it was found, also when the body fails.

    Put back: the global random generators of Python, numpy and torch, and every one of `SETTINGS`. Sessions, models
    and data that the body does not own it must not touch; nothing could put them back without knowing them.
    """
    found = [read() for read, _ in SETTINGS]
    with preserved(), warnings.catch_warnings():
        try:
            yield
        finally:
            for (read, write), value in zip(SETTINGS, found, strict=True):
                if read() != value:
                    write(value)


@contextmanager
def many_compilations() -> Generator[None]:
    """Let one function be compiled for many recipes, for the body, and let it fail rather than run uncompiled.

    torch.compile keeps its results by function, not by caller, and after 8 it silently runs the function as it is: the
    ninth recipe would be measured without what it is measured for. The limit is a setting of a private module.
    """
    from torch._dynamo import config  # slow to import, and only needed here

    with config.patch(recompile_limit=MOST_COMPILATIONS, fail_on_recompile_limit_hit=True):
        yield


def forget_compiled() -> None:
    """Drop what torch.compile has kept, so that the next compilation starts from nothing, as in a fresh process.

    Functions that the process compiled before are compiled again when they are called next; what they compute is the
    same.
    """
    if "torch._dynamo" in sys.modules:
        torch.compiler.reset()


@contextmanager
def deterministic() -> Generator[None]:
    """Make torch choose algorithms that give the same bits every time, for the body.

    Operations that have no such algorithm run as they are; the comparison then tells.
    """
    found, fill = _deterministic(), deterministic_options.fill_uninitialized_memory
    benchmark = torch.backends.cudnn.benchmark
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            torch.use_deterministic_algorithms(True, warn_only=True)
            deterministic_options.fill_uninitialized_memory = False
            torch.backends.cudnn.benchmark = False
            yield
        finally:
            _set_deterministic(found)
            deterministic_options.fill_uninitialized_memory = fill
            torch.backends.cudnn.benchmark = benchmark


def _set_environment(found: dict[str, str]) -> None:
    for name in os.environ.keys() - found.keys():
        del os.environ[name]
    os.environ.update(found)
