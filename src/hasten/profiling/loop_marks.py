"""Marks of a training loop that hasten did not write, by hooks; and the anatomy of its steps."""

import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from itertools import chain
from time import perf_counter
from typing import Any

import numpy as np
import psutil
import torch
from numpy.typing import NDArray
from torch import Tensor, nn, optim
from torch.utils._pytree import tree_leaves

from hasten.base.device import Device
from hasten.base.errors import BadInput
from hasten.base.records.profile import Profile
from hasten.base.units import percent
from hasten.measurement.clock import Nanoseconds, StepClock, marks_of, step_counts, step_times_ns
from hasten.profiling.anatomy import Times, anatomy, warm
from hasten.profiling.communication import exposed_s
from hasten.profiling.parts import first_verdict, shared_out
from hasten.profiling.step_variance import step_spread
from hasten.training.marks import BACKWARD, EVALUATION, FORWARD, GRADIENT, LOSS, OTHER, PARTS, TRANSFER, UPDATE

BETWEEN = len(PARTS)
"""Time in no part that does not end the step; reported as "other"."""

FEWEST_STEPS = 4
_TOLD = 0.05
"""Share of time in steps of another kind that is worth a remark."""
MUCH = 0.25
"""Share of time outside all hooks that is worth a remark."""


class LoopMarks:
    """What the hooks on a loop call, and what is known of its steps from the marks that they make.

    From the arrival of a batch to the call of the model is "transfer" on a GPU and "other" on a CPU. A call of the
    model in evaluation mode is "evaluation". Where the model itself returns the loss, "loss" is empty. Where the
    optimizer calls a closure (LBFGS), what it does between its calls is "update".

    Args:
        modules: whose calls are the forward pass.
        optimizers: whose steps are the update.
        device: where the model is.
        name: of the profile.
        source: what a loop must do to be timed, for the message where it made no steps.
    """

    def __init__(
        self, modules: list[nn.Module], optimizers: Sequence[optim.Optimizer], device: Device, *, name: str, source: str
    ) -> None:
        self.name = name
        self._modules = modules
        self._optimizers = optimizers
        self._source = source
        self._device = device
        self._clock: StepClock = marks_of(self._device)
        self._arrival = BETWEEN  # what comes before the call of the model
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

    @property
    def mark(self) -> Callable[[int], None]:
        """Say that the time since the mark before belongs to a part; for adapters of trainers."""
        return self._clock.mark

    def _marked(self) -> StepClock:
        """Return the marks so far."""
        return self._clock

    def saw(self, batch: object) -> None:
        """Take note of how many samples a batch has: the length of the first tensor in it."""
        first = next((leaf for leaf in tree_leaves(batch) if isinstance(leaf, Tensor) and leaf.ndim), None)
        self.samples.append(len(first) if first is not None else 0)

    def profile(self) -> Profile:
        """Return the anatomy of the steps so far.

        Raises:
            BadInput: if fewer than four steps were made.
        """
        marked = self._marked()
        times = step_times_ns(marked, parts=BETWEEN + 1, last=OTHER).astype(np.float64) * 1e-9
        if len(times) < FEWEST_STEPS:
            raise BadInput(f"a profile needs at least {FEWEST_STEPS} steps; found {len(times)}. {self._source}")
        evaluation_s = self._evaluations_s() / len(times)
        merged = _merged(times)
        passes = step_counts(marked, part=BACKWARD, last=OTHER)
        usual = usual_steps(passes)
        steps = merged[usual]
        found = anatomy(warm(steps))
        named = dict(zip(PARTS, found.parts_s, strict=True)) | {"evaluation": evaluation_s, "hiccups": found.hiccups_s}
        waited_s = min(sum(exposed_s(module) for module in self._modules), named["backward"])
        named["backward"] -= waited_s  # the backward pass of DDP ends when the last sum of gradients has come
        named["communication"] += waited_s
        parts = shared_out(named)
        batch_size = round(float(np.median(self.samples))) if self.samples else 0
        remarks = self._remarks({part.name: part.share for part in parts}) + _set_aside(merged.sum(1), passes, usual)
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
            peak_of="the process",
            verdict=f"{verdict} Incomplete: {remarks[0]}" if remarks else verdict,
            batch_size=batch_size,
            device=self._device.kind,
            first_step_s=float(merged[0].sum()),
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
        if shares["other"] > MUCH:
            remarks.append(
                f"{percent(shares['other'])} of step time is outside the watched models, optimizers and backward()."
            )
        return remarks

    def _evaluations_s(self) -> float:
        """Return the seconds of all evaluations: also of the last one, which comes after the end of the last step."""
        clock = self._marked()
        moments_ns, parts = clock.moments_ns(), clock.parts()
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
            self.mark(TRANSFER if not self._device.is_host and module.training else self._arrival)

    def _after_forward(self, module: nn.Module, inputs: object, output: object) -> None:
        self._inside -= 1
        if self._inside == 0:
            # without gradients nothing is made that a loss could be: a rollout, a target network
            self._outputs = self._outputs or (module.training and torch.is_grad_enabled())
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
            self._before_backward(*args, **kwargs)
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

    def _before_backward(self, tensors: Any, *args: object, **kwargs: object) -> None:
        """Look at what is differentiated."""

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


def usual_steps(passes: Nanoseconds) -> NDArray[np.bool_]:
    """Return which steps have about as many backward passes as usual: from half to twice; all where those are too few.

    A step of an optimizer that calls a closure many times is no slow step of the other ones.
    """
    usual = np.median(passes)
    alike = (2 * passes >= usual) & (passes <= 2 * max(usual, 1))
    return alike if alike.sum() >= FEWEST_STEPS else np.ones_like(alike)


def _set_aside(totals: NDArray[np.float64], passes: Nanoseconds, usual: NDArray[np.bool_]) -> list[str]:
    """Return a remark about steps that are not in the anatomy, where they take time that matters."""
    share = float(totals[~usual].sum() / totals.sum())
    if share < _TOLD:
        return []
    return [
        f"{percent(share)} of the time is in {int((~usual).sum())} steps with {np.median(passes[~usual]):.0f} backward "
        f"passes instead of {np.median(passes[usual]):.0f} (a closure, or gradients that add up): they are not in the "
        "anatomy."
    ]


def _merged(times: Times) -> Times:
    """Return the times of the steps without evaluations, what is nobody's being "other"."""
    merged = times[:, :BETWEEN].copy()
    merged[:, OTHER] += times[:, BETWEEN]
    merged[:, EVALUATION] = 0.0
    return merged
