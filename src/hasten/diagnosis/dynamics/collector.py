"""How the training moves: the loss of every step, and statistics of gradients, activations and updates of some."""

import math
from collections.abc import Sequence

from torch import Tensor

from hasten.base.records.health import Dynamics
from hasten.diagnosis.watching.events import Collector


class DynamicsCollector(Collector):
    """Keeps the loss of every step, the sum over its backward passes."""

    def __init__(self) -> None:
        self._losses: list[list[Tensor]] = []

    def step_begins(self, step: int) -> None:
        """Begin a step."""
        self._losses.append([])

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Keep what `backward()` starts from; it is read at the end, so that a GPU is not waited for."""
        if self._losses:
            self._losses[-1] += [loss.detach().clone() for loss in losses if loss.numel() == 1]

    def dynamics(self) -> Dynamics:
        """Return the losses."""
        values = [sum(float(loss) for loss in parts) if parts else math.nan for parts in self._losses]
        return Dynamics(losses=tuple(value if math.isfinite(value) else None for value in values))
