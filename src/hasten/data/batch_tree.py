"""A batch as a short tree for people: a line for each leaf, as Python reaches it, with its shape and dtype."""

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from hasten.base.records.task_check import Leaf
from hasten.data.batch import Batch, target_name
from hasten.data.batch_text import in_line, kind_of
from hasten.data.tree import is_opaque, names_of, opened, step_to, tensors_within

_MOST = 12  # lines
_ROOT = "batch"
_ALIKE = 4  # elements of a list below the root that are shown by their first one


def leaves_to_show(batch: Batch) -> tuple[Leaf, ...]:
    """Return the leaves of a batch: `batch['x']`, `(8, 5) float32`, and whether it is of the target.

    Of an opaque object the tensors that it holds are listed after it. A structure without tensors, or a
    list of several elements below the root, is one leaf.
    """
    return tuple(_leaves(batch, _ROOT, is_target=False, target=target_name(batch)))


def tree_text(batch: Batch, title: str) -> str:
    """Return a title and the leaves of a batch below it, in aligned columns, at most 12 of them."""
    leaves = leaves_to_show(batch)
    shown = leaves if len(leaves) <= _MOST else leaves[: _MOST - 1]
    path, what = (max(map(len, words)) for words in zip(*((one.path, one.what) for one in shown), strict=True))
    lines = [f"    {one.path:{path}}  {one.what:{what}}{'  target' if one.target else ''}".rstrip() for one in shown]
    if len(shown) < len(leaves):
        lines.append(f"    and {len(leaves) - len(shown)} more")
    return "\n".join((f"{title}, {kind_of(batch)}:" if len(leaves) > 1 else f"{title}:", *lines))


def _leaves(value: Any, path: str, *, is_target: bool, target: Any = None) -> Iterator[Leaf]:
    found = opened(value)
    if found is None or not found[0] or (path != _ROOT and next(tensors_within(value), None) is None):
        yield Leaf(path=path, what=_what(value), target=is_target)
        for name, tensor in _held(value):
            yield Leaf(path=f"{path}.{name}", what=_what(tensor), target=is_target or name == target)
        return
    if path != _ROOT and type(value) in (list, tuple) and len(value) >= _ALIKE:
        yield Leaf(
            path=path, what=f"{type(value).__name__} of {len(value)}, first {in_line(value[0])}", target=is_target
        )
        return
    for name, part in zip(names_of(value), found[0], strict=True):
        yield from _leaves(part, f"{path}{step_to(value, name)}", is_target=is_target or name == target)


def _held(value: Any) -> list[tuple[str, Tensor]]:
    """Return the tensors among the fields and attributes of an object that is no structure."""
    if isinstance(value, Tensor) or opened(value) is not None:
        return []
    fields = {name: getattr(value, name) for name in getattr(value, "_fields", ())}
    return [(name, one) for name, one in (fields | getattr(value, "__dict__", {})).items() if isinstance(one, Tensor)]


def _what(value: Any) -> str:
    words = in_line(value)
    if isinstance(value, Tensor):
        return words if value.is_cpu else f"{words} on {value.device}"
    return f"{words}, moved as a whole" if is_opaque(value) else words
