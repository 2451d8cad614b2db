"""What batches, criteria and evaluations show of the data of a training."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from hasten.base.records.data_facts import DataFacts, Entry
from hasten.data.tree import tensors_within
from hasten.diagnosis.data.criteria import SeenCriterion, key_of
from hasten.diagnosis.data.values import Numbers
from hasten.diagnosis.watching.events import Call, Collector
from hasten.diagnosis.watching.loss_graph import entries, terms

PASSES = 24
"""Backward passes whose criteria are looked at."""

CRITERIA = 8
"""Criteria that are told apart."""

ENTRIES = 4
"""Backward passes whose inputs of first layers are looked at."""


class DataCollector(Collector):
    """Looks at the first batches and backward passes, and at evaluations."""

    def __init__(self) -> None:
        self._passes = 0
        self._criteria: dict[tuple[object, ...], SeenCriterion] = {}
        self._entries: dict[tuple[str, int], SeenEntry] = {}
        self._batch: Any = None
        self._output: Any = None

    def fetched(self, batch: Any, loader: Any) -> None:
        """Note the batch."""
        self._batch = batch

    def call_ended(self, call: Call, output: Any) -> None:
        """Note the output until the backward pass."""
        if call.grad and self._passes < PASSES:
            self._output = [one.detach() for one in tensors_within(output)]

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Look at the criteria behind the losses."""
        self._passes += 1
        if self._passes <= PASSES:
            for term in terms(losses):
                key = key_of(term)
                if key not in self._criteria and len(self._criteria) < CRITERIA:
                    self._criteria[key] = SeenCriterion(term)
                if key in self._criteria:
                    self._criteria[key].add(term, self._batch, self._output)
        self._output = None
        if self._passes <= ENTRIES:
            for number, entry in enumerate(entries(losses)):
                self._entries.setdefault((entry.layer, number), SeenEntry(entry.layer)).add(entry.values)

    def facts(self) -> DataFacts | None:
        """Return what was seen; None where there was no backward pass."""
        if not self._passes:
            return None
        return DataFacts(
            criteria=tuple(one.criterion() for one in self._criteria.values()),
            entries=tuple(one.entry() for one in self._entries.values()),
        )


class SeenEntry:
    """Adds up what a first layer gets."""

    def __init__(self, layer: str) -> None:
        self._layer = layer
        self._numbers = Numbers()
        self._shape: tuple[int, ...] = ()
        self._columns: list[Tensor] = []

    def add(self, values: Tensor) -> None:
        """Add the input of one pass."""
        self._shape = tuple(values.shape)
        self._numbers.add(values)
        if values.ndim == 2 and values.shape[1] <= 4096:
            self._columns.append(values[:4096].double().cpu())

    def entry(self) -> Entry:
        """Return what was seen."""
        values = self._numbers.values()
        assert values is not None, "an entry has numbers"
        largest = smallest = 0.0
        columns = 0
        if self._columns and len({one.shape[1] for one in self._columns}) == 1:
            table = torch.cat(self._columns)
            sizes = table.square().mean(0).sqrt()
            varies = table.std(0, correction=0) > 0
            columns, largest = table.shape[1], float(sizes.max())
            smallest = float(sizes[varies].min()) if varies.any() else 0.0
        return Entry(
            layer=self._layer, shape=self._shape, values=values, columns=columns, largest=largest, smallest=smallest
        )
