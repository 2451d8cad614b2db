"""What the first trained layers get from the data."""

import torch
from torch import Tensor

from hasten.base.records.data_facts import Entry
from hasten.diagnosis.data.values import Numbers


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
            self._columns.append(values[:4096].double().cpu().nan_to_num(0.0, 0.0, 0.0))

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
