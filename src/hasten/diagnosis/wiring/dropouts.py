"""What dropout layers that follow each other let through, by the graph of a loss."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from hasten.diagnosis.watching.loss_graph import dropped, name_of

HEAVY = 0.5
"""Dropout of so much and more counts."""
_JOINS = frozenset(("Add", "Sub", "Cat", "Stack"))
"""Nodes past which one of their inputs is enough: a residual connection goes around a dropout."""


def kept_by_dropout(losses: Sequence[Tensor]) -> float:
    """Return the share of the data that heavy dropouts leave on the way to the loss, on the best way around them.

    One layer that is called twice counts twice, as do functions. Cost: a walk over the graph, and over its masks.
    """
    kept: dict[Any, float] = {}
    waiting = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    ends = list(waiting)
    while waiting:
        node = waiting[-1]
        below = [one for one, _ in node.next_functions if one is not None and not hasattr(one, "variable")]
        missing = [one for one in below if one not in kept]
        if missing and node not in kept:
            kept[node] = 1.0  # until those below are known; a graph has no cycles
            waiting += missing
            continue
        waiting.pop()
        shares = [kept[one] for one in below]
        best = max(shares, default=1.0) if name_of(node) in _JOINS else min(shares, default=1.0)
        drops = dropped(node)
        kept[node] = best * (1 - drops if drops >= HEAVY else 1.0)
    return min((kept[one] for one in ends), default=1.0)
