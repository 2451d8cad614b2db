"""Which samples count in a loss that is multiplied with a mask."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hasten.diagnosis.watching.loss_graph import ENTRIES, FEEDS, name_of, saved

_MOST = 500  # nodes between a loss and its models


def counting(losses: Sequence[Tensor], rows: int) -> Tensor | None:
    """Return which of the rows of a batch count, (rows,) of bool; None where all do.

    They count where a factor of 0 and 1 without a gradient is not 0. All do where a way from the loss to a layer passes
    no such factor.
    """
    waiting = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    seen = set(waiting)
    found: Tensor | None = None
    while waiting:
        node = waiting.pop()
        mask = _mask(node, rows)
        if mask is not None:
            found = mask if found is None else found | mask
            continue
        if len(seen) >= _MOST or name_of(node) in ENTRIES or FEEDS.get(name_of(node)) == "linear":
            return None
        for following, _ in node.next_functions:
            if following is not None and following not in seen and not hasattr(following, "variable"):
                seen.add(following)
                waiting.append(following)
    return found if found is not None and bool(found.any()) else None


def _mask(node: Any, rows: int) -> Tensor | None:
    """Return the factor of a product that is a mask of the rows."""
    below = [one for one, _ in node.next_functions]
    if name_of(node) != "Mul" or below.count(None) != 1:
        return None
    factor = saved(node, "other") if below[0] is not None else saved(node, "self")
    if factor is None or factor.numel() != rows or not bool(((factor == 0) | (factor == 1)).all()):
        return None
    return (factor != 0).reshape(-1)
