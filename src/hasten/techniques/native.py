"""C++ of a technique, built for this processor when it is first needed, and kept in the user's cache folder."""

import ctypes
import hashlib
import os
import re
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import torch

from hasten.base.errors import Refused
from hasten.machine import facts
from hasten.machine.cache import cache_folder
from hasten.machine.facts import compiler_path

HEADER = Path(__file__).with_name("numbers.h")
NUMBER = {torch.float32: "float", torch.bfloat16: "bfloat16"}
FLAGS = (
    *("-O3", "-march=native", "-std=c++17", "-shared", "-fPIC", "-fopenmp"),
    *("-fno-math-errno", "-fno-trapping-math"),  # or loops with std::rint and std::floor do not become vectors
)


@dataclass(frozen=True, eq=False)  # so that looking a function up is quick
class Source:
    """A C++ file whose functions are for one format of numbers: NUMBER is float or bfloat16, as the build says.

    Args:
        path: of the file. The folder it lies in gives it its name.
        flags: for the compiler, besides FLAGS.
    """

    path: Path
    flags: tuple[str, ...] = ()


@cache
def function(source: Source, name: str, number: torch.dtype, *, tensors: int, sizes: int) -> Callable[..., None] | None:
    """Return a compiled function, or None where there is nothing to build with.

    It takes the addresses of so many tensors, then so many sizes, then the number of threads.

    Raises:
        Refused: as `library`.
    """
    built = library(source, number)
    if built is None:
        return None
    found = getattr(built, name)
    found.argtypes = [*[ctypes.c_void_p] * tensors, *[ctypes.c_long] * sizes, ctypes.c_int]
    found.restype = None
    return cast(Callable[..., None], found)


@cache
def library(source: Source, number: torch.dtype) -> ctypes.CDLL | None:
    """Return the compiled functions for values and results of that dtype, or None where there is nothing to build with.

    Raises:
        Refused: if there is a compiler, but it cannot build them, or the result cannot be kept or loaded.
    """
    compiler, name = compiler_path(), source.path.parent.name
    if compiler is None or sys.platform != "linux":
        return None
    command = [
        compiler,
        f"-DNUMBER={NUMBER[number]}",
        f"-I{HEADER.parent}",
        *FLAGS,
        *source.flags,
        str(source.path),
        *_openmp(),
    ]
    here = facts()
    made_of = source.path.read_bytes(), HEADER.read_bytes(), os.stat(compiler).st_mtime_ns
    key = hashlib.sha256(repr((command, made_of, here.cpu, here.isa)).encode())
    path = cache_folder() / f"{name}-{NUMBER[number]}-{key.hexdigest()[:16]}.so"
    try:
        if not path.exists():
            path.parent.mkdir(parents=True, exist_ok=True)
            _build(command, path)
        return ctypes.CDLL(str(path))
    except OSError as error:
        raise Refused(
            f"the compiled kernels of {name} must be kept in {path.parent} and loaded from there; that failed: "
            f"{error}. Set XDG_CACHE_HOME to a folder that can be written, or delete {path.name} if it is damaged."
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
                f"{command[0]} must be able to compile the kernels of hasten; it ended with {done.returncode}: "
                f"{done.stderr.strip()[-400:]}. Set CXX to a C++ compiler that has OpenMP."
            )
        made.replace(path)


def _openmp() -> list[str]:
    """Return how to link with the OpenMP that torch has loaded; with another, threads of both would fight for cores."""
    found = re.search(r"/\S*/lib(?:gomp|iomp5|omp)[^/\s]*\.so\S*", Path("/proc/self/maps").read_text())
    return ["-Wl,--as-needed", found[0]] if found else []
