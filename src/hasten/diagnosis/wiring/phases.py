"""What the updates of each optimizer get: a training may have several phases, each with an optimizer of its own."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import permutations
from weakref import ref

from torch import Tensor, nn, optim

from hasten.diagnosis.wiring.live import held

ENOUGH = 10
"""Updates of an optimizer that are looked at, below which nothing is said of what they get."""
_PHASES = 8


@dataclass
class _Phase:
    """The updates of one optimizer that were looked at."""

    weak: "ref[optim.Optimizer]"
    first: int  # updates of all optimizers before the first of them
    last: int  # and before the last
    looked: int = 0
    held: dict[int, Tensor] = field(default_factory=dict[int, Tensor])
    fed: set[int] = field(default_factory=set[int])  # tensors that had a gradient, or a loss reached, after the first
    frozen: set[int] = field(default_factory=set[int])  # tensors that needed no gradient in one of them
    called: set[int] = field(default_factory=set[int])  # modules called since the first of them

    def holds(self) -> Iterator[int]:
        """Yield the tensors that it holds now, or held when it was looked at last."""
        optimizer = self.weak()
        yield from self.held if optimizer is None else (id(one) for one in held(optimizer))


class Phases:
    """Tells which parameters are cut off, and which are unfrozen without an optimizer, in a later phase."""

    def __init__(self) -> None:
        self._phases: list[_Phase] = []
        self._frozen: dict[int, int] = {}  # parameter -> updates before it was first seen frozen

    def is_new(self, optimizer: optim.Optimizer) -> bool:
        """Return whether no update of an optimizer was looked at; one that is gone may have had its address."""
        return all(one.weak() is not optimizer for one in self._phases)

    def called(self, module: nn.Module) -> None:
        """Note a call of a module by another one."""
        for one in self._now():
            one.called.add(id(module))

    def reached(self, leaves: Sequence[Tensor]) -> None:
        """Note what a loss depends on; its gradient may be dropped on purpose for a while."""
        for one in self._now():
            one.fed |= {id(each) for each in leaves}

    def update_begins(self, optimizer: optim.Optimizer, updates: int, models: Sequence[nn.Module]) -> None:
        """Look at what an update gets.

        Args:
            optimizer: that makes it.
            updates: of all optimizers before it.
            models: that were called with gradients.
        """
        for model in models:
            for one in model.parameters():
                if not one.requires_grad:
                    self._frozen.setdefault(id(one), updates)
        found = next((one for one in self._phases if one.weak() is optimizer), None)
        if found is None:
            if len(self._phases) >= _PHASES:
                return
            self._phases.append(found := _Phase(ref(optimizer), updates, updates))
        found.last = updates
        found.held = {id(one): one for one in held(optimizer)}
        found.frozen |= {key for key, one in found.held.items() if not one.requires_grad}
        if found.looked:
            found.fed |= {key for key, one in found.held.items() if one.grad is not None}
        found.looked += 1

    def _now(self) -> list[_Phase]:
        """Return the phases under way: those that made an update after the newest one began."""
        return [one for one in self._phases if one.last >= self._phases[-1].first]

    def cut(self, models: Sequence[nn.Module]) -> set[int]:
        """Return the parameters that got no gradient after the first update of the newest optimizer that holds them.

        Only those whose module was called after that update, and that always needed a gradient when it made one.
        """
        owners = {
            id(one): id(module) for model in models for module in model.modules() for one in module.parameters(False)
        }
        newest = {key: phase for phase in self._phases if phase.looked >= ENOUGH for key in phase.held}
        return {
            key
            for key, phase in newest.items()
            if key not in phase.fed and key not in phase.frozen and owners.get(key) in phase.called
        }

    def elsewhere(self, reached: set[int]) -> set[int]:
        """Return the parameters whose likes a training before or after theirs reached: an option turns their part off.

        Alike are the tensors at the same place of two optimizers that hold others of the same shapes.
        """
        return {
            key
            for one, other in permutations(self._phases, 2)
            if (one.last < other.first or other.last < one.first) and _are_alike(one.held, other.held)
            for key, its in zip(one.held, other.held, strict=True)
            if its in reached
        }

    def unheld(self, models: Sequence[nn.Module]) -> set[int]:
        """Return the parameters that were frozen and have gradients, whose optimizers made no update since then."""
        lasting = [(one.last, set(one.holds())) for one in self._phases]
        return {
            id(one)
            for model in models
            for one in model.parameters()
            if one.requires_grad
            and one.grad is not None
            and id(one) in self._frozen
            and not any(last >= self._frozen[id(one)] and id(one) in tensors for last, tensors in lasting)
        }


def _are_alike(one: Mapping[int, Tensor], other: Mapping[int, Tensor]) -> bool:
    mine, its = ([each.shape for each in tensors.values()] for tensors in (one, other))
    return mine == its and not one.keys() & other.keys()
