"""Batches in words: shapes, dtypes and names of fields."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from hasten.data.tree import is_opaque, is_record, names_of, opened

_SHOWN = 8  # parts of a structure


def in_line(value: Any) -> str:
    """Return a value on one line: `(2, 7) int64`, `{'ids': (2, 7) int64, 'name': str}`, `list of 8 str`."""
    if isinstance(value, Tensor):
        return f"{tuple(value.shape)} {str(value.dtype).removeprefix('torch.')}"
    found, name = opened(value), type(value).__name__
    if found is None:
        return name
    parts = found[0]
    if isinstance(value, Mapping) or is_record(value) or hasattr(value, "_fields"):
        inside = ", ".join(f"{key!r}: {in_line(part)}" for key, part in zip(names_of(value), parts, strict=True))
        return f"{'' if type(value) is dict else name}{{{inside}}}"
    if len(parts) > _SHOWN or not any(isinstance(part, Tensor) for part in parts):
        kinds = " or ".join(dict.fromkeys(in_line(part) for part in parts[:_SHOWN]))
        return f"{name} of {len(parts)} {kinds}".rstrip()
    return " and ".join(map(in_line, parts))


def kind_of(value: object) -> str:
    """Return what a value is in a few words: a tensor's shape and dtype, a structure's fields, or a type's name."""
    if isinstance(value, Tensor):
        return f"a tensor {in_line(value)}"
    name = type(value).__name__
    if isinstance(value, Mapping) or is_record(value):
        return f"a {name} with the fields {', '.join(map(repr, names_of(value))) or 'none'}"
    if isinstance(value, (tuple, list)) and not is_opaque(value):
        return f"a {name} of {len(value)}"
    return f"a {name}"
