"""What `load_state_dict` found to load, and what a file holds that is not loaded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import ref

import msgspec
from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import LRScheduler

from hasten.base.records.wiring import Loading, Restarted, Resumed
from hasten.diagnosis.watching.events import NEVER, Call, Collector

_MOST = 32
_DEPTH = 2  # of dictionaries in which the state of an optimizer is looked for
_REACHED = 3  # steps of a saved schedule, below which going on is like beginning
_ALIKE = 0.01  # relative difference of learning rates
_OTHER = 0.02  # and of sums of squares, above which weights are other ones: rounding is less


@dataclass(frozen=True)
class _Saved:
    """The state of an optimizer in a file."""

    tensors: int
    rate: float  # highest of the groups
    first_rate: float  # and before a schedule changed it


@dataclass(frozen=True)
class _Pending:
    """Weights that a module loaded and was not called with yet."""

    module: ref[nn.Module]
    place: int  # of the loading
    sizes: dict[str, float]  # name of a matrix -> sum of its squares


class LoadedCollector(Collector):
    """Compares each state dict with the module that it is for, and new optimizers with those of files."""

    def __init__(self) -> None:
        self.loadings: list[Loading] = []
        self.resumed: Resumed | None = None
        self.restarted: Restarted | None = None
        self._saved: list[_Saved] = []  # of the file that was read last, while no optimizer loaded one
        self._filled: list[ref[nn.Module]] = []  # modules that loaded weights since that file was read
        self._known: set[int] = set()  # optimizers that made an update
        self.last = False  # something was loaded after the last update
        self._reached = 0  # last step of a scheduler in the file that was read last
        self._goes_on: set[int] = set()  # optimizers that loaded a state since then
        self._updated: set[int] = set()  # and those of them that made an update since
        self._steps: dict[int, int] = {}  # of schedulers of these
        self._pending: dict[int, _Pending] = {}  # modules that loaded weights and were not called since

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: loading is told in all steps."""
        return NEVER

    def loaded(self, module: nn.Module, state: Mapping[str, Any]) -> None:
        """Note how much of the state the module has, and whether it is the module's own."""
        self.last = True
        if self._saved:
            self._filled.append(ref(module))
        if len(self.loadings) >= _MOST or not state:
            return
        own = {name: one for name, one in module.state_dict(keep_vars=True).items() if isinstance(one, Tensor)}
        found = [(own[name], one) for name, one in state.items() if name in own and isinstance(one, Tensor)]
        self.loadings.append(
            Loading(
                model=type(module).__name__,
                given=len(state),
                known=len(found),
                itself=bool(found) and all(_is_same(one, other) for one, other in found if one.numel()),
                first=next(iter(state)),
                expected=next(iter(own), ""),
            )
        )

        self._pending[id(module)] = _Pending(
            ref(module),
            len(self.loadings) - 1,
            {
                name: _size(one)
                for name, one in state.items()
                if name in own and isinstance(one, Tensor) and one.ndim > 1
            },
        )

    def call_begins(self, call: Call) -> None:
        """Look whether what was loaded is still there."""
        if not self._pending:
            return
        inside = {id(one) for one in call.module.modules()}
        for key in [one for one in self._pending if one in inside]:
            waiting = self._pending.pop(key)
            module = waiting.module()
            if module is None or not waiting.sizes:
                continue
            now = module.state_dict(keep_vars=True)
            others = [name for name, size in waiting.sizes.items() if name in now and _differs(_size(now[name]), size)]
            self.loadings[waiting.place] = msgspec.structs.replace(
                self.loadings[waiting.place], replaced=len(others) / len(waiting.sizes)
            )

    def unwatched(self, steps: int, schedules: Mapping[LRScheduler, int]) -> None:
        """Forget what may have been trained since it was loaded, and count steps of schedulers."""
        self._pending, self.last = {}, self.last and not steps
        self._updated |= self._goes_on if steps else set()
        for scheduler, number in schedules.items():
            self._look_at(scheduler, number)

    def file_read(self, content: Any) -> None:
        """Look for states of optimizers in a file."""
        self._saved, self._filled = list(_states(content)), []
        self._reached = max(_schedules(content), default=0)
        self._goes_on, self._updated, self._steps = set(), set(), {}

    def state_loaded(self, optimizer: optim.Optimizer) -> None:
        """Note that what a file holds is used."""
        self._saved = []
        self._goes_on.add(id(optimizer))

    def schedule_stepped(self, scheduler: LRScheduler) -> None:
        """Compare the place of a scheduler with that in the file."""
        self._look_at(scheduler, 1)

    def _look_at(self, scheduler: LRScheduler, steps: int) -> None:
        if self._reached < _REACHED or id(scheduler.optimizer) not in self._goes_on or self.restarted is not None:
            return
        seen = self._steps[id(scheduler)] = self._steps.get(id(scheduler), 0) + steps
        if id(scheduler.optimizer) not in self._updated:  # steps up to the place where it goes on
            return
        if 0 < scheduler.last_epoch <= seen and 2 * (scheduler.last_epoch - steps) < self._reached:
            self.restarted = Restarted(
                name=type(scheduler).__name__, step=scheduler.last_epoch, saved_step=self._reached
            )

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Compare an optimizer that is new with those of the file."""
        self._pending, self.last = {}, False
        self._updated |= {id(optimizer)} & self._goes_on
        if id(optimizer) in self._known:
            return
        self._known.add(id(optimizer))
        if not self._saved or self.resumed is not None:
            return
        filled = {id(one) for each in self._filled for one in _parameters(each())}
        tensors = [one for group in optimizer.param_groups for one in group["params"]]
        if not any(id(one) in filled for one in tensors):
            return
        rate = _first_rate(optimizer.param_groups)
        for one in self._saved:
            if one.tensors == len(tensors) and abs(rate - one.first_rate) <= _ALIKE * one.first_rate:
                self.resumed = Resumed(
                    name=type(optimizer).__name__, tensors=len(tensors), rate=rate, saved_rate=one.rate
                )


def _parts(content: Any, depth: int) -> Iterator[Mapping[Any, Any]]:
    """Yield a dictionary and those that it holds."""
    if isinstance(content, Mapping):
        yield content
        for one in content.values() if depth else ():
            yield from _parts(one, depth - 1)


def _states(content: Any) -> Iterator[_Saved]:
    """Yield the states of optimizers that made updates, in a dictionary or in one that it holds."""
    for part in _parts(content, _DEPTH):
        groups = part.get("param_groups")
        if isinstance(groups, list) and groups and part.get("state"):
            yield _Saved(
                tensors=sum(len(group["params"]) for group in groups),
                rate=max(float(group["lr"]) for group in groups),
                first_rate=_first_rate(groups),
            )


def _schedules(content: Any) -> Iterator[int]:
    """Yield the last steps of the schedulers whose states a dictionary, or one that it holds, keeps."""
    for part in _parts(content, _DEPTH):
        if isinstance(part.get("last_epoch"), int) and "_step_count" in part:
            yield part["last_epoch"]


def _size(one: Tensor) -> float:
    return float(one.detach().double().square().sum()) if one.is_floating_point() else 0.0


def _differs(one: float, other: float) -> bool:
    return abs(one - other) > _OTHER * max(abs(one), abs(other))


def _first_rate(groups: Sequence[Mapping[str, Any]]) -> float:
    """Return the highest learning rate of parameter groups before a schedule changed it."""
    return max(float(group.get("initial_lr", group["lr"])) for group in groups)


def _parameters(module: nn.Module | None) -> Iterator[nn.Parameter]:
    return iter(()) if module is None else module.parameters()


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are the same memory."""
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape and one.stride() == other.stride()
