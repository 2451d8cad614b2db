"""What `load_state_dict` found to load, and what a file holds that is not loaded."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from weakref import ref

from torch import Tensor, nn, optim

from hasten.base.records.wiring import Loading, Resumed
from hasten.diagnosis.watching.events import NEVER, Collector

_MOST = 32
_DEPTH = 2  # of dictionaries in which the state of an optimizer is looked for
_ALIKE = 0.01  # relative difference of learning rates


@dataclass(frozen=True)
class _Saved:
    """The state of an optimizer in a file."""

    tensors: int
    rate: float  # highest of the groups
    first_rate: float  # and before a schedule changed it


class LoadedCollector(Collector):
    """Compares each state dict with the module that it is for, and new optimizers with those of files."""

    def __init__(self) -> None:
        self.loadings: list[Loading] = []
        self.resumed: Resumed | None = None
        self._saved: list[_Saved] = []  # of the file that was read last, while no optimizer loaded one
        self._filled: list[ref[nn.Module]] = []  # modules that loaded weights since that file was read
        self._known: set[int] = set()  # optimizers that made an update

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: loading is told in all steps."""
        return NEVER

    def loaded(self, module: nn.Module, state: Mapping[str, Any]) -> None:
        """Note how much of the state the module has, and whether it is the module's own."""
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

    def file_read(self, content: Any) -> None:
        """Look for states of optimizers in a file."""
        self._saved, self._filled = list(_states(content, _DEPTH)), []

    def state_loaded(self, optimizer: optim.Optimizer) -> None:
        """Note that what a file holds is used."""
        self._saved = []

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Compare an optimizer that is new with those of the file."""
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


def _states(content: Any, depth: int) -> Iterator[_Saved]:
    """Yield the states of optimizers that made updates, in a dictionary or in one that it holds."""
    if not isinstance(content, Mapping):
        return
    groups = content.get("param_groups")
    if isinstance(groups, list) and groups and content.get("state"):
        yield _Saved(
            tensors=sum(len(group["params"]) for group in groups),
            rate=max(float(group["lr"]) for group in groups),
            first_rate=_first_rate(groups),
        )
    elif depth:
        for one in content.values():
            yield from _states(one, depth - 1)


def _first_rate(groups: Sequence[Mapping[str, Any]]) -> float:
    """Return the highest learning rate of parameter groups before a schedule changed it."""
    return max(float(group.get("initial_lr", group["lr"])) for group in groups)


def _parameters(module: nn.Module | None) -> Iterator[nn.Parameter]:
    return iter(()) if module is None else module.parameters()


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are the same memory."""
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape and one.stride() == other.stride()
