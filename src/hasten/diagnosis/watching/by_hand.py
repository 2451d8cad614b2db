"""Updates that a loop writes itself: `w -= rate * w.grad`, without an optimizer of torch."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn, optim

LARGEST = 5_000_000
"""Numbers of all leaves of a loss, above which they are not copied."""


class ByHand(optim.Optimizer):
    """Stands for the updates of a loop, whose tensors it holds; it makes none itself.

    Its learning rate is what the last update went along the gradient: the step down, divided by the gradient. It is
    negative where updates go up.
    """

    def __init__(self, tensors: Sequence[Tensor], rate: float) -> None:
        super().__init__([{"params": list(tensors)}], {"lr": rate})


class HandMade:
    """Sees from step to step whether the leaves of a loss change without an optimizer.

    The parameters of modules that do not change are held where others of them do: a loop may have forgotten them.

    A pass backwards after which nothing changes before the next one is no update, and ends it: gradients are
    accumulated then, or an optimizer of torch will make the update.
    """

    def __init__(self) -> None:
        self.optimizer: ByHand | None = None
        self._copied: list[tuple[Tensor, Tensor, Tensor]] = []  # leaf, and what it and its gradient were

    @property
    def waits(self) -> bool:
        """Whether gradients were computed that may be followed by an update."""
        return bool(self._copied)

    def computed(self, leaves: Sequence[Tensor]) -> bool:
        """Copy the leaves of a loss after its backward pass; return whether they can be followed."""
        found = [one for one in leaves if one.grad is not None and not one.grad.is_sparse]
        if not found or sum(one.numel() for one in found) > LARGEST:
            return False
        self._copied = [(one, one.detach().clone(), one.grad.detach().clone()) for one in found]  # type: ignore[union-attr]
        return True

    def moved(self) -> bool:
        """Return whether leaves have changed since; then `optimizer` holds them, with the rate of this change."""
        copied, self._copied = self._copied, []
        changed = [(one, one.detach() - was, slope) for one, was, slope in copied if not torch.equal(one, was)]
        if not changed:
            return False
        slope = sum(float((steep * steep).sum()) for _, _, steep in changed)
        rate = -sum(float((step * steep).sum()) for _, step, steep in changed) / slope if slope else 0.0
        if self.optimizer is None:
            moving = {id(one) for one, _, _ in changed}
            trains = any(isinstance(one, nn.Parameter) for one, _, _ in changed)  # else samples move, as of a sampler
            held = [one for one, _, _ in copied if id(one) in moving or (trains and isinstance(one, nn.Parameter))]
            self.optimizer = ByHand(held, rate)
        self.optimizer.param_groups[0]["lr"] = rate
        return True
