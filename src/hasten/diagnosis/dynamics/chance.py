"""The loss of the best constant output, from the targets that the criterion got."""

from dataclasses import replace

import torch
from torch import Tensor

from hasten.base.records.dynamics import Criterion
from hasten.diagnosis.dynamics.graph_reading import CriterionNode

_MOST = 1 << 16  # numbers of a batch of targets


class Chance:
    """Gathers targets over the samples. The constant may differ between the places of one target, as pixels do."""

    def __init__(self) -> None:
        self._first: CriterionNode | None = None
        self._sums: Tensor | None = None  # counts of classes, or sums of targets
        self._squares: Tensor | None = None
        self._rows = 0
        self._last = self._newest = 0  # steps in which the criterion, and any loss, was read last

    def add(self, node: CriterionNode | None, step: int) -> None:
        """Take the targets of a batch; of another criterion than the first one, none."""
        self._newest = step
        if node is None:
            return
        if self._first is None:
            self._first = replace(node, inputs=None, targets=None)
        if node.name != self._first.name:
            return
        self._last = step
        if node.targets is None or not node.targets.numel():
            return
        if node.name.startswith("NllLoss"):
            self._add_classes(node)
        elif node.targets.dim() >= 1 and node.targets.is_floating_point():
            self._add_values(node.targets)

    def _add_classes(self, node: CriterionNode) -> None:
        if node.inputs is None or node.targets is None:
            return
        classes = node.inputs.shape[1] if node.inputs.dim() > 1 else node.inputs.shape[0]
        known = node.targets.reshape(-1)[:_MOST]
        known = known[(known >= 0) & (known < classes)]
        counts = torch.bincount(known, minlength=classes).double().cpu()
        if self._sums is not None and self._sums.shape != counts.shape:  # the model has another head by now
            return
        self._sums = counts if self._sums is None else self._sums + counts
        self._rows += known.numel()

    def _add_values(self, targets: Tensor) -> None:
        rows = targets.flatten(1) if targets.dim() > 1 else targets[:, None]
        rows = rows[: max(1, _MOST // max(1, rows.shape[1]))].double().cpu()
        sums, squares = rows.sum(0), rows.square().sum(0)
        if self._sums is None or self._squares is None:
            self._sums, self._squares = sums, squares
        elif self._sums.shape == sums.shape:
            self._sums, self._squares = self._sums + sums, self._squares + squares
        else:
            return
        self._rows += rows.shape[0]

    def criterion(self) -> Criterion | None:
        """Return the criterion; None where none was seen."""
        if self._first is None:
            return None
        return Criterion(
            name=self._first.name,
            reduction=self._first.reduction,
            chance=self._chance(),
            rows=self._rows,
            replaced=self._last < self._newest,
        )

    def _chance(self) -> float | None:
        first = self._first
        if first is None or self._sums is None or self._rows < 2 or first.reduction != "mean":
            return None
        if first.of_elements or first.joined:
            return None
        mean, weight = self._sums / self._rows, first.weight
        if first.name.startswith("NllLoss"):
            shares = mean if weight is None else mean * weight.double().cpu()
            return float(torch.special.entr(shares / shares.sum()).sum())
        if first.name.startswith("BinaryCross"):
            positive = mean if weight is None else mean * weight.double().cpu()
            both = positive + 1 - mean
            lowest = both * (torch.special.entr(positive / both) + torch.special.entr((1 - mean) / both))
            return float(lowest.mean()) if _shares(mean) else None
        if first.name == "MseLossBackward0" and self._squares is not None:
            return float((self._squares / self._rows - mean.square()).mean())
        return None


def _shares(mean: Tensor) -> bool:
    return bool(((mean >= 0) & (mean <= 1)).all())
