"""How a branch ends: the losses of small parts of the held-out samples, the same for all branches, and the metric."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from hasten.base.seeds import preserved
from hasten.data.batch import Batch, size_of, split_batch, target_of, unsplittable
from hasten.training.evaluation import own_values
from hasten.training.final_weights import final_weights
from hasten.training.metrics import Quality
from hasten.training.session import Session
from hasten.tuning.rate.start import Start, score

PARTS = 512
"""Of the held-out samples, about; fewer samples are each a part of their own."""


@dataclass(frozen=True)
class Ended:
    """Summed losses and counts of each part, (parts,) float64, and the metric; lower losses are better."""

    sums: NDArray[np.float64]
    counts: NDArray[np.float64]
    metric: float

    @property
    def loss(self) -> float:
        """The mean loss; infinite where it is not finite, or no term counts."""
        mean = float(self.sums.sum() / self.counts.sum()) if self.counts.sum() else math.inf
        return mean if math.isfinite(mean) else math.inf


def ended(start: Start) -> Ended:
    """Return how good the model is as it stands; where `Task.validate` alone judges, all is one part."""
    run = start.run
    if not start.held_out:
        return Ended(np.array([score(start)]), np.ones(1), _own_metric(run))
    samples = sum(map(size_of, start.held_out))
    sums, counts = list[float](), list[float]()
    quality = run.quality if isinstance(run.quality, Quality) else None
    run.model.eval()
    with run.contexts, preserved(), torch.no_grad(), final_weights(run):
        for batch in start.held_out:
            output = run.predict(batch)
            for part, of_it in _parts(batch, output, max(1, samples // PARTS)):
                loss = run.loss(of_it, part)
                sums.append(float(loss.sum))
                counts.append(float(loss.count))
            if quality is not None and quality.compares:
                quality.add(output, target_of(batch))
    run.model.train()
    found = Ended(np.array(sums), np.array(counts), math.nan)
    metric = _own_metric(run) if quality is None else quality.value(found.loss)
    return Ended(found.sums, found.counts, metric)


def _own_metric(run: Session) -> float:
    return own_values(run)[run.quality.name]


def _parts(batch: Batch, output: Any, size: int) -> Iterator[tuple[Batch, Any]]:
    """Yield parts of a batch with their outputs; the whole where either cannot be taken apart by samples."""
    if not isinstance(output, Tensor) or unsplittable(batch) is not None or len(output) != size_of(batch):
        yield batch, output
    else:
        yield from zip(split_batch(batch, size), output.split(size), strict=True)
