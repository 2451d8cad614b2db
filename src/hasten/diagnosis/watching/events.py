"""The events of a training, and what looks at them."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn, optim
from torch.amp.grad_scaler import GradScaler
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

NEVER = sys.maxsize
"""The next step of a collector that needs no further one."""


@dataclass(frozen=True)
class Call:
    """An outermost call of a module that has parameters: a forward pass, of training or of evaluation."""

    module: nn.Module
    args: tuple[Any, ...]
    kwargs: Mapping[str, Any]
    training: bool  # mode of the module
    grad: bool  # whether gradients are recorded
    autocast: bool = False  # whether it computes under autocast


class Collector:
    """Looks at the events of a training and keeps what rules will judge; an event that it leaves out does nothing.

    Events come without gradients being recorded. A collector reads the live objects and never changes them, draws
    from no global random generator outside `preserved()`, and keeps no graph alive.

    Being told costs a training time, so collectors say in which steps they need it (`next_step`). In other steps only
    `unwatched_loss`, `clip_ended` and `loss_scaled` come, and `unwatched` after them. Once a step was left out,
    `called_inside`, `made_inside`, `zeroed`, `autocast_begins`, `unscaled`, `scaled` and `scaled_update` come no more,
    until an optimizer makes its first update. Evaluations are told as far as a small share of the time allows. Of a
    long training with short steps every k-th loss and clipped norm comes (`thinned`).
    """

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step in which events are needed; steps that others need are told, too.

        Args:
            step: that ended.
            spent_s: seconds that the steps took which were watched though not all steps were.
        """
        return step + 1

    def unwatched_loss(self, step: int, loss: Tensor, calls: Sequence[tuple[nn.Module, Any, Any]]) -> None:
        """Look at a loss after its backward pass in a step that is not watched.

        Args:
            step: counted from 1.
            loss: one number that `backward()` started from, times the weight given to it.
            calls: models called for it, with their arguments.
        """

    def unwatched(self, steps: int, schedules: Mapping[LRScheduler, int]) -> None:
        """Take note that steps were made that were not watched, and how often schedulers were stepped in them."""

    def thinned(self, first: int, distance: int) -> None:
        """Take note that from a step on losses come of those steps only that the distance divides."""

    def missed(self, step: int) -> None:
        """Take note that a part of a step may have been missed, which is watched from here on."""

    def step_begins(self, step: int) -> None:
        """Look at the begin of a step, counted from 1 by the updates of the first optimizer."""

    def fetched(self, batch: Any, loader: Any) -> None:
        """Look at a batch as its loader gave it, before training or evaluation uses it."""

    def call_begins(self, call: Call) -> None:
        """Look at a forward pass before it is made."""

    def call_ended(self, call: Call, output: Any) -> None:
        """Look at a forward pass after it was made."""

    def called_inside(self, module: nn.Module) -> None:
        """Take note of a module that another one called; told in the first steps only."""

    def made_inside(self, module: nn.Module, output: Any) -> None:
        """Look at what a module returned to another one that called it; told in the first steps only."""

    def loaded(self, module: nn.Module, state: Mapping[str, Any]) -> None:
        """Look at a state dict before a module loads it; told in all steps."""

    def file_read(self, content: Any) -> None:
        """Look at what `torch.load` returned; told in all steps."""

    def state_loaded(self, optimizer: optim.Optimizer) -> None:
        """Take note that an optimizer loaded a state; told in all steps."""

    def gradient_taken(self, outputs: Sequence[Tensor], inputs: Sequence[Tensor], graph: bool) -> None:
        """Look at a call of `torch.autograd.grad`, and whether it makes a graph; told while every step is watched."""

    def autocast_begins(self, inside: bool) -> None:
        """Take note that an autocast context that is enabled is entered, inside of a call of a module or outside."""

    def backward_weighted(self, losses: Sequence[Tensor], weights: Sequence[Tensor]) -> None:
        """Look at what some losses are multiplied with by the `backward()` that begins: `loss.backward(weight)`."""

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Look at what `backward()` starts from; their graphs are still there."""

    def backward_ended(self, losses: Sequence[Tensor]) -> None:
        """Look at the gradients after a backward pass."""

    def clip_begins(self, parameters: Sequence[Tensor], limit: float) -> None:
        """Look at the gradients before they are clipped, by norm or by value."""

    def clip_ended(self, limit: float, norm: Tensor | None) -> None:
        """Look at the norm that clipping found; None where values were clipped."""

    def loss_scaled(self, losses: Sequence[Tensor], products: Sequence[Tensor]) -> None:
        """Look at losses and what a GradScaler made of them."""

    def scale_updated(self, skipped: bool, step: int) -> None:
        """Take note that a GradScaler adapted its scale, since it skipped the update of a step or not."""

    def loss_computed(self, loss: Tensor, given: Sequence[Tensor]) -> None:
        """Look at what a loss function of torch made of output and target while no gradients were recorded."""

    def loss_without_gradient(self, name: str) -> None:
        """Take note of a loss function of torch, called with gradients recorded, that got nothing with a gradient."""

    def signed_loss(self, name: str, target: Tensor) -> None:
        """Look at the targets of a loss function of torch that takes -1 and 1; told while every step is watched."""

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Look at the gradients as the optimizer gets them."""

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Look at the parameters after an update."""

    def zeroed(self, owner: optim.Optimizer | nn.Module) -> None:
        """Take note that gradients were cleared by `zero_grad()` of an optimizer or a module."""

    def unscaled(self, optimizer: optim.Optimizer) -> None:
        """Take note that a `GradScaler` divided the gradients of an optimizer by its scale, as `unscale_()` does."""

    def scaled(self, scaler: GradScaler) -> None:
        """Take note that a `GradScaler` that is enabled multiplied a loss by its scale."""

    def scaled_update(self, optimizer: optim.Optimizer) -> None:
        """Take note that `GradScaler.step(optimizer)` begins; no update follows where gradients are not finite."""

    def schedule_stepped(self, scheduler: LRScheduler) -> None:
        """Look at a learning rate scheduler after its `step()`; the step in its constructor is none."""

    def plateau_stepped(self, scheduler: ReduceLROnPlateau, metric: float, step: int) -> None:
        """Look at what a `ReduceLROnPlateau` was given after a number of steps; told in all steps."""

    def ended(self) -> None:
        """Take note that no more events come."""
