"""The anatomy of whatever training this process runs: hooks on torch itself, for a script that is run as it is."""

import sys
from collections.abc import Callable
from threading import get_ident
from time import perf_counter
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn, optim
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import dataloader

from hasten.base.device import Device
from hasten.base.records.profile import Profile
from hasten.base.replaced import replaced
from hasten.base.units import percent
from hasten.measurement.clock import Nanoseconds, StepClock, marks_of
from hasten.profiling.communication import collectives_marked, log_every_step
from hasten.profiling.loop_marks import BETWEEN, FEWEST_STEPS, MUCH, LoopMarks
from hasten.profiling.own_lines import OwnLines
from hasten.profiling.script import Seen
from hasten.profiling.structure import fused_update
from hasten.scripts.watch import StopScript
from hasten.training.marks import EVALUATION, FORWARD, GRADIENT, INPUT, LOSS, OTHER

_FETCHED = BETWEEN + 1
"""A wait for a batch: "input" if a training step uses the batch, "evaluation" if a validation does."""
_WINDOW = 10_000
"""Steps whose marks are kept at a time: about ten numbers each."""
_PREPARED = BETWEEN + 2
"""From the arrival of a batch to the call of the model, on a CPU."""
_PERHAPS = BETWEEN + 3
"""Before a forward pass that follows an update and uses the same batch of a loader: the end of a step, perhaps."""
_UPDATES_A_BATCH = 8
"""More updates than this with one batch of a loader are steps of a loop that does not ask the loader for batches."""
OWN_PARTS = {
    "other": ((OTHER, BETWEEN, _PREPARED), "your own code outside model, backward(), optimizer and data loader"),
    "loss": ((LOSS,), "the loss, with your own code between the call of the model and backward()"),
    "gradient": ((GRADIENT,), "your own code between backward() and the optimizer's step"),
}
"""Part of a step -> its marks, and what of a person's own code is in it."""
_TRAINERS = {"transformers.trainer": "transformers", "lightning.pytorch": "lightning", "pytorch_lightning": "lightning"}


