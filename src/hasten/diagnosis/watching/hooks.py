"""Hooks on torch that turn any training of this process into events."""

import sys
import traceback
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from functools import partial
from threading import get_ident
from time import perf_counter, thread_time
from types import FrameType
from typing import Any, Self
from weakref import finalize

import torch
from torch import Tensor, nn, optim
from torch._C._functorch import peek_interpreter_stack
from torch.amp.grad_scaler import GradScaler
from torch.compiler import is_dynamo_compiling
from torch.nn.utils import clip_grad
from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau
from torch.optim.optimizer import register_optimizer_step_post_hook, register_optimizer_step_pre_hook
from torch.utils.data import DataLoader, dataloader

from hasten.base.replaced import replaced
from hasten.diagnosis.watching import calls
from hasten.diagnosis.watching.by_hand import HandMade
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.diagnosis.watching.loss_graph import leaves
from hasten.diagnosis.watching.thinning import FIRST, Thinning
from hasten.measurement.tensors import tensors_in
from hasten.scripts.watch import StopScript

INNER_STEPS, INNER_OPTIMIZERS = 3, 8
"""Steps in which calls of modules by other modules are told, at the start and after the first update of so many
optimizers, since each costs about 1 us."""
EVALUATION_S, EVALUATION_SHARE = 1.0, 0.002
"""Seconds that watching evaluations may take, and share of the time since the training began."""
HAND_STEPS = 1000
"""Steps of a loop that makes its updates itself, after which it is watched no more: no hook counts them cheaply."""
_HOOK_S = 2e-6
"""What a hook costs beside the collectors that it tells."""
_OTHERS = 100
"""Updates of known optimizers without one of the first, after which the first is taken to train no more."""
_CALLS = 8
"""Calls kept until their backward pass; some have none."""
_COPIES = 8
"""Copies of trained models that are watched from their first call without gradients on."""


