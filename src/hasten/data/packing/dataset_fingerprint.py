"""What a data set is made from, as one text: the same text, the same samples.

Either the data set says so itself, or it is found out from what it holds (numbers, arrays, paths with the sizes and
times of the files behind them, other objects) and from the code of its class. What a function reads from its module is
not followed, so callers compare some samples as well.
"""

import inspect
import os
from collections.abc import Mapping
from pathlib import Path
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import numpy as np
import torch

from hasten.base.errors import BadInput
from hasten.data.store.fingerprint import fingerprint_arrays, hash_values

_PLAIN = (bool, int, float, complex, bytes, type(None), range, torch.dtype, torch.device, np.dtype)


class _Unknown(Exception):  # noqa: N818  (never leaves this module)
    """Something whose content cannot be told; its argument is where it was found."""


def dataset_fingerprint(dataset: object) -> str | None:
    """Return a hash of what a data set is made from, or None where it cannot be told; see `why_no_fingerprint`.

    A data set may say it itself: an attribute or a method `fingerprint`, or `_fingerprint` as those of Hugging Face.
    """
    said = _said(dataset)
    if said is not None:
        return hash_values(type(dataset).__qualname__, said)
    try:
        return hash_values(_described(dataset, type(dataset).__name__, ()))
    except _Unknown:
        return None


def why_no_fingerprint(dataset: object) -> str | None:
    """Return what in a data set cannot be told, or None if there is a fingerprint."""
    if _said(dataset) is not None:
        return None
    try:
        _described(dataset, type(dataset).__name__, ())
    except _Unknown as unknown:
        return f"{unknown} cannot be told; give the data set a method `fingerprint` that returns a text"
    return None


def _said(dataset: object) -> str | None:
    for name in ("fingerprint", "_fingerprint"):
        own = getattr(dataset, name, None)
        said = own() if callable(own) else own
        if said is not None:
            if not isinstance(said, str):
                raise BadInput(
                    f"{name} of the data set {type(dataset).__name__} must be a text; found {type(said).__name__}."
                )
            return said
    return None


def _described(value: Any, where: str, above: tuple[int, ...]) -> object:
    """Return a value as texts and lists of them; raises `_Unknown` with the place of what cannot be told."""
    if id(value) in above:
        return "itself"
    above = (*above, id(value))
    if isinstance(value, (*_PLAIN, type)):
        return repr(value)
    if isinstance(value, (str, Path)):
        return [repr(str(value)), *_files_behind(value)]
    if isinstance(value, (np.ndarray, np.generic, torch.Tensor)):
        return _array(value, where)
    if isinstance(value, Mapping):
        return [[_described(k, where, above), _described(v, f"{where}[{k!r}]", above)] for k, v in value.items()]
    if isinstance(value, (list, tuple)):
        return [_described(v, f"{where}[{place}]", above) for place, v in enumerate(value)]
    if isinstance(value, (set, frozenset)):
        return sorted(str(_described(v, where, above)) for v in value)
    if isinstance(value, (FunctionType, MethodType, BuiltinFunctionType, ModuleType)):
        return _function(value, where, above)
    return _object(value, where, above)


def _files_behind(value: str | Path) -> list[str]:
    try:
        if not value or not os.path.exists(value):
            return []
        stat = os.stat(value)
    except (OSError, ValueError):
        return []
    if not os.path.isdir(value):
        return [f"{stat.st_size} {stat.st_mtime_ns}"]
    found: list[str] = []
    for parent, folders, names in os.walk(value):
        folders.sort()
        for name in sorted(names):
            inner = os.stat(os.path.join(parent, name), follow_symlinks=False)
            found.append(f"{name} {inner.st_size} {inner.st_mtime_ns}")
    return [hash_values(found)]


def _array(value: Any, where: str) -> str:
    try:
        array = value.detach().cpu().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    except (TypeError, RuntimeError) as error:
        raise _Unknown(where) from error
    if array.dtype.hasobject:
        raise _Unknown(where)
    return fingerprint_arrays({"": array}, where).content


def _function(value: Any, where: str, above: tuple[int, ...]) -> object:
    name = f"{getattr(value, '__module__', '')}.{getattr(value, '__qualname__', value.__name__)}"
    if isinstance(value, MethodType):
        return [name, _described(value.__self__, where, above), _described(value.__func__, where, above)]
    if not isinstance(value, FunctionType):
        return name
    cells = [_described(cell.cell_contents, where, above) for cell in value.__closure__ or ()]
    return [name, _code(value.__code__), cells, _described(value.__defaults__, where, above)]


def _code(code: CodeType) -> list[object]:
    constants = [_code(part) if isinstance(part, CodeType) else repr(part) for part in code.co_consts]
    return [code.co_code.hex(), list(code.co_names), constants]


def _object(value: Any, where: str, above: tuple[int, ...]) -> object:
    kind = type(value)
    state = getattr(value, "__dict__", None)
    if state is None or hasattr(value, "__next__") or hasattr(value, "fileno"):
        raise _Unknown(f"{where} (a {kind.__name__})")
    try:
        source = inspect.getsource(kind)
    except (OSError, TypeError):
        source = ""
    held = {name: part for name, part in state.items() if not name.startswith("__")}
    return [
        f"{kind.__module__}.{kind.__qualname__}",
        source,
        *[[name, _described(part, f"{where}.{name}", above)] for name, part in sorted(held.items())],
    ]