class ScriptWatch(LoopMarks):
    """Marks the parts of any training of this process by hooks on torch: data loaders, models, backward, optimizers.

    The outermost call of a module that has parameters is the forward pass; a module without any (a criterion) is part
    of the loss. A step ends where the next batch is asked of a `DataLoader`; in a loop without one, or that makes many
    updates with one batch, where the first forward pass after an update begins; without modules, where an update ends.
    Without an optimizer a `backward()` stands for the update. Only the thread that starts the watch is looked at.
    Nothing that is computed changes.

    A long training is profiled in windows of at most 10,000 steps; the profile is that of the longest one.

    Args:
        name: of the profile.
        steps: end the script after so many steps; None to let it end by itself.
        tell_every_s: seconds between two lines about the steps on standard error; None for no lines.
    """

    def __init__(self, *, name: str, steps: int | None = None, tell_every_s: float | None = None) -> None:
        super().__init__(
            [], (), Device(), name=name,
            source="The script must train in its own process, with backward() or optimizers of torch.",
        )  # fmt: skip
        self._arrival = _PREPARED
        self._thread = get_ident()
        self._limit = steps
        self._tell_every_s = tell_every_s
        self._told_at = perf_counter()
        self._made = 0  # steps that have ended
        self._in_window = 0
        self._longest: tuple[Profile, dict[str, str]] | None = None  # of the windows before this one
        self._lines = OwnLines(self._thread)
        self._own: dict[str, str] = {}  # part -> what the person's own code takes of it, in the newest profile
        self._trainer = ""
        self._newest_batch: Any = None
        self._newest_loader: Any = None
        self._loader: Any = None  # the iterator of the data loader that training uses
        self._optimizer: optim.Optimizer | None = None
        self._trained = False  # whether a forward pass of training has begun in this step
        self._updated = False  # whether an update has been made in this step
        self._loads = False  # whether this step has asked a DataLoader for a batch
        self._perhaps = 0  # places in this step where it ended if no loader fed it
        self._backwards_before = 0  # backward passes of the steps that have ended
        self._known: set[int] = set()  # ids of the modules in self._modules
        self._has_begun = False

    @property
    def mark(self) -> Callable[[int], None]:
        """Note a part; nothing before the first forward pass or update of training, which tells the device."""
        return self._clock.mark if self._has_begun else _nothing

    def __enter__(self) -> "ScriptWatch":
        enter = self._undo.enter_context
        enter(replaced(nn.Module, "__call__", self._call))
        enter(replaced(dataloader._BaseDataLoaderIter, "__next__", self._next))
        self._undo.callback(self._watch_backward())
        self._undo.callback(register_optimizer_step_pre_hook(self._before_update).remove)
        self._undo.callback(register_optimizer_step_post_hook(self._after_update).remove)
        enter(collectives_marked(lambda part: self.mark(part), self._current))
        return self

    def __exit__(self, *error: object) -> None:
        self.mark(BETWEEN)
        self._undo.close()

    def _call(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if torch.compiler.is_compiling() or watch._inside or get_ident() != watch._thread:
                return plain(module, *args, **kwargs)
            if next(module.parameters(), None) is None:
                return plain(module, *args, **kwargs)
            watch._forward_begins(module)
            watch._before_forward(module, args)
            try:
                return plain(module, *args, **kwargs)
            finally:
                watch._after_forward(module, args, None)

        return call

    def _next(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def fetch(iterator: Any) -> Any:
            if get_ident() != watch._thread:
                return plain(iterator)
            if watch._trained:
                watch._step_ends()
            watch.mark(BETWEEN)
            try:
                batch = plain(iterator)
            except StopIteration:
                watch._loads = watch._loads and watch._trained  # else a validation has read them all
                raise
            watch._loads = True
            watch._newest_batch, watch._newest_loader = batch, iterator
            watch.mark(_FETCHED)
            return batch

        return fetch

    def _forward_begins(self, module: nn.Module) -> None:
        if not module.training:
            return
        self._begin_on(next(module.parameters()).device)
        if id(module) not in self._known:
            self._known.add(id(module))
            self._modules.append(module)
            log_every_step(module)
        if self._updated or (self._optimizer is None and self._backwards > self._backwards_before):
            self._step_perhaps_ends()
        if not self._trained:
            self._trained = True
            if self._loads:
                self._loader = self._newest_loader
                self.saw(self._newest_batch)

    def _begin_on(self, device: torch.device) -> None:
        """Begin to note parts, with the clock of the device that trains."""
        if not self._has_begun:
            self._device = Device(str(device))
            self._clock = marks_of(self._device)
            self._has_begun = True
            if self._device.is_host:  # elsewhere Python runs ahead of the device
                self._lines.start()
                self._undo.callback(self._lines.stop)

    def _step_perhaps_ends(self) -> None:
        if not self._loads:
            self._step_ends()
            return
        self.mark(_PERHAPS)
        self._updated, self._backwards_before = False, self._backwards
        self._perhaps += 1
        if self._perhaps > _UPDATES_A_BATCH:
            self._count(self._perhaps if self._perhaps == _UPDATES_A_BATCH + 1 else 1)

    def _step_ends(self) -> None:
        self.mark(OTHER)
        self._trained = self._updated = self._loads = self._outputs = False
        self._calls, self._perhaps, self._backwards_before = 0, 0, self._backwards
        self._count(1)

    def _count(self, steps: int) -> None:
        self._made += steps
        self._in_window += steps
        due = self._tell_every_s is not None and perf_counter() - self._told_at >= self._tell_every_s
        if (due and self._in_window > FEWEST_STEPS) or self._in_window >= _WINDOW:
            self._window_ends(tell=due)
        if self._limit is not None and self._made >= self._limit:
            raise StopScript(0)

    def _window_ends(self, *, tell: bool) -> None:
        """Keep the profile of the steps so far if it has more of them than the one kept, and begin with new marks."""
        self._longest = self._of_longest()
        if tell:
            self._told_at = perf_counter()
            sys.stderr.write(f"hasten: step {self._made:,}: {super().profile().verdict}\n")
            sys.stderr.flush()
        self._clock, self._in_window = marks_of(self._device), 0
        self.samples.clear()

    def profile(self) -> Profile:
        """Return the anatomy of the longest window of steps.

        Raises:
            BadInput: if fewer than four steps were made.
        """
        return self._of_longest()[0]

    def _of_longest(self) -> tuple[Profile, dict[str, str]]:
        kept = self._longest
        return kept if kept is not None and kept[0].steps >= self._in_window else (super().profile(), self._own)

    def seen(self) -> Seen:
        """Return the anatomy, and what is known of the data loader and the optimizer."""
        optimizer = self._optimizer
        found, own = self._of_longest()
        return Seen(
            profile=found,
            own=own,
            trainer=self._trainer,
            workers=getattr(self._loader, "_num_workers", None),
            optimizer=type(optimizer).__name__ if optimizer is not None else "",
            fused=fused_update(optimizer, self._device) if optimizer is not None else None,
        )

    def _before_backward(self, tensors: Any, *args: object, **kwargs: object) -> None:
        if self._optimizer is None and not self._modules and not self._inside:
            self._begin_on((tensors if isinstance(tensors, Tensor) else tensors[0]).device)
            if self._backwards:
                self._step_ends()

    def _before_update(self, optimizer: Any, args: object, kwargs: object) -> None:
        self._begin_on(optimizer.param_groups[0]["params"][0].device)  # where no module has been called
        if self._optimizer is None:
            self._trainer = _trainer()
            if self._made and not self._loads:  # the backward passes before were no updates
                self._clock, self._made, self._in_window = marks_of(self._device), 0, 0
        super()._before_update(optimizer, args, kwargs)

    def _after_update(self, optimizer: Any, args: object, kwargs: object) -> None:
        super()._after_update(optimizer, args, kwargs)
        self._updated = self._updated or not self._updates
        self._optimizer = optimizer
        if not self._modules and not self._updates:
            self._step_ends()

    def _remarks(self, shares: dict[str, float]) -> list[str]:
        remarks: list[str] = []
        if self._unknown_backwards:
            remarks.append(
                f"{self._unknown_backwards} of {self._backwards} backward passes followed no call of a module with "
                "parameters: their forward pass counts as loss or other."
            )
        self._own = {part: self._sentence(part, shares[part]) for part in OWN_PARTS if shares[part] > MUCH}
        return [*remarks, *self._own.values()]

    def _sentence(self, part: str, share: float) -> str:
        """Return how much of a step is own code, where it is, and the line that takes most of it."""
        wanted, where = OWN_PARTS[part]
        if part == "other" and self._loader is not None and self._prepared_share() > 0.5:
            wanted, where = (_PREPARED,), "your own code between the arrival of a batch and the call of the model"
        line = self._lines.hottest(self._clock.moments_ns(), self._clock.parts(), wanted)
        return f"{percent(share)} of step time is {where}{f', {line}' if line else '.'}"

    def _prepared_share(self) -> float:
        """Return which share of the time in "other" comes before the call of the model."""
        taken_ns, parts = np.diff(self._clock.moments_ns()), self._clock.parts()
        outside = taken_ns[np.isin(parts, (_PREPARED, BETWEEN, OTHER))].sum()
        return float(taken_ns[parts == _PREPARED].sum() / max(outside, 1))

    def _marked(self) -> StepClock:
        return _Attributed(super()._marked())


class _Attributed:
    """Marks in which every wait for a batch counts as input or as evaluation, by what used the batch."""

    def __init__(self, clock: StepClock) -> None:
        self._clock = clock
        self.mark = clock.mark

    def moments_ns(self) -> Nanoseconds:
        """Return the moments of the clock."""
        return self._clock.moments_ns()

    def parts(self) -> Nanoseconds:
        """Return the parts, each of them one of those that a step has."""
        parts = self._clock.parts().copy()
        used_for = INPUT
        for place in range(len(parts) - 1, -1, -1):
            if parts[place] in (FORWARD, EVALUATION):
                used_for = EVALUATION if parts[place] == EVALUATION else INPUT
            elif parts[place] == _FETCHED:
                parts[place] = used_for
            elif parts[place] == _PREPARED:
                parts[place] = BETWEEN
        return _with_ends(np.asarray(parts))


def _with_ends(parts: Nanoseconds) -> Nanoseconds:
    """Return the parts with what is perhaps the end of a step decided, by how many of them one batch has."""
    ends = parts == OTHER
    step = np.cumsum(ends) - ends
    perhaps = parts == _PERHAPS
    many = np.bincount(step[perhaps], minlength=len(parts) + 1) > (_UPDATES_A_BATCH if ends.any() else 0)
    return np.where(perhaps, np.where(many[step], OTHER, BETWEEN), parts)


def _trainer() -> str:
    """Return the trainer whose loop is running: "transformers", "lightning", or "" for a loop of one's own."""
    frame = sys._getframe()
    while frame is not None:
        module = str(frame.f_globals.get("__name__", ""))
        found = next((name for start, name in _TRAINERS.items() if module.startswith(start)), None)
        if found is not None:
            return found
        frame = frame.f_back
    return ""


def _nothing(part: int) -> None:
    """Note nothing."""
