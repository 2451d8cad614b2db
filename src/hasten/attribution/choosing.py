"""Which validation samples are explained: those that tell most about the model, and some others."""

from collections.abc import Iterable
from dataclasses import dataclass, field

import torch
from torch import Tensor

from hasten.attribution.outputs import Outputs, Reader
from hasten.base.records.attribution import Group
from hasten.data.batch import Batch, select


@dataclass(frozen=True)
class Chosen:
    """A sample with what the model says of it.

    Attributes:
        index: in the order of the validation data.
        batch: of this sample alone.
        label: the score to explain, a place in `scores`.
        target, predicted: as numbers; classes for a classifier.
        confidence: probability of the predicted class; None for a number.
    """

    index: int
    group: Group
    batch: Batch
    label: int
    target: float
    predicted: float
    confidence: float | None


@dataclass
class Choice:
    """The samples with the highest key in each group, from batches that are shown one after the other.

    Args:
        reader: of the outputs.
        each: samples of each group.
        seed: of those that are chosen at random.
    """

    reader: Reader
    each: int
    seed: int
    looked_at: int = 0
    _found: dict[Group, list[tuple[float, Chosen]]] = field(default_factory=dict[Group, list[tuple[float, Chosen]]])

    def __post_init__(self) -> None:
        self._draws = torch.Generator().manual_seed(self.seed)

    def see(self, outputs: Outputs, batch: Batch) -> None:
        """Look at one more batch."""
        probabilities = self.reader.probabilities(outputs)
        chance = torch.rand(len(outputs.targets), generator=self._draws)
        if probabilities is None:
            predicted = outputs.scores[:, 0]
            error, confidence = (predicted - outputs.targets).abs(), None
            keys = {Group.ERROR: error.cpu(), Group.ANY: chance}
        else:
            confidence, predicted = probabilities.max(1)
            wrong = (predicted != outputs.targets).cpu()
            sure = confidence.cpu().float()
            keys = {
                Group.WRONG: sure.where(wrong, -torch.inf),
                Group.UNCERTAIN: -sure,
                Group.RIGHT: chance.where(~wrong, -torch.inf),
            }
        for group, key in keys.items():
            best = key.topk(min(self.each, len(key)))
            for value, row in zip(best.values.tolist(), best.indices.tolist(), strict=True):
                if value > -torch.inf:
                    sure_of = None if confidence is None else float(confidence[row])
                    self._add(group, value, row, batch, outputs, predicted, sure_of)
        self.looked_at += len(outputs.targets)

    def chosen(self) -> Iterable[Chosen]:
        """Return the samples, group by group; one that is in several is in the first of them."""
        seen = set[int]()
        for found in self._found.values():
            for _, one in found:
                if one.index not in seen:
                    seen.add(one.index)
                    yield one

    def _add(
        self,
        group: Group,
        key: float,
        row: int,
        batch: Batch,
        outputs: Outputs,
        predicted: Tensor,
        confidence: float | None,
    ) -> None:
        kept = self._found.setdefault(group, [])
        if len(kept) == self.each and key <= kept[-1][0]:
            return
        label = int(predicted[row]) if outputs.scores.shape[1] > 1 else 0
        one = Chosen(
            self.looked_at + row,
            group,
            select(batch, torch.tensor([row])),
            label,
            float(outputs.targets[row]),
            float(predicted[row]),
            confidence,
        )
        kept.append((key, one))
        kept.sort(key=lambda pair: -pair[0])
        del kept[self.each :]
