"""Which numbers that blocks alike give beside their output no loss uses, though it uses those of the last block."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from hasten.diagnosis.watching.loss_graph import nodes

FEWEST = 3
"""Blocks; of two, one may be there for its output alone."""
_MOST = 1000  # numbers between two backward passes


@dataclass(frozen=True)
class _Given:
    """Numbers of one call, one for each sample or one for all; graphs are told by the numbers of their nodes."""

    kind: str  # class of the module
    module: int
    place: int  # among what the module returns
    output: int
    number: int


class Beside:
    """Keeps which nodes made what modules return, since the last backward pass."""

    def __init__(self) -> None:
        self._given: list[_Given] = []

    def add(self, module: nn.Module, output: Any) -> None:
        """Add what a module returned, where numbers of samples stand beside an output of rows."""
        if not isinstance(output, (tuple, list)) or len(self._given) >= _MOST:
            return
        made = [(place, one) for place, one in enumerate(output) if isinstance(one, Tensor) and one.grad_fn is not None]
        rows = next((one for _, one in made if one.ndim > 1), None)
        if rows is None:
            return
        for place, one in made:
            if one.ndim == 0 or (one.ndim == 1 and len(one) == len(rows)):
                self._given.append(_Given(type(module).__name__, id(module), place, _number(rows), _number(one)))

    def clear(self) -> None:
        """Forget what was returned."""
        self._given = []

    def dropped(self, losses: Sequence[Tensor]) -> tuple[str, int] | None:
        """Return the class of blocks of which losses use the last one's numbers only, and how many they leave out."""
        used = {node._sequence_nr() for node, _ in nodes(losses)} if self._given else set[int]()
        for kind, place in dict.fromkeys((one.kind, one.place) for one in self._given):
            calls = [one for one in self._given if (one.kind, one.place) == (kind, place)]
            modules = list(dict.fromkeys(one.module for one in calls))
            reached = {one.module for one in calls if one.number in used}
            chained = all(one.output in used for one in calls)
            if len(modules) >= FEWEST and chained and reached == {modules[-1]}:
                return kind, len(modules) - 1
        return None


def _number(tensor: Tensor) -> int:
    return -1 if tensor.grad_fn is None else tensor.grad_fn._sequence_nr()
