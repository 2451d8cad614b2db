"""Watch: the anatomy of your own training loop.

    with hasten.watch(model, optimizer) as watched:
        for inputs, targets in watched.batches(loader):
            optimizer.zero_grad()
            loss = criterion(model(inputs), targets)
            loss.backward()
            optimizer.step()
    print(watched.profile().verdict)

Only the source of batches changes in the loop.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeVar

from torch import nn, optim
from torch.optim.optimizer import register_optimizer_step_pre_hook

from hasten.base.device import Device
from hasten.base.errors import BadInput
from hasten.base.records.profile import Profile
from hasten.measurement.clock import marks_of
from hasten.profiling.communication import collectives_marked, log_every_step
from hasten.profiling.loop_marks import BETWEEN, LoopMarks
from hasten.training.marks import INPUT, OTHER

__all__ = ["BETWEEN", "Watch", "Watching", "watch"]

AnyBatch = TypeVar("AnyBatch")


def watch(
    model: nn.Module | Sequence[nn.Module],
    optimizer: optim.Optimizer | Sequence[optim.Optimizer] | None = None,
    *,
    name: str = "loop",
) -> "Watch":
    """Return what times the parts of a hand-written training loop, for a `with` statement around the loop.

    Args:
        model: whose calls are the forward pass; what comes between its return and `backward()` is the loss. Pass all
            models where there are several, as in a GAN.
        optimizer: whose `step()` is the update; what comes between `backward()` and it is gradient work. Pass all of
            them where there are several.
        name: of the profile.
    """
    return Watch([model] if isinstance(model, nn.Module) else model, optimizer, name=name)


class Watch(LoopMarks):
    """Marks the parts of a loop by hooks on its model, its optimizer and `torch.autograd.backward`.

    The hooks are there from entering to leaving, and change nothing that is computed. A step is one batch, also where
    gradients accumulate over several. What collectives of `torch.distributed` take, and what `DistributedDataParallel`
    waits for other processes, is "communication". What runs outside the models and optimizers given is not attributed;
    `profile()` says so in its remarks.

    Args:
        modules: whichever of them is called, the call is the forward pass.
        optimizer: whose step is the update; one, several, or None.
        name: of the profile.
    """

    def __init__(
        self,
        modules: Sequence[nn.Module],
        optimizer: optim.Optimizer | Sequence[optim.Optimizer] | None,
        *,
        name: str,
    ) -> None:
        given = [optimizer] if isinstance(optimizer, optim.Optimizer) else optimizer
        first = next((parameter for module in modules for parameter in module.parameters()), None)
        if first is None:
            raise BadInput("the model to watch has no parameters.")
        source = "Take the batches from `watched.batches(loader)`, inside the `with` statement."
        super().__init__(list(modules), tuple(given or ()), Device(str(first.device)), name=name, source=source)

    def __enter__(self) -> "Watch":
        for module in self._modules:
            self._undo.callback(module.register_forward_pre_hook(self._before_forward).remove)
            self._undo.callback(module.register_forward_hook(self._after_forward, always_call=True).remove)
        for optimizer in self._optimizers:
            self._undo.callback(optimizer.register_step_pre_hook(self._before_update).remove)
            self._undo.callback(optimizer.register_step_post_hook(self._after_update).remove)
        if self._optimizers:
            self._undo.callback(register_optimizer_step_pre_hook(self._note_unknown).remove)
        self._undo.callback(self._watch_backward())
        self._undo.enter_context(collectives_marked(lambda part: self.mark(part), self._current))
        for module in self._modules:
            log_every_step(module)
        self._clock = marks_of(self._device)
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()

    def batches(self, loader: Iterable[AnyBatch]) -> Iterator[AnyBatch]:
        """Yield the batches of the loader, and time the wait for each."""
        mark = self._clock.mark
        for batch in loader:
            mark(INPUT)
            self.saw(batch)
            self._outputs, self._calls = False, 0
            yield batch
            mark(OTHER)


class Watching:
    """What the callbacks of trainers share: a watch that begins with the training."""

    watched: Watch | None = None

    def begun(self) -> Watch:
        """Return the watch.

        Raises:
            BadInput: if the training has not begun.
        """
        if self.watched is None:
            raise BadInput("the trainer must have begun to train before there is a profile; found no step.")
        return self.watched

    def leave(self) -> None:
        """Take the hooks away."""
        if self.watched is not None:
            self.watched.__exit__()

    def profile(self) -> Profile:
        """Return the anatomy of the training's steps; see `Watch.profile`."""
        return self.begun().profile()
