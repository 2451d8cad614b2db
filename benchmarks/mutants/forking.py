"""Run pytest in forks of one process that has imported torch, or the package and its tests too.

Reads one JSON line per run and writes its exit code, negative for a signal:

    options      of pytest
    environment  variables to set
    source       folder from which the package is imported, unless the process was started with tests to collect
    cpu_s        processor time after which the run is killed
    patch        null, or {module: text}: functions of a module that is imported already are replaced by those of a text

A start takes 3 s of processor time, a fork 0.1 s.
"""

import gc
import json
import os
import resource
import sys
from collections import defaultdict
from collections.abc import Iterator
from types import CodeType, FunctionType

import pytest
import scipy.stats  # noqa: F401
import sklearn.datasets  # noqa: F401
import torch  # noqa: F401
import torchmetrics  # noqa: F401

from benchmarks.mutants import NOT_PATCHED


def main(source: str, *tests: str) -> None:
    """Collect the tests, if there are any, and serve until the input ends."""
    out = os.dup(1)
    if tests:
        _silence()
        sys.path.insert(0, source)
        pytest.main(["--collect-only", "-q", "-p", "no:cacheprovider", *tests])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _silence()
            os._exit(_run(**json.loads(line)))
        _, status = os.waitpid(child, 0)
        os.write(out, f"{os.waitstatus_to_exitcode(status)}\n".encode())


def _silence() -> None:
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (1, 2):
        os.dup2(nothing, stream)


def _run(options: list[str], environment: dict[str, str], source: str, cpu_s: int, patch: dict[str, str]) -> int:
    os.environ.update(environment)
    sys.dont_write_bytecode = True
    if not patch:
        sys.path.insert(0, source)
    for module, text in patch.items():
        _replace_functions(module, text)
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_s, cpu_s + 5))
    return int(pytest.main(options))


def _replace_functions(module: str, text: str) -> None:
    """Give every function of a module the code that it has in `text`, matched by qualified name and order."""
    live = defaultdict[str, list[FunctionType]](list)
    for one in gc.get_objects():
        if isinstance(one, FunctionType) and one.__code__.co_filename == sys.modules[module].__file__:
            live[one.__code__.co_qualname].append(one)
    new = defaultdict[str, list[CodeType]](list)
    for code in _codes(compile(text, str(sys.modules[module].__file__), "exec")):
        new[code.co_qualname].append(code)
    for name, functions in live.items():
        firsts = sorted({one.__code__.co_firstlineno for one in functions})
        codes = sorted(new[name], key=lambda code: code.co_firstlineno)
        if len(firsts) != len(codes):  # one of several of this name is not alive: the caller imports the module anew
            os._exit(NOT_PATCHED)
        for one in functions:
            code = codes[firsts.index(one.__code__.co_firstlineno)]
            if len(code.co_freevars) != len(one.__code__.co_freevars):
                os._exit(NOT_PATCHED)
            one.__code__ = code


def _codes(code: CodeType) -> Iterator[CodeType]:
    for one in code.co_consts:
        if isinstance(one, CodeType):
            yield one
            yield from _codes(one)


if __name__ == "__main__":
    main(*sys.argv[1:])
