"""Whether the classes that a model says in an evaluation are those of the labels."""

from collections.abc import Sequence

import torch
from torch import Tensor

from hasten.base.records.data_facts import Agreement

_CLASSES = 200


class SeenAgreement:
    """Counts labels against predicted classes in the last evaluation of a data set."""

    def __init__(self) -> None:
        self._step = -1
        self._counts: Tensor | None = None  # of (label, said)

    def add(self, output: Sequence[Tensor], labels: Tensor, *, step: int, threshold: float | None = None) -> None:
        """Add a batch of an evaluation.

        Args:
            output: of the model; the first tensor with a row per sample counts, with a column per class or one alone.
            labels: (batch,) int64.
            step: of the training; an evaluation after more steps replaces the one before.
            threshold: of a single output, from which on it says class 1; None where it says no class.
        """
        scores = next((one.detach() for one in output if one.ndim and len(one) == len(labels)), None)
        if scores is None or not labels.numel():
            return
        if threshold is not None and scores.numel() == len(labels):
            says = (scores.reshape(-1, 1) > threshold).float()
            scores = torch.cat([1 - says, says], 1)
        if scores.ndim != 2 or not 1 < scores.shape[1] <= _CLASSES:
            return
        classes = scores.shape[1]
        if int(labels.min()) < 0 or int(labels.max()) >= classes:
            return
        said = scores.detach().argmax(1).cpu()
        counts = torch.bincount(labels * classes + said, minlength=classes * classes).view(classes, classes)
        if self._counts is not None and self._step == step and self._counts.shape == counts.shape:
            counts = counts + self._counts
        self._step, self._counts = step, counts

    @property
    def seen(self) -> bool:
        """Whether labels and outputs were seen together."""
        return self._counts is not None

    def agreement(self) -> Agreement | None:
        """Return what was counted; None where labels and outputs were not seen together."""
        return None if self._counts is None else _agreement(self._counts)


def _agreement(counts: Tensor) -> Agreement:
    from scipy.optimize import linear_sum_assignment  # a second of import that a start need not pay

    total = int(counts.sum())
    rows, columns = linear_sum_assignment(-counts.numpy())
    labels = counts.sum(1)
    return Agreement(
        samples=total,
        accuracy=float(counts.diagonal().sum()) / total,
        renamed=float(counts.numpy()[rows, columns].sum()) / total,
        counts=tuple(labels.tolist()),
        said=tuple(counts.sum(0).tolist()),
        recalls=tuple((counts.diagonal() / labels.clamp_min(1)).tolist()),
    )
