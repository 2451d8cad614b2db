"""Hooks on torch that turn any training of this process into events."""

import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from threading import get_ident
from typing import Any, Self

import torch
from torch import Tensor, nn, optim
from torch.amp.grad_scaler import GradScaler
from torch.nn.utils import clip_grad
from torch.optim.lr_scheduler import LRScheduler
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import dataloader

from hasten.base.replaced import replaced
from hasten.diagnosis.watching.events import Call, Collector
from hasten.measurement.tensors import tensors_in
from hasten.scripts.watch import StopScript

INNER_STEPS = 3
"""Steps in which calls of modules by other modules are told, since each costs about 1 us."""
_LOSSES = (
    "cross_entropy",
    "nll_loss",
    "mse_loss",
    "l1_loss",
    "smooth_l1_loss",
    "huber_loss",
    "binary_cross_entropy",
    "binary_cross_entropy_with_logits",
)
"""Loss functions of torch whose results are told of in evaluations. Those of training are seen by `backward()`."""


class TrainingWatch:
    """Tells collectors what happens in the training of this process, from entering to leaving.

    A forward pass is the outermost call of a module with parameters. A step begins with the first batch or forward pass
    of training after an update by the optimizer that made the first one, or, where that has ended, by the next one that
    makes two. Only the thread that enters is looked at, and compiled code from outside only. A collector that raises is
    asked no more: `failed` says why.

    Args:
        collectors: in the order in which they are told.
        steps: end the script after so many steps; None to let it end by itself.
    """

    def __init__(self, collectors: Sequence[Collector], *, steps: int | None = None) -> None:
        self.steps = 0  # that have begun
        self.failed: dict[str, str] = {}  # class of a collector -> its traceback
        self.complete = False  # whether the training ended by itself, neither by the limit nor by an error
        self.loss_scale: Callable[[], float] = lambda: 1.0  # of a training whose backward passes start from it
        self._collectors = list(collectors)
        self._listeners: dict[str, list[Collector]] = {}  # event -> those that do something at it
        self._limit = steps
        self._thread = get_ident()
        self._first: optim.Optimizer | None = None
        self._made: list[optim.Optimizer] = []  # that made an update in this step
        self._inside = 0  # calls of modules that have not returned
        self._in_backward = False
        self._updates = 0  # steps of optimizers that have not returned
        self._schedules = 0  # steps of schedulers that have not returned
        self._stopped = False  # whether the limit ended the training
        self._ended = True  # whether the step under way has been made, so that a new one begins
        self._telling = False
        self._undo = ExitStack()

    def __enter__(self) -> Self:
        enter = self._undo.enter_context
        enter(replaced(nn.Module, "__call__", self._call))
        enter(replaced(nn.Module, "zero_grad", self._zero_grad))
        enter(replaced(optim.Optimizer, "zero_grad", self._zero_grad))
        enter(replaced(dataloader._BaseDataLoaderIter, "__next__", self._next))
        enter(replaced(torch.autograd, "backward", self._backward))
        for name in ("clip_grad_norm_", "clip_grad_value_"):
            for home in (nn.utils, clip_grad):
                enter(replaced(home, name, self._clip))
        enter(replaced(torch.amp.autocast, "__enter__", self._autocast))
        enter(replaced(GradScaler, "scale", self._scale))
        enter(replaced(GradScaler, "unscale_", self._unscale))
        enter(replaced(GradScaler, "step", self._scaled_update))
        for kind in _kinds(LRScheduler):
            if "step" in vars(kind):
                enter(replaced(kind, "step", self._schedule))
        enter(replaced(GradScaler, "update", self._scale_update))
        for name in _LOSSES:
            enter(replaced(nn.functional, name, self._loss))
        self._undo.callback(register_optimizer_step_pre_hook(self._before_update).remove)
        self._undo.callback(register_optimizer_step_post_hook(self._after_update).remove)
        return self

    def __exit__(self, *error: object) -> None:
        self._undo.close()
        self.complete = not self._stopped and not any(error)
        self._tell("ended")

    def fetched(self, batch: Any, loader: Any = None, *, training: bool = True) -> None:
        """Tell of a batch that no `DataLoader` of torch gave, for a step or for an evaluation."""
        if training:
            self._step_may_begin()
        self._tell("fetched", batch, loader)

    def _tell(self, event: str, *args: Any) -> None:
        """Tell every collector of an event; what the collectors do themselves is none."""
        if self._telling or not (listening := self._listening(event)):
            return
        self._telling = True
        try:
            with torch.no_grad():
                for one in listening:
                    try:
                        getattr(one, event)(*args)
                    except Exception:  # noqa: BLE001  (a training must not fail since it is watched; `failed` says it)
                        self._collectors.remove(one)
                        self._listeners.clear()
                        self.failed[type(one).__name__] = traceback.format_exc()
        finally:
            self._telling = False

    def _listening(self, event: str) -> Sequence[Collector]:
        """Return the collectors that do anything at an event; most do nothing at most events."""
        found = self._listeners.get(event)
        if found is None:
            plain = getattr(Collector, event)
            found = [one for one in self._collectors if getattr(type(one), event) is not plain]
            self._listeners[event] = found
        return found

    def _looks(self) -> bool:
        return not self._telling and get_ident() == self._thread and not torch.compiler.is_compiling()

    def _step_may_begin(self) -> None:
        if not self._ended:
            return
        if self._limit is not None and self.steps >= self._limit:
            self._stopped = True
            raise StopScript(0)
        self._ended = False
        self._made = []
        self.steps += 1
        self._tell("step_begins", self.steps)

    def _call(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if watch._inside or not watch._looks() or next(module.parameters(), None) is None:
                if watch._inside and watch.steps <= INNER_STEPS and watch._looks():
                    watch._tell("called_inside", module)
                return plain(module, *args, **kwargs)
            made = Call(module, args, kwargs, module.training, torch.is_grad_enabled(), _is_autocast())
            if made.training and made.grad:
                watch._step_may_begin()
            watch._tell("call_begins", made)
            watch._inside += 1
            try:
                output = plain(module, *args, **kwargs)
            finally:
                watch._inside -= 1
            watch._tell("call_ended", made, output)
            return output

        return call

    def _next(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def fetch(iterator: Any) -> Any:
            batch = plain(iterator)
            if watch._looks():
                watch._tell("fetched", batch, iterator)
            return batch

        return fetch

    def _weights(self, args: Sequence[Any], kwargs: Mapping[str, Any]) -> list[Tensor]:
        """Return what `backward()` multiplies each loss with, without the loss scale."""
        weights = tensors_in(args[1] if len(args) > 1 else kwargs.get("grad_tensors"))
        scale = self.loss_scale()
        return list(weights) if scale == 1 else [one / scale for one in weights]

    def _backward(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def backward(*args: Any, **kwargs: Any) -> Any:
            if not watch._looks() or watch._in_backward:  # checkpointing calls it within a backward pass
                return plain(*args, **kwargs)
            watch._step_may_begin()  # a loop whose model is in evaluation mode, or is no module
            losses = list(tensors_in(args[0] if args else kwargs.get("tensors")))
            if (seeds := watch._weights(args, kwargs)) and len(seeds) == len(losses):
                watch._tell("backward_weighted", losses, seeds)
            watch._tell("backward_begins", losses)
            watch._in_backward = True
            watch._inside += 1  # checkpointing calls modules within a backward pass
            try:
                result = plain(*args, **kwargs)
            finally:
                watch._in_backward = False
                watch._inside -= 1
            watch._tell("backward_ended", losses)
            return result

        return backward

    def _clip(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def clip(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            if not watch._looks():
                return plain(parameters, *args, **kwargs)
            given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
            limit = args[0] if args else kwargs.get("max_norm", kwargs.get("clip_value", 0.0))
            watch._tell("clip_begins", given, float(limit))
            norm = plain(given, *args, **kwargs)
            watch._tell("clip_ended", float(limit), norm)
            return norm

        return clip

    def _scale_update(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def update(scaler: Any, *args: Any, **kwargs: Any) -> Any:
            if not scaler.is_enabled() or not watch._looks():
                return plain(scaler, *args, **kwargs)
            before = scaler.get_scale()
            result = plain(scaler, *args, **kwargs)
            watch._tell("scale_updated", scaler.get_scale() < before)
            return result

        return update

    def _loss(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def loss(*args: Any, **kwargs: Any) -> Any:
            result = plain(*args, **kwargs)
            if not torch.is_grad_enabled() and watch._looks():
                watch._tell("loss_computed", result)
            return result

        return loss

    def _zero_grad(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def zero_grad(owner: Any, *args: Any, **kwargs: Any) -> Any:
            result = plain(owner, *args, **kwargs)
            if watch._looks():
                watch._tell("zeroed", owner)
            return result

        return zero_grad

    def _autocast(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def enter(context: Any) -> Any:
            result = plain(context)
            if watch._looks() and _is_autocast():
                watch._tell("autocast_begins", watch._inside > 0)
            return result

        return enter

    def _scale(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def scale(scaler: GradScaler, *args: Any, **kwargs: Any) -> Any:
            result = plain(scaler, *args, **kwargs)
            if watch._looks() and scaler.is_enabled():
                watch._tell("scaled", scaler)
                watch._tell("loss_scaled", list(tensors_in([*args, kwargs])), list(tensors_in(result)))
            return result

        return scale

    def _unscale(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def unscale(scaler: GradScaler, optimizer: optim.Optimizer) -> Any:
            result = plain(scaler, optimizer)
            if watch._looks() and scaler.is_enabled():
                watch._tell("unscaled", optimizer)
            return result

        return unscale

    def _scaled_update(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def scaled_update(scaler: GradScaler, optimizer: optim.Optimizer, *args: Any, **kwargs: Any) -> Any:
            if watch._looks() and scaler.is_enabled():
                watch._tell("scaled_update", optimizer)
            return plain(scaler, optimizer, *args, **kwargs)

        return scaled_update

    def _schedule(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            watch._schedules += 1  # one that steps others tells of itself only
            try:
                result = plain(scheduler, *args, **kwargs)
            finally:
                watch._schedules -= 1
            if not watch._schedules and watch._looks() and not getattr(scheduler, "_is_initial", False):
                watch._tell("schedule_stepped", scheduler)
            return result

        return step

    def _before_update(self, optimizer: Any, args: object, kwargs: object) -> None:
        self._updates += 1
        if self._updates == 1 and self._looks():  # a subclass calls the step of its parent, and torch hooks both
            if self._first is None or optimizer is self._first:  # another one updates in the same step
                self._step_may_begin()  # a loop whose model is no module
            self._first = self._first or optimizer
            self._tell("update_begins", optimizer)

    def _after_update(self, optimizer: Any, args: object, kwargs: object) -> None:
        self._updates -= 1
        if not self._updates and self._looks():
            self._tell("update_ended", optimizer)
            if any(optimizer is one for one in self._made):
                self._first = optimizer  # the first one trains no more
            self._made.append(optimizer)
            self._ended = self._ended or optimizer is self._first


def _is_autocast() -> bool:
    return torch.is_autocast_enabled("cpu") or torch.is_autocast_enabled("cuda")


def _kinds(kind: type) -> list[type]:
    """Return a class and all that inherit from it."""
    return [kind, *(one for heir in kind.__subclasses__() for one in _kinds(heir))]
