"""Whether reading samples changes those that a data set keeps, so that changes add up from pass to pass."""

from collections.abc import Iterator
from contextlib import suppress
from typing import Any
from weakref import ref

import numpy as np
import torch
from torch import Tensor

from hasten.diagnosis.data.samples import fingerprints, inputs_in
from hasten.diagnosis.watching.source import attributes

_ROWS, _NUMBERS = 256, 400_000
"""Most samples that are kept in mind, and numbers of them."""
_FEWEST = 16  # samples of what is taken for the data
_WITHIN = 3  # data sets around others, as subsets
_BACK = -0.2  # mean cosine of a change with the one before, below which it takes that one back: of new draws it is -0.5


class SeenStored:
    """Compares samples that the first data set keeps with what they were at the batch before."""

    def __init__(self) -> None:
        self._dataset: ref[Any] | None = None
        self._name = ""  # of its attribute
        self._rows: list[int] = []
        self._states: list[list[Tensor]] = []  # of each row: as found first, and after it was changed once
        self._newest = torch.zeros(0, 0)
        self._missed = False
        self._read = self._others = 0
        self._cosines: list[float] = []  # of the first two changes of a sample

    def missed(self) -> None:
        """Take note that batches were read that were not told."""
        self._missed = True

    def fetched(self, dataset: Any, batch: Any) -> None:
        """Compare after a batch of a data set was read."""
        if dataset is None or self._others:
            return
        if self._dataset is None:
            self._begin(dataset, batch)
        elif self._rows and self._dataset() is dataset:
            self._compare(dataset, batch)
            self._missed = False

    def changed(self) -> int:
        """Return how many samples changed twice as they were read, to what the batch had; 0 if that does not add up."""
        back = not self._cosines or sum(self._cosines) / len(self._cosines) < _BACK
        return 0 if back or self._others or not self._read else len(self._cosines)

    def _begin(self, dataset: Any, batch: Any) -> None:
        with suppress(TypeError):  # what cannot be referred to weakly
            self._dataset = ref(dataset)
        sizes = {one[0].numel() for one in inputs_in(batch) if len(one)}
        for name, kept in _kept(dataset):
            size = _flat(kept[0]).numel()
            count = min(_ROWS, len(kept), _NUMBERS // max(1, size)) if size in sizes else 0
            rows = torch.linspace(0, len(kept) - 1, count).long().unique().tolist()
            if rows:
                self._name, self._rows, self._newest = name, rows, _read(kept, rows)
                self._states = [[row] for row in self._newest]
                return

    def _compare(self, dataset: Any, batch: Any) -> None:
        kept = next((kept for name, kept in _kept(dataset) if name == self._name), None)
        if kept is None or len(kept) <= self._rows[-1]:
            self._rows = []
            return
        now = _read(kept, self._rows)
        if now.shape != self._newest.shape:
            self._rows = []
            return
        changed = (now != self._newest).any(1).nonzero()[:, 0].tolist()
        self._newest = now
        if not changed:
            return
        inputs = [one for one in inputs_in(batch) if len(one) and one[0].numel() == now.shape[1]]
        given = {mark for one in inputs for mark in fingerprints([one])}
        marks = fingerprints([now[changed]])
        read = sum(one in given for one in marks)
        self._read += read
        if not self._missed:
            self._others += len(changed) - read
        for row in changed:
            self._note(self._states[row], now[row])

    def _note(self, states: list[Tensor], now: Tensor) -> None:
        if len(states) < 2:
            states.append(now)
        elif len(states) == 2:
            first, second = states[1] - states[0], now - states[1]
            states.append(now)
            self._cosines.append(float(torch.cosine_similarity(first, second, 0)))


def _kept(dataset: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a data set keeps that may be its samples: arrays or lists of them, of real numbers, by name."""
    for _ in range(_WITHIN):
        own = attributes(dataset)
        for name, one in own.items():
            if (_is_array(one) and one.ndim > 1 and len(one) >= _FEWEST) or _is_list_of_arrays(one):
                yield name, one
        if "dataset" not in own:
            return
        dataset = own["dataset"]


def _is_list_of_arrays(one: Any) -> bool:
    if type(one) not in (list, tuple) or len(one) < _FEWEST:
        return False
    return all(_is_array(each) and each.shape == one[0].shape for each in one)


def _is_array(one: Any) -> bool:
    if type(one) is np.ndarray:
        return one.dtype.kind == "f" and one.dtype.itemsize in (4, 8)
    return type(one) is Tensor and one.is_floating_point() and one.layout is torch.strided


def _flat(one: Any) -> Tensor:
    return torch.as_tensor(one if isinstance(one, Tensor) else np.array(one)).detach().reshape(-1)


def _read(kept: Any, rows: list[int]) -> Tensor:
    """Return a copy of rows as (row, numbers)."""
    if isinstance(kept, list | tuple):
        return torch.stack([_flat(kept[row]).float() for row in rows]).cpu()
    return torch.as_tensor(kept[rows]).detach().flatten(1).float().cpu().clone()
