"""What a Python value is, as text that is the same in every process: to tell whether two trainings are the same.

A function is described by its code, its defaults, and the values that it closes over or takes from its module; line
numbers and comments do not count.
"""

import dataclasses
import enum
import functools
import hashlib
import math
import pickle
import re
import types
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

_DEEPEST = 6
_MOST_ITEMS = 200
_MOST_NUMBERS = 2**20
_INTERNAL = frozenset(vars(nn.Module()))
_FUNCTIONS = (types.FunctionType, types.BuiltinFunctionType, functools.partial)
_LIBRARIES = ("torch.", "torchvision.", "torchmetrics.", "numpy.", "hasten.", "builtins.")


def described(value: Any) -> str:
    """Return a short text that is equal for equal values, also across processes."""
    return _described(value, set(), 0)


def described_layer(module: nn.Module) -> str:
    """Return the description of one layer without those in it: its class, options, functions, and own code."""
    return _layer(module, set(), 1)


def _layer(module: nn.Module, seen: set[int], depth: int) -> str:
    kind = type(module)
    own = {name: value for name, value in sorted(vars(module).items()) if name not in _INTERNAL}
    options = {name: value for name, value in own.items() if isinstance(value, _FUNCTIONS) or _is_option(value)}
    text = _call(kind.__name__, options.items(), seen, depth)
    return text if _is_of_library(kind) else f"{text} (code {_short(_code_of_class(kind, seen, depth))})"


def _described(value: Any, seen: set[int], depth: int) -> str:
    if isinstance(value, str | Path):  # of a path its end alone, since data may move
        return repr(re.split(r"[/\\\\]", str(value).rstrip("/\\"))[-1])
    if isinstance(value, np.generic):  # before the numbers: a float64 is a `float`
        return repr(value.item())
    if value is None or isinstance(value, bool | int | float | bytes | torch.dtype | torch.device):
        return repr(value)
    if isinstance(value, enum.Enum):
        return str(value)
    if isinstance(value, Tensor | np.ndarray):
        return _array(value)
    if id(value) in seen or depth > _DEEPEST:
        return type(value).__name__
    seen = seen | {id(value)}
    if isinstance(value, types.FunctionType):
        return f"{value.__name__} (code {_short(_function(value, seen, depth))})"
    if isinstance(value, types.MethodType):
        return f"{_described(value.__self__, seen, depth + 1)}.{value.__name__}"
    if isinstance(value, functools.partial):
        return _call(
            _described(value.func, seen, depth + 1), [*enumerate(value.args), *value.keywords.items()], seen, depth
        )
    if isinstance(value, Mapping):
        return _call("", sorted(value.items(), key=lambda pair: str(pair[0])), seen, depth)
    if isinstance(value, list | tuple | set | frozenset):
        items = sorted(value, key=repr) if isinstance(value, set | frozenset) else cast(list[Any], list(value))
        return _call("", enumerate(items), seen, depth)
    if isinstance(value, type) or not hasattr(value, "__dict__"):
        return str(getattr(value, "__qualname__", type(value).__qualname__))
    return _object(value, seen, depth)


def _object(value: Any, seen: set[int], depth: int) -> str:
    """Describe an object by its class, the code of that class, and its attributes."""
    kind = type(value)
    if isinstance(value, nn.Module):
        tensors = {**dict(value.named_parameters()), **dict(value.named_buffers())}
        layers = " ".join(_layer(one, seen, depth + 1) for one in value.modules())
        return _call(layers, tensors.items(), seen, depth)
    fields = (
        [(one.name, getattr(value, one.name)) for one in dataclasses.fields(value)]
        if dataclasses.is_dataclass(value)
        else sorted(vars(value).items())
    )
    text = _call(kind.__name__, fields, seen, depth)
    return text if _is_of_library(kind) else f"{text} (code {_short(_code_of_class(kind, seen, depth + 1))})"


def _code_of_class(kind: type, seen: set[int], depth: int) -> str:
    own = [one for _, one in sorted(vars(kind).items()) if isinstance(one, types.FunctionType)]
    return " ".join(_function(one, seen, depth) for one in own)


def _function(function: types.FunctionType, seen: set[int], depth: int) -> str:
    """Describe what a function does: its code and the values that it refers to."""
    code = function.__code__
    cells = [cell.cell_contents for cell in function.__closure__ or () if _has_value(cell)]
    known = function.__globals__
    used = [known[name] for name in sorted(_names(code)) if name in known]
    values = [value for value in used if not isinstance(value, types.ModuleType | type)]
    parts = [*cells, *(function.__defaults__ or ()), *sorted((function.__kwdefaults__ or {}).items()), *values]
    return " ".join((_code(code, function.__doc__), *(_described(part, seen, depth + 1) for part in parts)))


def _code(code: types.CodeType, docstring: str | None = None) -> str:
    constants = [
        _code(one) if isinstance(one, types.CodeType) else repr(one) for one in code.co_consts if one != docstring
    ]
    return f"{code.co_code.hex()} {code.co_names} {constants}"


def _names(code: types.CodeType) -> set[str]:
    inner = (_names(one) for one in code.co_consts if isinstance(one, types.CodeType))
    return set(code.co_names).union(*inner)


def _call(name: str, items: Iterable[tuple[Any, Any]], seen: set[int], depth: int) -> str:
    listed = list(items)
    parts = [
        _described(value, seen, depth + 1) if isinstance(key, int) else f"{key}={_described(value, seen, depth + 1)}"
        for key, value in listed[:_MOST_ITEMS]
    ]
    if len(listed) > _MOST_ITEMS:
        parts.append(f"and {len(listed) - _MOST_ITEMS} more")
    return f"{name}({', '.join(parts)})"


def _array(value: Tensor | np.ndarray[Any, Any]) -> str:
    """Describe an array by its type, shape and content."""
    array = value.detach().cpu() if isinstance(value, Tensor) else value
    flat = array.reshape(-1)[:: max(1, math.prod(array.shape) // _MOST_NUMBERS)]
    hashed = hashlib.sha256(pickle.dumps(flat.tolist())).hexdigest()[:8]
    return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)} {hashed}"


def _is_option(value: object) -> bool:
    """Return whether a layer's attribute is an option: neither a tensor nor an object with parts."""
    return not isinstance(value, Tensor | nn.Module) and not hasattr(value, "__dict__")


def _has_value(cell: types.CellType) -> bool:
    try:
        return cell.cell_contents is not cell
    except ValueError:
        return False


def _is_of_library(kind: type) -> bool:
    return f"{kind.__module__}.".startswith(_LIBRARIES)


def _short(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
