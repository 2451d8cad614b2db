"""Whether processes that train together hold the same parameters, told to each other without waiting.

Sums and norms are left in the store that the processes met at, and read where they are there: no process waits for
another, and one that is not watched is not missed.
"""

import json
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from typing import Any, NamedTuple

import torch
from torch import Tensor, distributed, optim

from hasten.base.records.wiring import Replicas
from hasten.diagnosis.watching.events import NEVER, Collector

LOOKED = (1, 2, 3, 5, 10, 20)
"""Updates after which parameters are compared. Processes that average now and then are equal after some of them."""
OTHERS = 8
"""Other processes that each is compared with."""
_START = 0
"""Stands for the time before the first update."""
EQUAL = 1e-9
"""Difference of sums in float64, over the norm, that another order of adding up may make."""
_number = count().__next__
"""Numbers the trainings of this process that others share, so that none is compared with one that has ended."""


class Together(NamedTuple):
    """The processes that train together."""

    rank: int
    size: int
    store: Any  # of torch.distributed


def together() -> Together | None:
    """Return the processes of the default group; None where this one trains alone."""
    if not distributed.is_available() or not distributed.is_initialized() or distributed.get_world_size() < 2:
        return None
    store = distributed.distributed_c10d._get_default_store()
    return Together(distributed.get_rank(), distributed.get_world_size(), store)


class ReplicaCollector(Collector):
    """Leaves sums of the parameters of the first optimizer in the store, and reads those of other processes.

    Args:
        find: returns the processes that train together.
    """

    def __init__(self, find: Callable[[], Together | None] = together) -> None:
        self._find = find
        self._optimizer: optim.Optimizer | None = None
        self._made = 0
        self._alone = False
        self._sharded = False
        self._size = 1
        self._key = ""  # of what is left in the store: of this optimizer
        self._own: dict[int, list[float]] = {}  # update -> a sum and a norm of each tensor, and of its gradient
        self._theirs: dict[tuple[int, int], list[float]] = {}  # (rank, update) -> theirs

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step until the last look, where several processes train."""
        return NEVER if self._alone or self._made >= LOOKED[-1] else step + 1

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Leave parameters and gradients as they are before the first update."""
        if self._optimizer is not None:
            return
        processes = self._find()
        if processes is None:
            self._alone = True
            return
        self._optimizer, self._size = optimizer, processes.size
        held = _held(optimizer)
        self._sharded = any(_is_sharded(one) for one in held)
        shapes = zlib.crc32(json.dumps([tuple(one.shape) for one in held]).encode())
        self._key = f"hasten/replicas/{_number()}/{shapes}"
        self._leave(processes, _START, [*held, *(one.grad for one in held if one.grad is not None)])

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Leave the parameters, and read those of the others."""
        if optimizer is not self._optimizer:
            return
        self._made += 1
        if self._made in LOOKED and (processes := self._find()) is not None:
            self._leave(processes, self._made, _held(optimizer))
            self._read(processes)

    def ended(self) -> None:
        """Read what was not there before."""
        if self._own and (processes := self._find()) is not None:
            self._read(processes)

    def replicas(self) -> Replicas | None:
        """Return what was compared; None where this process trains alone."""
        if self._optimizer is None:
            return None
        ranks = {rank for rank, update in self._theirs if update == _START}
        alike = [rank for rank in ranks if self._alike(rank)]
        differ = tuple(
            max(differences)
            for update in LOOKED
            if (differences := [self._differ(rank, update) for rank in alike if (rank, update) in self._theirs])
        )
        return Replicas(
            processes=self._size, compared=len(ranks), alike=len(alike), sharded=self._sharded, differ=differ
        )

    def _leave(self, processes: Together, update: int, tensors: Sequence[Tensor]) -> None:
        if self._sharded:
            return
        self._own[update] = _sums(tensors)
        with suppress(RuntimeError):  # the process that keeps the store has ended
            processes.store.set(f"{self._key}/{update}/{processes.rank}", json.dumps(self._own[update]))

    def _read(self, processes: Together) -> None:
        others = [(processes.rank + more) % processes.size for more in range(1, min(OTHERS + 1, processes.size))]
        with suppress(RuntimeError):
            for update in self._own:
                for rank in others:
                    key = f"{self._key}/{update}/{rank}"
                    if (rank, update) not in self._theirs and processes.store.check([key]):
                        self._theirs[rank, update] = json.loads(processes.store.get(key))

    def _alike(self, rank: int) -> bool:
        """Return whether a process began with the same parameters, or made its first update by the same gradients."""
        own, theirs = self._own[_START], self._theirs[rank, _START]
        if len(own) != len(theirs):
            return False
        parameters = len(self._own.get(LOOKED[0], own))
        return _apart(own[:parameters], theirs[:parameters]) <= EQUAL or (
            len(own) > parameters and _apart(own[parameters:], theirs[parameters:]) <= EQUAL
        )

    def _differ(self, rank: int, update: int) -> float:
        return _apart(self._own[update], self._theirs[rank, update])


def _held(optimizer: optim.Optimizer) -> list[Tensor]:
    return [one for group in optimizer.param_groups for one in group["params"]]


def _is_sharded(tensor: Tensor) -> bool:
    """Return whether a process holds a part only: FSDP of both kinds, and tensor parallel layers of torch."""
    return type(tensor).__name__ in ("DTensor", "FlatParameter") or hasattr(tensor, "_is_flat_param")


def _sums(tensors: Sequence[Tensor]) -> list[float]:
    """Return sum and norm of each tensor in float64. Cost: two readings of each, one wait for a device."""
    made: list[Tensor] = []
    for one in tensors:
        values = one.detach()
        made += [values.sum(dtype=torch.float64), torch.linalg.vector_norm(values, dtype=torch.float64)]
    return torch.stack([one.cpu() for one in made]).tolist() if made else []


def _apart(one: Sequence[float], other: Sequence[float]) -> float:
    """Return the largest difference of a sum or norm over the norm of the tensor; numbers that are both NaN agree."""
    largest = 0.0
    for place in range(0, len(one), 2):
        size = max(abs(one[place + 1]), abs(other[place + 1]))
        for mine, theirs in zip(one[place : place + 2], other[place : place + 2], strict=True):
            if mine == mine and theirs == theirs and mine != theirs:
                largest = max(largest, abs(mine - theirs) / size if size > 0 else 0.0)
    return largest
