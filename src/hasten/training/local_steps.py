"""Processes that update on their own for some steps, and then go on from what they have in common.

Each makes its steps by the gradient of its own share. At a synchronization the weights that all last had in common move
by the mean of what the processes have changed since then, weighted by the terms that each has trained on (McMahan et
al., 2017, arXiv:1602.05629): with one plain SGD step between two, that is the step of the whole batch. What moves them
is an optimizer of its own, the outer one: a step of length 1 is local SGD, Nesterov's momentum is DiLoCo (Douillard et
al., 2023, arXiv:2311.08105). The optimizers of the processes, the inner ones, keep their states to themselves.
"""

from collections.abc import Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import torch
from torch import nn, optim

from hasten.training.processes import Processes


@dataclass(frozen=True)
class LocalSteps:
    """How often processes synchronize, and by what outer step.

    Args:
        every: steps between two synchronizations. The last step of a run is followed by one, too.
        lr: learning rate of the outer step.
        momentum: of the outer step, Nesterov's; 0 for none.
    """

    every: int
    lr: float = 1.0
    momentum: float = 0.0

    def due(self, step: int, planned: int | None) -> bool:
        """Return whether a synchronization follows the step of this number, from 1, in a run of so many."""
        return step % self.every == 0 or step == planned

    def since_last(self, step: int) -> int:
        """Return how many steps up to this one follow the last synchronization before it."""
        return (step - 1) % self.every + 1


class CommonWeights:
    """The weights that the processes of a session last had in common, and the outer optimizer.

    Args:
        local: when it is used, and how.
        parameters: of this process; right after a synchronization they are the common weights.
        optimizer: of this process.
    """

    def __init__(self, local: LocalSteps, parameters: Sequence[nn.Parameter], optimizer: optim.Optimizer) -> None:
        self.local = local
        self._own, self._optimizer = parameters, optimizer
        self._common = [nn.Parameter(one.detach().clone()) for one in parameters]
        self._outer = optim.SGD(self._common, lr=local.lr, momentum=local.momentum, nesterov=local.momentum > 0)

    @torch.no_grad()
    def synchronize(self, processes: Processes, share: float) -> None:
        """Move the common weights and go on from them. A collective over one copy of the parameters.

        Args:
            processes: that train together.
            share: of this process in what all have trained on since the last synchronization; they sum to 1, or are
                all 0.
        """
        for common, own in zip(self._common, self._own, strict=True):
            common.grad = (common - own) * share
        processes.sum_gradients(self._common)
        self._outer.step()
        for common, own in zip(self._common, self._own, strict=True):
            own.copy_(common)
            common.grad = None

    def common(self) -> dict[str, Any]:
        """Return the state of the outer optimizer; the common weights are those of the model."""
        return {"outer": self._outer.state_dict()}

    def own(self) -> dict[str, Any]:
        """Return the state of the inner optimizer."""
        return {"optimizer": self._optimizer.state_dict()}

    @torch.no_grad()
    def load_state(self, common: dict[str, Any], of_each: Sequence[dict[str, Any]], processes: Processes) -> None:
        """Continue from a synchronization, whose weights the model has; of more processes, several from one state."""
        for one, own in zip(self._common, self._own, strict=True):
            one.copy_(own)
        self._outer.load_state_dict(deepcopy(common["outer"]))
        self._optimizer.load_state_dict(deepcopy(of_each[processes.rank % len(of_each)]["optimizer"]))
