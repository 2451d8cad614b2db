"""How well a model predicts samples that it was not trained on yet: the first pass over the data, or an evaluation."""

import math

import torch
from torch import Tensor

from hasten.base.records.data_facts import Learned

_MOST = 20_000


class SeenLearned:
    """Keeps outputs and targets of samples in the order in which they came."""

    def __init__(self, *, later_half: bool = False) -> None:
        self._later_half = later_half
        self._said: list[Tensor] = []
        self._wanted: list[Tensor] = []
        self._kept = 0

    def add(self, output: Tensor, target: Tensor, *, dim: int = 1, classes: bool) -> None:
        """Add outputs and what they are compared with; other sizes than one for one are left out."""
        if self._kept >= _MOST:
            return
        if classes:
            said = output.detach().argmax(min(dim, output.ndim - 1)).reshape(-1).cpu()
        else:
            said = output.detach().reshape(-1).cpu().double()
        wanted = target.detach().reshape(-1).cpu()
        if said.numel() != wanted.numel():
            return
        self._said.append(said)
        self._wanted.append(wanted.long() if classes else wanted.double())
        self._kept += said.numel()

    def learned(self) -> Learned | None:
        """Return how well they agree; None where there are too few, or the targets do not change."""
        if not self._said or len({one.dtype for one in self._said}) > 1:
            return None
        said, wanted = torch.cat(self._said), torch.cat(self._wanted)
        if self._later_half:
            said, wanted = said[len(said) // 2 :], wanted[len(wanted) // 2 :]
        if said.dtype is torch.int64:
            kept = wanted >= 0
            said, wanted = said[kept], wanted[kept]
            if len(said) < 32:
                return None
            top = float(wanted.unique(return_counts=True)[1].max()) / len(wanted)
            return Learned(samples=len(said), score=float((said == wanted).double().mean()), chance=top, classes=True)
        finite = torch.isfinite(said) & torch.isfinite(wanted)
        said, wanted = said[finite], wanted[finite]
        if len(said) < 32 or not float(wanted.std()):
            return None
        if not float(said.std()):
            return Learned(samples=len(said), score=0.0, chance=0.0, classes=False)
        correlation = float(torch.corrcoef(torch.stack([said, wanted]))[0, 1])
        score = max(0.0, correlation) ** 2 if math.isfinite(correlation) else 0.0
        return Learned(samples=len(said), score=score, chance=0.0, classes=False)
