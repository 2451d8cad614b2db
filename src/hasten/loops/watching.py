"""One of the first steps of somebody's loop, recorded: what the techniques that are applied really did in it."""

from typing import Any

import torch
from torch import nn, optim

from hasten.measurement.calls import Recording
from hasten.training.effects import Seen

BEFORE = 2
"""Updates before the step that is recorded: the first ones compile and build the state of the optimizer."""


class StepWatch:
    """Records the third step of a loop: from the first call of the model in training mode to the end of the update.

    It changes no result. Its hooks are gone after that step. Where another profiler is running, the step after it is
    recorded.

    Args:
        model: of the loop.
        optimizer: of the loop.
        called: whether the loop calls the model itself; otherwise the step begins where the one before it ends.
    """

    def __init__(self, model: nn.Module, optimizer: optim.Optimizer, *, called: bool = True) -> None:
        self.seen: Seen | None = None
        self._updates = 0
        self._called = called
        self._recording: Recording | None = None
        self._hooks: list[Any] = [
            model.register_forward_pre_hook(self._before_forward),
            optimizer.register_step_post_hook(self._after_update),
        ]

    def close(self) -> None:
        """Take the hooks away, and end a recording."""
        for hook in self._hooks:
            hook.remove()
        self._hooks = []
        if self._recording is not None:
            self._recording.stop()
            self._recording = None

    def _before_forward(self, module: nn.Module, args: Any) -> None:
        if self._called and module.training and torch.is_grad_enabled():
            self._begin()

    def _begin(self) -> None:
        if self._updates >= BEFORE and self._recording is None and self.seen is None and Recording.possible():
            self._recording = Recording()
            self._recording.start()

    def _after_update(self, optimizer: optim.Optimizer, args: Any, kwargs: Any) -> None:
        self._updates += 1
        if self._recording is not None:
            seen = Seen()
            seen.calls = self._recording.stop()
            self._recording, self.seen = None, seen
            self.close()
        elif not self._called:
            self._begin()
