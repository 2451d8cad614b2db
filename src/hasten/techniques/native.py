"""C++ of a technique, compiled for this processor when it is first needed, and kept in the user's cache folder.

Not by `torch.utils.cpp_extension`: its `load` needs ninja, which torch does not install. These kernels are plain
functions on addresses, need no header of torch, and build in two seconds.

A library is code that will run, so its file is loaded only from a folder that belongs to the user and that nobody else
can write, and only if its bytes have the digest in its name: a truncated file would end the process with SIGBUS.
"""

import ctypes
import hashlib
import os
import re
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import cast

import torch

from hasten.base.cache_folder import cache_folder
from hasten.base.errors import BadInput, Refused
from hasten.base.files import write_atomically
from hasten.machine import facts
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
    key = hashlib.sha256(repr((command, made_of, here.cpu, here.isa)).encode()).hexdigest()[:16]
    try:
        folder = _own_folder(cache_folder() / "kernels")
        stem = f"{name}-{NUMBER[number]}-{key}"
        return ctypes.CDLL(str(_intact(folder, stem) or _built(command, folder, stem)))
    except (OSError, RuntimeError, BadInput) as error:  # RuntimeError: the user has no home folder
        raise Refused(
            f"the compiled kernels of {name} cannot be kept or loaded: {error}. "
            "Set XDG_CACHE_HOME to a folder of your own that can be written."
        ) from error


def forget() -> None:
    """Look for a compiler, and for what it has built, anew."""
    function.cache_clear()
    library.cache_clear()


def _own_folder(folder: Path) -> Path:
    """Make the folder if it is missing, and return it if it is the user's alone.

    Raises:
        Refused: if it belongs to somebody else, is a link, or can be written by others.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = os.lstat(folder)
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise Refused(
            f"compiled kernels are loaded only from a folder that you own and nobody else can write; {folder} is not "
            f"one (owner {found.st_uid}, mode {stat.filemode(found.st_mode)}). Remove it, or set XDG_CACHE_HOME."
        )
    return folder


def _intact(folder: Path, stem: str) -> Path | None:
    """Return the kept library whose bytes have the digest in its name, or None; damaged ones are removed."""
    for path in folder.glob(f"{stem}-*.so"):
        if path.name == _name(stem, path.read_bytes()):
            return path
        path.unlink()
    return None


def _built(command: list[str], folder: Path, stem: str) -> Path:
    """Compile, keep the library, whole or not at all, also through a loss of power, and return its path."""
    with tempfile.TemporaryDirectory() as scratch:
        made = Path(scratch) / "made.so"
        done = subprocess.run([*command, "-o", str(made)], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Refused(
                f"{command[0]} cannot compile the kernels of hasten; it ended with {done.returncode}: "
                f"{done.stderr.strip()[-400:]}. Set CXX to a C++ compiler that has OpenMP."
            )
        content = made.read_bytes()
    path = folder / _name(stem, content)
    write_atomically(path, lambda file: file.write(content))
    return path


def _name(stem: str, content: bytes) -> str:
    return f"{stem}-{hashlib.sha256(content).hexdigest()[:32]}.so"


def _openmp() -> list[str]:
    """Return how to link with the OpenMP that torch has loaded; with another, threads of both would fight for cores."""
    found = re.search(r"/\S*/lib(?:gomp|iomp5|omp)[^/\s]*\.so\S*", Path("/proc/self/maps").read_text())
    return ["-Wl,--as-needed", found[0]] if found else []
