"""`kernels.cpp`, built for this processor when it is first needed, and kept in the user's cache folder."""

import ctypes
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from inspect import signature
from pathlib import Path
from typing import cast

import torch

from hasten.base.errors import Refused
from hasten.machine import facts
from hasten.machine.cache import cache_folder
from hasten.machine.facts import compiler_path
from hasten.techniques.forward.int8 import quantise

SOURCE = Path(__file__).with_name("kernels.cpp")
NUMBER = {torch.float32: "float", torch.bfloat16: "bfloat16"}
FLAGS = (
    *("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fopenmp"),
    "-ffp-contract=off",  # the same bits as torch, which rounds a product before it adds
    *("-fno-math-errno", "-fno-trapping-math"),  # or loops with std::rint and std::floor do not become vectors
)


@cache
def function(name: str, number: torch.dtype) -> Callable[..., None] | None:
    """Return the compiled function of that name, for values and results of that dtype, or None without a compiler.

    It takes the addresses of its tensors, then R, C and the number of threads.

    Raises:
        Refused: as `library`.
    """
    built = library(number)
    if built is None:
        return None
    found = getattr(built, name)
    tensors = len(signature(getattr(quantise, name)).parameters)
    found.argtypes = [*[ctypes.c_void_p] * tensors, ctypes.c_long, ctypes.c_long, ctypes.c_int]
    found.restype = None
    return cast(Callable[..., None], found)


@cache
def library(number: torch.dtype) -> ctypes.CDLL | None:
    """Return the compiled functions for values and results of that dtype, or None where there is nothing to build with.

    Raises:
        Refused: if there is a compiler, but it cannot build them, or the result cannot be kept or loaded.
    """
    compiler = compiler_path()
    if compiler is None or sys.platform != "linux":
        return None
    command = [compiler, f"-DNUMBER={NUMBER[number]}", *FLAGS, str(SOURCE), *_openmp()]
    here = facts()
    key = hashlib.sha256(
        repr((command, SOURCE.read_bytes(), os.stat(compiler).st_mtime_ns, here.cpu, here.isa)).encode()
    )
    path = cache_folder() / f"int8-{NUMBER[number]}-{key.hexdigest()[:16]}.so"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _build(command, path)
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise Refused(
            f"the int8 kernels must be kept in {path.parent} and loaded from there; that failed: {error}. Set "
            f"XDG_CACHE_HOME to a folder that can be written, or delete {path.name} if it is damaged."
        ) from error


def forget() -> None:
    """Look for a compiler, and for what it has built, anew."""
    function.cache_clear()
    library.cache_clear()


def _build(command: list[str], path: Path) -> None:
    """Compile to `path`; nobody ever sees half a file there."""
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / path.name
        done = subprocess.run([*command, "-o", str(made)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(
                f"{command[0]} must be able to compile the int8 kernels; it ended with {done.returncode}: "
                f"{done.stderr.strip()[-400:]}. Set CXX to a C++ compiler that has OpenMP."
            )
        made.replace(path)


def _openmp() -> list[str]:
    """Return how to link with the OpenMP that torch has loaded; with another, threads of both would fight for cores."""
    found = re.search(r"/\S*/lib(?:gomp|iomp5|omp)[^/\s]*\.so\S*", Path("/proc/self/maps").read_text())
    return ["-Wl,--as-needed", found[0]] if found else []
