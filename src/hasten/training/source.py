"""Where a session's batches come from: samples by their ids, or a stream of batches; and how either resumes."""

from collections.abc import Callable, Generator, Iterable
from copy import deepcopy
from dataclasses import replace
from typing import Any, TypeAlias, cast

import torch
from torch import Tensor

from hasten.base.errors import BadInput
from hasten.base.object_state import ObjectState, Tensors
from hasten.base.seeds import derive, preserved, random_state, set_random_state
from hasten.data.batch import Batch
from hasten.data.loading.given_loader import Drawn, GivenFetch, GivenOrder
from hasten.data.loading.loaders import Fetch, Fetched, RandomFetch, of_epoch, whole
from hasten.data.loading.order import sequential
from hasten.data.loading.streams import Stream, samples_in
from hasten.training.position import Position
from hasten.training.processes import NOTHING, Processes
from hasten.training.recipe import Input

_END: Any = object()


class ByIds:
    """Samples that are read by their ids, in an order that follows from (seed, epoch) or is drawn at its begin.

    Args:
        fetch: reads batches.
        ours: how the recipe reads.
        samples: of an epoch.
        available: those that its order draws from, before the last batch is dropped.
        seed: of the run.
        processes: those that train together; `fetch` then reads batches of this process's share.
    """

    def __init__(
        self, fetch: Fetch, ours: Input, samples: int, available: int, *, seed: int, processes: Processes | None = None
    ) -> None:
        self._fetch, self._order, self._seed = fetch, ours.order, seed
        self.processes, self._batch_size = processes, ours.batch_size
        self._samples, self._available = samples, available
        self._draws = isinstance(fetch, RandomFetch)  # asked once: it costs microseconds
        self._one = list(fetch(sequential(samples))) if ours.loader is whole else None  # the batch of every epoch
        self._drawn: Drawn | None = None

    def epoch(self, position: Position, rest: Callable[[Tensor], Tensor]) -> Iterable[Fetched]:
        """Return the batches of the epoch from a position on; `rest` picks from its order what is still to be used."""
        if self._one is not None:
            return self._one
        if isinstance(self._order, GivenOrder):
            if position.offset == 0 or self._drawn is None:
                self._drawn = self._order.draw(self._drawn)
            drawn = Drawn(self._drawn.ids[: self._samples], self._drawn.seeding)
            ids = rest(drawn.ids)
            if self.processes is None and isinstance(self._fetch, GivenFetch):
                whole_epoch = len(drawn.ids) == len(ids) + position.offset
                return self._fetch.epoch(*((drawn, position.offset) if whole_epoch else (replace(drawn, ids=ids), 0)))
        else:
            ids = rest(self._order(self._available, seed=self._seed, epoch=position.epoch)[: self._samples])
        if self.processes is not None:
            return self._shares(ids, self.processes, position.epoch)
        return self._read(ids, position.epoch)

    def share(self, fetch: Fetch, processes: Processes) -> None:
        """Read this process's share from the next `epoch` on; `fetch` reads batches of its size."""
        self._fetch, self.processes = fetch, processes

    def _read(self, ids: Tensor, epoch: int) -> Iterable[Fetched]:
        if self._draws:
            return of_epoch(self._fetch, derive(self._seed, "samples", epoch))(ids)
        return self._fetch(ids)

    def _shares(self, ids: Tensor, processes: Processes, epoch: int) -> Generator[Fetched]:
        """Yield the ids of whole batches with this process's share of each."""
        batches = ids.split(self._batch_size)
        shares = [processes.own(batch, self._batch_size) for batch in batches]
        own = torch.cat(shares)
        if isinstance(self._fetch, GivenFetch):
            fetched = iter(self._fetch.epoch(replace(cast(Drawn, self._drawn), ids=own), 0))
        else:
            fetched = iter(self._read(own, epoch))
        for batch, share in zip(batches, shares, strict=True):
            yield batch, next(fetched)[1] if len(share) else NOTHING

    def state(self, position: Position) -> dict[str, Any] | None:
        """Return what the rest of the epoch depends on beside its position; persistent workers keep their seed."""
        return None if self._drawn is None else {"ids": self._drawn.ids, "seeding": self._drawn.seeding}

    def load_state(self, state: dict[str, Any] | None) -> None:
        """Continue from what `state` returned."""
        self._drawn = None if state is None else Drawn(**state)

    def close(self) -> None:
        """End the workers."""
        if isinstance(self._fetch, GivenFetch):
            self._fetch.close()


