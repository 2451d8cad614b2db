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

import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from itertools import chain
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import psutil
import torch
from torch import Tensor, nn, optim
from torch.optim.optimizer import register_optimizer_step_pre_hook
from torch.utils._pytree import tree_leaves

from hasten.base.device import Device
from hasten.base.errors import BadInput
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.measurement.clock import marks_of, step_times_ns
from hasten.profiling.anatomy import Times, anatomy, warm
from hasten.profiling.communication import collectives_marked, exposed_s, log_every_step
from hasten.profiling.parts import first_verdict, shared_out
from hasten.profiling.step_variance import step_spread
from hasten.training.loop import (
    BACKWARD,
    EVALUATION,
    FORWARD,
    GRADIENT,
    INPUT,
    LOSS,
    OTHER,
    PARTS,
    TRANSFER,
    UPDATE,
)

AnyBatch = TypeVar("AnyBatch")

BETWEEN = len(PARTS)
"""Time in no part that does not end the step; reported as "other"."""

_FEWEST_STEPS = 4
_MUCH = 0.25


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


class Watch:
    """Marks the parts of a loop by hooks on its model, its optimizer and `torch.autograd.backward`.

    The hooks are there from entering to leaving, and change nothing that is computed. A step is one batch, also where
    gradients accumulate over several. What collectives of `torch.distributed` take, and what `DistributedDataParallel`
    waits for other processes, is "communication". From the arrival of a batch to the call of the model is "transfer" on
    a GPU and "other" on a CPU. A call of the model in evaluation mode is "evaluation". Where the model itself returns
    the loss, "loss" is empty. Where the optimizer calls a closure (LBFGS), what it does between its calls is "update".

    What runs outside the models and optimizers given is not attributed; `profile()` says so in its remarks.

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
        self.name = name
        self._modules = modules
        given = [optimizer] if isinstance(optimizer, optim.Optimizer) else optimizer
        self._optimizers = tuple(given or ())
        first = next((parameter for module in modules for parameter in module.parameters()), None)
        if first is None:
            raise BadInput("the model to watch has no parameters.")
        self._device = Device(str(first.device))
        self._clock = marks_of(self._device)
        self._updates = 0  # steps of the optimizer that have not returned
        self._inside = 0  # calls of modules that have not returned
        self._backward = False  # whether a backward pass is under way
        self._gradients = False  # whether there are some that no update has used
        self._outputs = False  # whether a forward pass has ended since the last backward pass
        self._calls = 0  # of models in training mode in this step, less the backward passes
        self._backwards = 0
        self._unknown_backwards = 0  # that followed no forward pass of the models
        self._unknown_optimizers: set[int] = set()  # ids of optimizers that stepped and were not given
        self.samples: list[int] = []
        self._undo = ExitStack()
        self._began = perf_counter()

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

    @property
    def mark(self) -> Callable[[int], None]:
        """Say that the time since the mark before belongs to a part; for adapters of trainers."""
        return self._clock.mark

    def batches(self, loader: Iterable[AnyBatch]) -> Iterator[AnyBatch]:
        """Yield the batches of the loader, and time the wait for each."""
        mark = self._clock.mark
        for batch in loader:
            mark(INPUT)
            self.saw(batch)
            self._outputs, self._calls = False, 0
            yield batch
            mark(OTHER)

    def saw(self, batch: object) -> None:
        """Take note of how many samples a batch has: the length of the first tensor in it."""
        first = next((leaf for leaf in tree_leaves(batch) if isinstance(leaf, Tensor) and leaf.ndim), None)
        self.samples.append(len(first) if first is not None else 0)

    def profile(self) -> Profile:
        """Return the anatomy of the steps so far.

        Raises:
            BadInput: if fewer than four steps were made; a loop that asks somebody else for its batches makes none.
        """
        times = step_times_ns(self._clock, parts=BETWEEN + 1, last=OTHER).astype(np.float64) * 1e-9
        if len(times) < _FEWEST_STEPS:
            raise BadInput(
                f"a profile needs at least {_FEWEST_STEPS} steps; found {len(times)}. Take the batches from "
                "`watched.batches(loader)`, inside the `with` statement."
            )
        evaluation_s = self._evaluations_s() / len(times)
        steps = _merged(times)
        found = anatomy(warm(steps))
        named = dict(zip(PARTS, found.parts_s, strict=True)) | {"evaluation": evaluation_s, "hiccups": found.hiccups_s}
        waited_s = min(sum(exposed_s(module) for module in self._modules), named["backward"])
        named["backward"] -= waited_s  # the backward pass of DDP ends when the last sum of gradients has come
        named["communication"] += waited_s
        parts = shared_out(named)
        batch_size = round(float(np.median(self.samples))) if self.samples else 0
        remarks = self._remarks({part.name: part.share for part in parts})
        verdict = first_verdict(found.step_s.value, parts)
        return Profile(
            task=self.name,
            plan=(),
            steps=found.steps,
            step_s=found.step_s,
            samples_per_s=batch_size / found.step_s.value,
            parts=parts,
            parameters=sum(one.numel() for one in set(chain(*(module.parameters() for module in self._modules)))),
            peak_bytes=self._peak_bytes(),
            verdict=f"{verdict} Incomplete: {remarks[0]}" if remarks else verdict,
            batch_size=batch_size,
            device=self._device.kind,
            first_step_s=float(steps[0].sum()),
            spread=step_spread(warm(steps).sum(axis=1), collector_s=0.0),
            spent_s=perf_counter() - self._began,
            remarks=tuple(remarks),
        )

    def _remarks(self, shares: dict[str, float]) -> list[str]:
        """Return what could not be attributed, and what to pass instead."""
        remarks: list[str] = []
        if self._unknown_optimizers:
            more = len(self._unknown_optimizers)
            remarks.append(
                f"{more} optimizer{'s' * (more > 1)} stepped that {'are' if more > 1 else 'is'} not watched. Pass all: "
                "hasten.watch([model, ...], [optimizer, ...])."
            )
        if self._unknown_backwards:
            remarks.append(
                f"{self._unknown_backwards} of {self._backwards} backward passes followed no call of a watched model: "
                "the forward pass is in loss or other. Pass all models: hasten.watch([model, ...], [optimizer, ...])."
            )
        if shares["other"] > _MUCH:
            remarks.append(
                f"{percent(shares['other'])} of step time is outside the watched models, optimizers and backward()."
            )
        return remarks

    def _evaluations_s(self) -> float:
        """Return the seconds of all evaluations: also of the last one, which comes after the end of the last step."""
        moments_ns, parts = self._clock.moments_ns(), self._clock.parts()
        return float(np.diff(moments_ns)[parts == EVALUATION].sum()) * 1e-9

    def _before_forward(self, module: nn.Module, inputs: object) -> None:
        self._inside += 1
        if self._inside > 1:
            return
        if self._updates:
            self.mark(UPDATE)
        elif self._outputs and module.training:
            self.mark(LOSS)
        else:
            self.mark(TRANSFER if not self._device.is_host and module.training else BETWEEN)

    def _after_forward(self, module: nn.Module, inputs: object, output: object) -> None:
        self._inside -= 1
        if self._inside == 0:
            self._outputs = self._outputs or module.training
            self._calls += module.training
            self.mark(FORWARD if module.training else EVALUATION)

    def _before_update(self, optimizer: optim.Optimizer, args: object, kwargs: object) -> None:
        self._updates += 1
        if self._updates > 1:  # a subclass calls the step of its parent, and torch hooks both
            return
        # with a closure, forward and backward come inside the step, and nothing has been done yet
        self.mark(GRADIENT if self._gradients else BETWEEN)

    def _after_update(self, optimizer: optim.Optimizer, args: object, kwargs: object) -> None:
        self._updates -= 1
        if self._updates:
            return
        self._gradients = False
        self.mark(UPDATE)

    def _note_unknown(self, optimizer: optim.Optimizer, args: object, kwargs: object) -> None:
        if not self._updates and optimizer not in self._optimizers:
            self._unknown_optimizers.add(id(optimizer))

    def _watch_backward(self) -> Callable[[], None]:
        """Mark the two ends of every `backward()`; torch has no hook for them. Return what undoes it."""
        plain: Callable[..., Any] = torch.autograd.backward

        def backward(*args: Any, **kwargs: Any) -> Any:
            self.mark(LOSS)
            self._backwards += 1
            self._unknown_backwards += not self._calls
            self._backward, self._outputs, self._calls = True, False, max(self._calls - 1, 0)
            try:
                return plain(*args, **kwargs)
            finally:
                self._backward = False
                self._gradients = True
                self.mark(BACKWARD)

        torch.autograd.backward = backward
        return lambda: setattr(torch.autograd, "backward", plain)

    def _current(self) -> int:
        """Return the part that is under way, as far as it is known."""
        if self._backward:
            return BACKWARD
        if self._inside:
            return FORWARD
        if self._updates:
            return UPDATE
        return GRADIENT if self._gradients else BETWEEN

    def _peak_bytes(self) -> int:
        if not self._device.is_host:
            return self._device.peak_allocated_bytes()
        if sys.platform == "win32":
            return int(psutil.Process().memory_info().peak_wset)
        import resource  # not on Windows

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def _merged(times: Times) -> Times:
    """Return the times of the steps without evaluations, what is nobody's being "other"."""
    merged = times[:, :BETWEEN].copy()
    merged[:, OTHER] += times[:, BETWEEN]
    merged[:, EVALUATION] = 0.0
    return merged


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
