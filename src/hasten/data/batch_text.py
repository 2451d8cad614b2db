"""Batches in words: a short tree of shapes and dtypes."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from hasten.data.tree import is_opaque, is_record, names_of, opened, step_to

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


def as_tree(value: Any, path: str = "batch") -> list[str]:
    """Return one line for each leaf of a batch, `batch['labels']  (8,) int64`; a long list is one line."""
    found = opened(value)
    if found is None or (not isinstance(value, Mapping) and len(found[0]) > _SHOWN):
        note = "  (moved as a whole, never split)" if is_opaque(value) else ""
        return [f"{path}  {in_line(value)}{note}"]
    lines: list[str] = []
    for name, part in zip(names_of(value), found[0], strict=True):
        lines += as_tree(part, f"{path}{step_to(value, name)}")
    return lines or [f"{path}  an empty {type(value).__name__}"]