class TrainingWatch:
    """Tells collectors what happens in the training of this process, from entering to leaving.

    A forward pass is the outermost call of a module with parameters, or of its `forward` where a loop calls that
    itself; the first such call is not told. A step begins with the first batch or forward pass
    of training after an update by the optimizer that made the first one, or, where that has ended, by the next one that
    makes two. Where a loop changes the leaves of its losses itself, an optimizer stands for that (`by_hand`). Only the
    thread that enters is looked at, and compiled code from outside only. A collector that raises is asked no more:
    `failed` says why.

    At first every step is watched. Once no collector needs the next step, only losses, clipped norms, calls of
    schedulers and updates are noted, in some ten function calls a step, until a collector needs one, a batch is
    evaluated, or a new optimizer makes an update. Of a long training with short steps every k-th loss and norm is
    noted (`Thinning`); of the other steps updates, calls of schedulers, and updates that a GradScaler leaves out.

    Args:
        collectors: in the order in which they are told.
        steps: end the script after so many steps; None to let it end by itself.
        looked_at: steps whose losses are all noted.
    """

    def __init__(self, collectors: Sequence[Collector], *, steps: int | None = None, looked_at: int = FIRST) -> None:
        self.steps = 0  # that have begun
        self.failed: dict[str, str] = {}  # class of a collector -> its traceback
        self.complete = False  # whether the training ended by itself, neither by the limit nor by an error
        self.loss_scale: Callable[[], float] = lambda: 1.0  # of a training whose backward passes start from it
        self._collectors = list(collectors)
        self._listeners: dict[str, list[Collector]] = {}  # event -> those that do something at it
        self._limit = steps
        self.thread = get_ident()
        self._first: optim.Optimizer | None = None
        self._hand: HandMade | None = HandMade()  # until an optimizer makes an update, or it shows that none is made
        self._made: list[optim.Optimizer] = []  # that made an update in this step
        self._inner = INNER_STEPS  # last step in which calls of modules by others are told
        self._new = 0  # optimizers of which a first update was watched
        self._known: set[int] = set()  # optimizers that made an update in a watched step
        self._others = 0  # unwatched updates by others than the first
        self.inside = 0  # calls of modules that have not returned
        self.in_backward = False
        self._updates = 0  # steps of optimizers that have not returned
        self._schedules = 0  # steps of schedulers that have not returned
        self._stopped = False  # whether the limit ended the training
        self._ended = True  # whether the step under way has been made, so that a new one begins
        self._telling = False
        self._models: dict[int, bool] = {}  # modules called with gradients recorded -> whether in training mode
        self._classes: set[type[nn.Module]] = set()  # theirs
        self._others_called: set[int] = set()  # modules of these classes that were only called without
        self._direct: set[type[nn.Module]] = set()  # of modules whose `forward` a loop calls itself
        self._missed: FrameType | None = None  # of the first such call, which is not told
        self._began_s = perf_counter()
        self._spent_s, self._evaluation_s = 0.0, 0.0  # of this thread: preemption by other processes costs nothing
        self._evaluating = False  # whether the time goes to the account of evaluations
        self.every = False  # whether every step is watched
        self.watching = False  # whether this one is
        self._wake = 0  # next step that a collector needs
        self._told = 0  # steps that collectors know of
        self._thinning = Thinning(looked_at)
        self._distance = 1  # steps from one loss that is noted to the next
        self._reads = False  # whether the loss of this step is told or noted
        self._lean = self._losses_out = True  # whether there is no hook before updates, and none on loss functions
        self._due = 0  # unwatched step after which it is asked what comes next
        self._turn = 0  # the same, or the step after which losses begin or cease to be read
        self._compound = False  # whether updates hold others or backward passes, which takes a hook before them
        self._evaluates = False  # whether an evaluation was seen
        self._calls: list[tuple[nn.Module, Any, Any]] = []  # of models since the last backward pass, unwatched
        self._loss_keepers: list[Callable[..., None]] = []  # what notes unwatched losses
        self._scheduled: dict[LRScheduler, int] = {}  # unwatched steps of schedulers
        self._closed = False  # whether a closure computed its first loss in this unwatched update
        self._moved = False  # whether an update was made since the scaler was updated
        self._undo, self._of_every, self._of_watched, self._of_classes = (ExitStack() for _ in range(4))
        self._of_losses, self._of_updates, self._of_backward = (ExitStack() for _ in range(3))

    def __enter__(self) -> Self:
        self._put_in()
        self._watch_every_step()
        return self

    def _put_in(self) -> None:
        """Put in the hooks of all steps."""
        enter = self._undo.enter_context
        for name in ("clip_grad_norm_", "clip_grad_value_"):
            for home in (nn.utils, clip_grad):
                enter(replaced(home, name, self._clip))
        enter(replaced(GradScaler, "scale", self._scale))
        enter(replaced(GradScaler, "update", self._scale_update))
        enter(replaced(DataLoader, "__iter__", self._iterate))
        enter(replaced(optim.Optimizer, "__init__", self._new_optimizer))
        for owner, name, telling in calls.ALWAYS:
            enter(replaced(owner, name, partial(telling, self)))
        for kind in _kinds(LRScheduler):
            if "step" in vars(kind):
                enter(replaced(kind, "step", self._schedule))
        self._undo.callback(register_optimizer_step_post_hook(self._after_update).remove)
        self._put_in_rest()
        self._read(True)

    def _read(self, reads: bool) -> None:
        """Have the losses of the steps from here on seen, or not."""
        if reads and not self._reads:
            self._of_backward.enter_context(replaced(torch.autograd, "backward", self._backward))
        elif not reads:
            self._of_backward.close()
        self._reads = reads

    def _put_in_rest(self) -> None:
        """Put in those that many steps do without once losses are thinned, where they are not in yet.

        None is an attribute of a class: Python 3.13 caches no more for a class that was changed a thousand times.
        """
        if self._losses_out:
            self._losses_out = False
            for owner, name, telling in calls.LOSSES:  # an evaluation may look its function up before it is seen
                self._of_losses.enter_context(replaced(owner, name, partial(telling, self)))
        if self._lean:
            self._lean, self._updates = False, 0
            self._of_updates.callback(register_optimizer_step_pre_hook(self._before_update).remove)

    def __exit__(self, *error: object) -> None:
        self.see_hand()
        self.catch_up()
        self.watching, self._told = False, self.steps
        self._take_out()
        self.complete = not self._stopped and not any(error)
        self.tell("ended")

    def _take_out(self) -> None:
        """Take all hooks out."""
        for stack in (
            self._of_classes,
            self._of_watched,
            self._of_every,
            self._of_losses,
            self._of_updates,
            self._of_backward,
            self._undo,
        ):
            stack.close()

    def _watch_every_step(self) -> None:
        """Watch all steps until no collector needs the next one."""
        self._of_classes.close()
        enter = self._of_every.enter_context
        enter(replaced(nn.Module, "__call__", self._call))
        for kind in self._direct:
            enter(replaced(kind, "forward", self._call))
        for owner, name, telling in calls.EVERY_STEP:
            enter(replaced(owner, name, partial(telling, self)))
        self.every = True
        self._watch()

    def _watch(self) -> None:
        """Watch from here on."""
        if self.watching:
            return
        begin = thread_time()
        self._put_in_rest()
        self._of_watched.enter_context(replaced(dataloader._BaseDataLoaderIter, "__next__", partial(calls.fetch, self)))
        self.catch_up()
        if not self._reads:
            self.tell("missed", self.steps + 1)
        self._read(True)
        self.watching = True
        self._charge(thread_time() - begin)

    def _rest(self) -> None:
        """Watch no more until a collector needs a step."""
        begin = thread_time()
        self._of_watched.close()
        self._of_every.close()
        if self.every:
            self._put_in_classes()
        every, self.every, self.watching = self.every, False, False
        self._told = self.steps
        self._calls.clear()
        self._loss_keepers = [one.unwatched_loss for one in self._listening("unwatched_loss")]
        self._look_ahead()
        if not every:
            self._charge(thread_time() - begin)
        self._evaluating = False

    def _look_ahead(self) -> None:
        """Decide whether losses are thinned, and whether that of the next step is read."""
        found = self._thinning.after(self.steps)
        if found != self._distance:
            self._distance = found
            self.tell("thinned", self.steps + 1, found)
        self._due, self._turn = min(self._thinning.again, self._wake - 1), 0
        self._read(not (self.steps + 1) % found)
        if found == 1:
            self._put_in_rest()
            return
        if not self._compound:
            self._of_updates.close()
            self._lean = True
        if not self._evaluates:
            self._of_losses.close()
            self._losses_out = True

    def _put_in_classes(self) -> None:
        """Have the models called through `_called`, and no module inside of them."""
        for kind in self._classes:
            name = "forward" if kind in self._direct else "__call__"
            self._of_classes.enter_context(replaced(kind, name, self._called))

    def catch_up(self) -> None:
        """Tell collectors of the steps that were not watched."""
        if self.watching or (self.steps == self._told and not self._scheduled):
            return
        steps, scheduled = self.steps - self._told, self._scheduled
        self._told, self._scheduled = self.steps, {}
        self.tell("unwatched", steps, scheduled)

    def _charge(self, seconds: float) -> None:
        if self._evaluating:
            self._evaluation_s += seconds
        elif not self.every:
            self._spent_s += seconds

    def _may_evaluate(self) -> bool:
        """Return whether the share of the time allows to watch an evaluation."""
        if self._telling or get_ident() != self.thread:
            return False
        return self._evaluation_s < EVALUATION_S + EVALUATION_SHARE * (perf_counter() - self._began_s)

    def _evaluation_begins(self) -> bool:
        """Watch an evaluation, if the time allows it; return whether it does."""
        if self._may_evaluate():
            self._evaluating = True
            self._watch()
        return self.watching

    def fetched(self, batch: Any, loader: Any = None, *, training: bool = True) -> None:
        """Tell of a batch that no `DataLoader` of torch gave, for a step or for an evaluation."""
        self.see_hand()
        if not self.watching and (training or not self._evaluation_begins()):
            return
        if training:
            self._step_may_begin()
        self.tell("fetched", batch, loader)

    def tell(self, event: str, *args: Any) -> None:
        """Tell every collector of an event; what the collectors do themselves is none."""
        if self._telling or not (listening := self._listening(event)):
            return
        self._telling = True
        begin = thread_time()
        try:
            with torch.inference_mode(False), torch.no_grad():  # numbers of an evaluation are added to others
                for one in listening:
                    try:
                        getattr(one, event)(*args)
                    except Exception:  # noqa: BLE001  (a training must not fail since it is watched; `failed` says it)
                        self._ask_no_more(one)
        finally:
            self._telling = False
            self._charge(thread_time() - begin + _HOOK_S)

    def _note_clip(self, limit: float, norm: Tensor) -> None:
        for one in self._listening("clip_ended"):
            try:
                one.clip_ended(limit, norm)
            except Exception:  # noqa: BLE001  (as in `tell`)
                self._ask_no_more(one)

    @property
    def updated(self) -> bool:
        """Whether an optimizer has made an update."""
        return self._first is not None

    def _ask_no_more(self, one: Collector) -> None:
        """Leave out a collector that raised."""
        self._collectors.remove(one)
        self._listeners = {}
        self._loss_keepers = [keep for keep in self._loss_keepers if keep.__self__ is not one]  # type: ignore[attr-defined]
        self.failed[type(one).__name__] = traceback.format_exc()

    def _listening(self, event: str) -> Sequence[Collector]:
        """Return the collectors that do anything at an event; most do nothing at most events."""
        found = self._listeners.get(event)
        if found is None:
            plain = getattr(Collector, event)
            found = [one for one in self._collectors if getattr(type(one), event) is not plain]
            self._listeners[event] = found
        return found

    def looks(self) -> bool:
        """Return whether to look at a call. While torch compiles it, the rest cannot be traced, so that comes first."""
        return (
            self.watching
            and not torch.compiler.is_compiling()
            and not self._telling
            and get_ident() == self.thread
            and not peek_interpreter_stack()  # torch.func: what is within has no numbers of its own
        )

    def _step_may_begin(self) -> None:
        if not self._ended:
            return
        if self._limit is not None and self.steps >= self._limit:
            self._stopped = True
            raise StopScript(0)
        self._ended = False
        self._evaluating = self._evaluating and not self.every
        self._made = []
        self.steps += 1
        self.tell("step_begins", self.steps)

    def _call(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if not watch.inside:
                watch.see_hand()
            if watch.inside or not watch.looks() or not _has_numbers(module):
                tells = watch.inside and watch.steps <= watch._inner and watch.looks()
                if tells:
                    watch.tell("called_inside", module)
                output = plain(module, *args, **kwargs)
                if tells:
                    watch.tell("made_inside", module, output)
                return output
            if watch._misses(module):
                return plain(module, *args, **kwargs)
            made = Call(module, args, kwargs, module.training, torch.is_grad_enabled(), calls.is_autocast())
            if made.grad:
                watch._models[id(module)] = made.training or watch._models.get(id(module), False)
                watch._classes.add(type(module))
            if made.training and made.grad:
                watch._step_may_begin()
            elif not made.grad or watch._models[id(module)]:
                watch._evaluates = True
                if watch._evaluates_too_long():
                    return plain(module, *args, **kwargs)
            watch.tell("call_begins", made)
            watch.inside += 1
            try:
                output = plain(module, *args, **kwargs)
            finally:
                watch.inside -= 1
            watch.tell("call_ended", made, output)
            return output

        return call

    def _misses(self, module: nn.Module) -> bool:
        """Return whether a module is called by the `forward` of a model that a loop calls itself for the first time.

        Its next call will be told. A `forward` that a loop looked up before stays as it was: its parts are told then.
        """
        model, frame = _around(module)
        if model is None or frame is self._missed:
            return model is not None
        self._missed = None
        if type(model) in self._direct or "forward" in vars(model):
            return False
        self._missed = frame
        self._direct.add(type(model))
        self._of_every.enter_context(replaced(type(model), "forward", self._call))
        return True

    def _called(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch, models, classes, calls, whole = self, self._models, self._classes, self._calls, self._call(plain)

        def call(module: nn.Module, *args: Any, **kwargs: Any) -> Any:
            if watch.watching or is_dynamo_compiling():
                return whole(module, *args, **kwargs)
            usual = models.get(id(module))
            if usual is None and module.__class__ in classes and watch._may_be_copy(module):
                return whole(module, *args, **kwargs)
            if usual is not None:
                if module.training is usual and torch.is_grad_enabled():
                    if not watch._reads:
                        return plain(module, *args, **kwargs)
                    if len(calls) == _CALLS:
                        calls.clear()
                    calls.append((module, args, kwargs))
                elif watch._evaluation_begins():
                    return whole(module, *args, **kwargs)
            return plain(module, *args, **kwargs)

        return call

    def _may_be_copy(self, module: nn.Module) -> bool:
        """Return whether to watch a module of a trained class that was never called with gradients, as an average."""
        if self._telling or torch.is_grad_enabled() or get_ident() != self.thread:
            return False
        if id(module) in self._others_called or len(self._others_called) >= _COPIES or _around(module)[0] is not None:
            return False
        self._others_called.add(id(module))
        return self._evaluation_begins()

    def _evaluates_too_long(self) -> bool:
        """Return whether the share of the time allows no more evaluation; then watch no more, if collectors agree."""
        if self.every and self._needs_every_step():
            return False
        self._evaluating = True
        if self._may_evaluate():
            return False
        if not self.every and self._ended:
            self._rest()
        return True

    def _needs_every_step(self) -> bool:
        return any(type(one).next_step is Collector.next_step for one in self._collectors)

    def _iterate(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def iterate(loader: Any) -> Any:
            if not watch.watching:  # of an evaluation, or of the next epoch
                watch._evaluation_begins()
            return plain(loader)

        return iterate

    def _new_optimizer(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def initialize(optimizer: optim.Optimizer, *args: Any, **kwargs: Any) -> None:
            if get_ident() == watch.thread and not watch._telling:
                watch._put_in_rest()  # so that its first update is seen
                watch._due = watch._turn = 0
            plain(optimizer, *args, **kwargs)

        return initialize

    def _weighted(
        self, losses: Sequence[Tensor], args: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> list[tuple[Tensor, Tensor]]:
        """Return the losses that `backward()` multiplies with something, and with what, without the loss scale."""
        given = args[1] if len(args) > 1 else kwargs.get("grad_tensors")
        weights = [given] if isinstance(given, Tensor) else list(given or ())
        scale = self.loss_scale()
        pairs = [(loss, one) for loss, one in zip(losses, weights, strict=False) if isinstance(one, Tensor)]
        return pairs if scale == 1 else [(loss, one / scale) for loss, one in pairs]

    def _backward(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def backward(*args: Any, **kwargs: Any) -> Any:
            if not watch.watching:
                if not watch._reads or watch.in_backward or get_ident() != watch.thread:
                    return plain(*args, **kwargs)
                watch.in_backward = True
                try:
                    result = plain(*args, **kwargs)
                finally:
                    watch.in_backward = False
                watch._note_losses(args, kwargs)
                return result
            watch.see_hand()
            if not watch.looks() or watch.in_backward:  # checkpointing calls it within a backward pass
                return plain(*args, **kwargs)
            watch._step_may_begin()  # a loop whose model is in evaluation mode, or is no module
            watch._missed = None
            watch._compound = watch._compound or watch._updates > 0
            losses = list(tensors_in(args[0] if args else kwargs.get("tensors")))
            if pairs := watch._weighted(losses, args, kwargs):
                watch.tell("backward_weighted", *map(list, zip(*pairs, strict=True)))
            watch.tell("backward_begins", losses)
            moving = leaves(losses) if watch._hand is not None else ()
            watch.in_backward = True
            watch.inside += 1  # checkpointing calls modules within a backward pass
            try:
                result = plain(*args, **kwargs)
            finally:
                watch.in_backward = False
                watch.inside -= 1
            watch.tell("backward_ended", losses)
            watch._follow_hand(moving)
            return result

        return backward

    def _note_losses(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        """Have the losses of a backward pass noted: each that is one number, and no outputs with a gradient by hand."""
        given = args[0] if args else kwargs.get("tensors")
        losses = (given,) if type(given) is Tensor else tuple(tensors_in(given))
        weight = args[1] if len(args) > 1 else kwargs.get("grad_tensors")
        if weight is not None:
            weights = {id(loss): weight for loss, weight in self._weighted(losses, args, kwargs)}
            losses = tuple(loss.detach() * weights[id(loss)] if id(loss) in weights else loss for loss in losses)
        if not self._updates or not self._closed:  # LBFGS: the first evaluation is the loss of the step
            self._telling = True
            for keep in self._loss_keepers:
                try:
                    for loss in losses:
                        if not loss.ndim or loss.numel() == 1:  # no call for most
                            keep(self.steps + 1, loss, self._calls)
                except Exception:  # noqa: BLE001  (as in `tell`)
                    self._ask_no_more(keep.__self__)  # type: ignore[attr-defined]
            self._telling = False
            self._closed = self._updates > 0
        self._calls.clear()

    def _clip(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def clip(parameters: Any, *args: Any, **kwargs: Any) -> Any:
            limit = args[0] if args else kwargs.get("max_norm", kwargs.get("clip_value", 0.0))
            if not watch.watching:
                norm = plain(parameters, *args, **kwargs)
                if norm is not None and watch._reads and get_ident() == watch.thread:
                    watch._note_clip(float(limit), norm)
                return norm
            if not watch.looks():
                return plain(parameters, *args, **kwargs)
            given = [parameters] if isinstance(parameters, Tensor) else list(parameters)
            watch.tell("clip_begins", given, float(limit))
            norm = plain(given, *args, **kwargs)
            watch.tell("clip_ended", float(limit), norm)
            return norm

        return clip

    def _scale_update(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def update(scaler: Any, *args: Any, **kwargs: Any) -> Any:
            skips, watch._moved = not watch._moved, False
            if not watch.watching and scaler.is_enabled() and skips and get_ident() == watch.thread:
                watch.tell("scale_updated", True, watch.steps + 1)
            if not scaler.is_enabled() or not watch.looks():
                return plain(scaler, *args, **kwargs)
            before = scaler.get_scale()
            result = plain(scaler, *args, **kwargs)
            watch.tell("scale_updated", scaler.get_scale() < before, watch.steps)
            return result

        return update

    def _scale(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def scale(scaler: GradScaler, *args: Any, **kwargs: Any) -> Any:
            result = plain(scaler, *args, **kwargs)
            if scaler.is_enabled() and watch._reads and get_ident() == watch.thread:
                if watch.every and watch.looks():
                    watch.tell("scaled", scaler)
                watch.tell("loss_scaled", list(tensors_in([*args, kwargs])), list(tensors_in(result)))
            return result

        return scale

    def _schedule(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        watch = self

        def step(scheduler: Any, *args: Any, **kwargs: Any) -> Any:
            watch._schedules += 1  # one that steps others tells of itself only
            try:
                result = plain(scheduler, *args, **kwargs)
            finally:
                watch._schedules -= 1
            if not watch._schedules and not getattr(scheduler, "_is_initial", False):
                if watch.looks():
                    watch.tell("schedule_stepped", scheduler)
                elif not watch.watching and get_ident() == watch.thread:
                    watch._scheduled[scheduler] = watch._scheduled.get(scheduler, 0) + 1
                metric = args[0] if args else kwargs.get("metrics")
                if isinstance(scheduler, ReduceLROnPlateau) and metric is not None and get_ident() == watch.thread:
                    watch.tell("plateau_stepped", scheduler, float(metric), watch.steps)
            return result

        return step

    def _before_update(self, optimizer: Any, args: object, kwargs: object) -> None:
        self._updates += 1
        if self._updates > 1:  # a subclass calls the step of its parent, and torch hooks both
            self._compound = True
            return
        if not self.watching and optimizer is not self._first and get_ident() == self.thread:
            self._others += 1
            if id(optimizer) not in self._known or self._others > _OTHERS:
                self._watch_every_step()
        if self.watching and self.looks():
            if self._hand is not None:
                self._first = None if self._first is self._hand.optimizer else self._first
                self._hand = None
            if self._first is None or optimizer is self._first:  # another one updates in the same step
                self._step_may_begin()  # a loop whose model is no module
            self._first = self._first or optimizer
            self.tell("update_begins", optimizer)

    def _after_update(self, optimizer: Any, args: object, kwargs: object) -> None:
        if self._lean:
            if optimizer is not self._first:
                self._another(optimizer)
                return
            self._moved, self._others = True, 0
            self.steps += 1  # as `_count`, whose call is dear in a step of 0.2 ms
            if self.steps >= self._turn:
                self._turned(self.steps)
            return
        self._updates = max(0, self._updates - 1)  # 0 where the hook that runs before came in within this update
        if self._updates:
            return
        self._moved, self._closed = True, False
        if self.watching and self.looks():
            self.tell("update_ended", optimizer)
            self._note_known(optimizer)
            if any(optimizer is one for one in self._made):
                self._first = optimizer  # the first one trains no more
            self._made.append(optimizer)
            if optimizer is self._first and not self._ended:
                self._ended = True
                self._step_ended()
        elif not self.watching and optimizer is self._first and get_ident() == self.thread:
            self._count()

    def _note_known(self, optimizer: optim.Optimizer) -> None:
        """Note an optimizer until it is gone: the next one may have its address."""
        if id(optimizer) in self._known:
            return
        self._known.add(id(optimizer))
        finalize(optimizer, self._known.discard, id(optimizer)).atexit = False
        self._new += 1
        if self._new <= INNER_OPTIMIZERS:
            self._inner = self.steps + INNER_STEPS
        if not self.every:  # its first update was in a step of the sample
            self._watch_every_step()

    def _follow_hand(self, leaves: Sequence[Tensor]) -> None:
        """See to it that a change of these leaves before the next forward pass is taken for an update."""
        if self._hand is None or self._updates:
            return
        if not self._hand.computed(leaves):
            self._hand = None
        elif self._hand.optimizer is not None:
            self.tell("update_begins", self._hand.optimizer)

    def see_hand(self) -> None:
        """Take a change of leaves since the last backward pass for an update; where there was none, look no more."""
        hand = self._hand
        if hand is None or not hand.waits or self._telling or self.in_backward or get_ident() != self.thread:
            return
        known = hand.optimizer
        if not hand.moved():
            self._hand = None
            return
        if known is not None:
            self.tell("update_ended", known)
        self._first, self._ended = hand.optimizer, True
        self._step_ended()

    def _count(self) -> None:
        """Count an unwatched step, and see what comes next."""
        self._others = 0
        self.steps += 1
        if self.steps >= self._turn:
            self._turned(self.steps)

    def _turned(self, step: int) -> None:
        """See what comes after an unwatched step: whether a loss is read, and whether it is watched."""
        reads = not (step + 1) % self._distance
        if reads is not self._reads:
            self._read(reads)
        if step < self._due:
            following = step + 1 if reads else (step // self._distance + 1) * self._distance - 1
            self._turn = self._due if self._distance == 1 else min(self._due, following)
            return
        if step + 1 < self._wake:
            self._look_ahead()
        else:
            self._read(True)  # all of the next step
            self._watch()

    def _another(self, optimizer: optim.Optimizer) -> None:
        """Watch again after an update by an optimizer that is new, or that trains in place of the first."""
        if get_ident() != self.thread:
            return
        self._moved = True
        self._others += 1
        if id(optimizer) not in self._known or self._others > _OTHERS:
            self._watch_every_step()

    def _step_ended(self) -> None:
        """Ask the collectors for the next step that they need."""
        if self._hand is not None:  # each is watched: nothing tells of one that is not
            if self.steps >= HAND_STEPS and self._limit is None:
                self._hand, self.watching, self._stopped, self._told = None, False, True, self.steps
                self._take_out()
            return
        self._wake = NEVER if self._limit is None else self._limit
        for one in list(self._collectors):
            try:
                self._wake = min(self._wake, one.next_step(self.steps, self._spent_s))
            except Exception:  # noqa: BLE001  (as in `tell`)
                self._ask_no_more(one)
        if self._wake > self.steps + 1:
            self._rest()


def _has_numbers(module: nn.Module) -> bool:
    """Return whether a module has parameters, and not only their shapes."""
    first = next(module.parameters(), None)
    return first is not None and not first.is_meta


def _around(module: nn.Module) -> tuple[nn.Module | None, FrameType | None]:
    """Return the outermost module that contains this one and whose `forward` runs, and its frame.

    Cost: 2 us, for a stack of ten functions.
    """
    found: tuple[nn.Module | None, FrameType | None] = (None, None)
    frame = sys._getframe(2)
    while frame is not None:
        code = frame.f_code
        if code.co_name == "forward" and code.co_argcount:
            owner = frame.f_locals.get(code.co_varnames[0])
            if isinstance(owner, nn.Module) and owner is not module and any(one is module for one in owner.modules()):
                found = owner, frame
        frame = frame.f_back
    return found


def _kinds(kind: type) -> list[type]:
    """Return a class and all that inherit from it."""
    return [kind, *(one for heir in kind.__subclasses__() for one in _kinds(heir))]
