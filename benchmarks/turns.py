"""Whole trainings side by side, a block of steps each in turn, so that a disturbance meets all of them.

Blocks of some ten milliseconds are finer than the bursts of a busy machine, where trainings run one after another can
differ by a tenth for no reason of theirs.
"""

import ctypes
import gc
import math
import os
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from threading import Semaphore, Thread, local
from time import perf_counter
from typing import Generic, TypeAlias, TypeVar

from hasten.base.seeds import random_state, set_random_state

Result = TypeVar("Result")
_M_ARENA_MAX = -8  # of glibc's mallopt
Pause: TypeAlias = Callable[[], None]
"""Ends a block and returns when it is this side's turn again."""
_HERE = local()


@dataclass
class Side(Generic[Result]):
    """A training in a thread of its own, of which only one runs at a time; each has its own random numbers."""

    train: Callable[[Pause], Result]
    blocks_s: list[float] = field(default_factory=list[float])
    ended: Result | None = None
    error: BaseException | None = None

    def __post_init__(self) -> None:
        self._mine, self._done = Semaphore(0), Semaphore(0)
        self._began_s, self.paused_s = 0.0, 0.0
        self._random = random_state()
        self._thread = Thread(target=self._run, daemon=True)
        self._thread.start()

    @property
    def result(self) -> Result:
        """What the training returned."""
        if self.error is not None:
            raise self.error
        assert self.ended is not None, "it has not ended"
        return self.ended

    def turn(self) -> bool:
        """Let it run to the end of its block; return whether it goes on."""
        self._mine.release()
        self._done.acquire()
        return self.ended is None and self.error is None

    def _run(self) -> None:
        _HERE.side = self
        self._begin()
        try:
            self.ended = self.train(self._pause)
        except BaseException as error:  # noqa: BLE001  (raised again by `result`)
            self.error = error
        self._done.release()

    def _begin(self) -> None:
        self._mine.acquire()
        set_random_state(self._random)
        self._began_s = perf_counter()

    def _pause(self) -> None:
        ended_s = perf_counter()
        self.blocks_s.append(ended_s - self._began_s)
        self._random = random_state()
        self._done.release()
        self._begin()
        self.paused_s += self._began_s - ended_s


def own_clock() -> float:
    """Return seconds that stand still while other sides have their turn, for what a training does by the clock."""
    return perf_counter() - _HERE.side.paused_s


def in_turn(trainings: Mapping[str, Callable[[Pause], Result]]) -> dict[str, Side[Result]]:
    """Run trainings in turn, in random order, until all have ended; return them with the seconds of their blocks.

    What comes after the last block of a training is not in them. Full garbage collections, which walk the objects of
    all sides and fall on one of them by chance, are put off. All share one core and one heap: with a core and a heap of
    its own, each of three equal trainings took a time of its own, up to 1.1 of another's.
    """
    _alike()
    sides = {name: Side(train) for name, train in trainings.items()}
    running, shuffle = list(sides.values()), random.Random(0)
    gc.collect()
    gc.freeze()
    try:
        while running:
            shuffle.shuffle(running)
            running = [side for side in running if side.turn()]
    finally:
        gc.unfreeze()
    return sides


def _alike() -> None:
    """Keep all threads of this process on one core, and their memory in one heap."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
        ctypes.CDLL(None).mallopt(_M_ARENA_MAX, 1)


def log_ratios(blocks_s: Sequence[float], others_s: Sequence[float], *, warm_up: int) -> list[float]:
    """Return log(one / other) of the blocks that ran in the same turn, without the first ones."""
    pairs = zip(blocks_s[warm_up:], others_s[warm_up:], strict=True)
    return [math.log(one / other) for one, other in pairs]