class FromStream:
    """Batches as a stream gives them; ids are running numbers in the epoch.

    It resumes by iterating the pass anew from the random state in which it began, and passing over the batches that
    were used; a source with `state_dict` and `load_state_dict` is asked instead.

    Args:
        stream: the training data.
        name: of the task, for messages.
    """

    def __init__(self, stream: Stream, name: str) -> None:
        self._stream, self._steps, self._name = stream, stream.steps, name
        self._opened = stream.opened()
        self._objects = ObjectState({"training data": (stream.source, Tensors.NONE)})
        self._begin: dict[str, Any] | None = None
        self._own: Any = None  # state of the source itself, to continue from
        self._running: Generator[Batch] | None = None

    def epoch(self, position: Position, rest: Callable[[Tensor], Tensor]) -> Generator[Fetched]:
        """Yield the batches of the epoch from a position on.

        Raises:
            BadInput: if a pass has no batch, or is shorter than it was when the checkpoint was made.
        """
        offset, done = position.offset, position.epoch_batch
        if self._running is None:
            self._running = self._pass(position.batch)
        while self._steps is None or done < self._steps:
            batch = next(self._running, _END)
            if batch is _END:
                self._running = None
                if position.batch == 0 and offset == position.offset:
                    raise BadInput(
                        f"the training data of {self._name!r} must give at least one batch in each pass; found none in "
                        f"epoch {position.epoch}. A pass must iterate anew: return a new iterator from __iter__."
                    )
                if self._steps is None:
                    return
                position.batch = 0
                self._running = self._pass(0)
                continue
            samples = samples_in(batch)
            yield torch.arange(offset, offset + samples), batch
            offset, done = offset + samples, done + 1

    def _pass(self, used: int) -> Generator[Batch]:
        """Return the batches of a pass that follow after the `used` first."""
        if not used:
            self._begin = {"random": random_state(), "objects": self._objects.state()}
            return self._opened.batches()
        if self._own is not None:
            self._stream.source.load_state_dict(self._own)  # type: ignore[union-attr]
            with preserved():
                return self._opened.begun()
        assert self._begin is not None, "a pass that was begun has its begin in the state"
        with preserved():
            self._objects.load_state(self._begin["objects"])
            set_random_state(self._begin["random"])
            batches = self._opened.batches()
            for number in range(used):
                if next(batches, _END) is _END:
                    raise BadInput(
                        f"the training data of {self._name!r} ended after {number} batches; the run has used {used} of "
                        "this pass. It cannot resume with other data."
                    )
            return batches

    def state(self, position: Position) -> dict[str, Any] | None:
        """Return what the rest of the pass depends on beside the position."""
        if not position.batch:
            return None
        if self._stream.has_state:
            return {"own": deepcopy(self._stream.source.state_dict())}  # type: ignore[union-attr]
        return {"begin": self._begin}

    def load_state(self, state: dict[str, Any] | None) -> None:
        """Continue from what `state` returned."""
        self.close()
        state = state or {}
        self._begin, self._own = deepcopy(state.get("begin")), deepcopy(state.get("own"))

    def close(self) -> None:
        """Leave the pass, and end the workers."""
        if self._running is not None:
            self._running.close()
            self._running = None
        self._opened.close()


Source: TypeAlias = ByIds | FromStream
