"""Whether one model goes on through the folds of a cross-validation, which are all but the first trained on before."""

import weakref
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from hasten.base.records.data_facts import Fold
from hasten.diagnosis.data.samples import SeenPart

_MOST = 32  # folds that are kept
_ROWS = 64  # samples of a fold whose numbers are kept
_SAME = 0.5  # share of samples that two evaluations of one fold have in common
_NEAR = 0.25  # distance to the nearest sample of the training over that to the next one: the same, scaled anew
_COLUMNS = 4
_WEIGHTS = 512  # numbers of each parameter that are compared
_GOES_ON = 0.5  # cosine of weights that were trained on, above that of new ones


@dataclass
class _Seen:
    """A fold, and how far it was known when it was evaluated first."""

    step: int
    prints: set[int]
    rows: list[Tensor]
    known: int = 0

    def is_of(self, prints: set[int]) -> bool:
        return len(self.prints & prints) > _SAME * min(len(self.prints), len(prints))


class SeenFolds:
    """Tells the sets apart that a model is evaluated on one after the other."""

    def __init__(self) -> None:
        self._model: weakref.ref[nn.Module] | None = None
        self._weights = torch.zeros(0)  # at the last evaluation
        self._all: list[_Seen] = []
        self._first: Tensor | None = None  # samples that were trained on before the first fold, where they are tables
        self._open: _Seen | None = None  # the evaluation under way
        self._broken = False  # a set came again after others, or the model began anew

    def evaluated(
        self, model: nn.Module, inputs: Sequence[Tensor], prints: Sequence[int], step: int, training: SeenPart
    ) -> None:
        """Add a batch of an evaluation.

        Args:
            model: that is evaluated.
            inputs: of the batch.
            prints: fingerprints of its samples.
            step: updates before it.
            training: what was trained on before.
        """
        if self._broken or not prints:
            return
        if self._first is None:
            self._first = training.pairs.rows()
        if self._model is None or self._model() is not model:
            self._broken = self._model is not None
            self._model = weakref.ref(model)
        if self._open is None or self._open.step != step:
            self._close()
            self._open = _Seen(step, set(), [])
        new = [place for place, one in enumerate(prints) if one not in self._open.prints]
        self._open.prints.update(prints)
        self._open.known += sum(prints[place] in training.prints for place in new)
        first = inputs[0]
        widths = {one.shape[1] for one in self._open.rows} or {None if self._first is None else self._first.shape[1]}
        table = first.is_floating_point() and first.ndim == 2 and first.shape[1] in widths
        if table and sum(map(len, self._open.rows)) < _ROWS:
            self._open.rows.append(
                first[:_ROWS].detach().to("cpu", torch.float64, copy=True)
            )  # what is kept seems to live

    def loaded(self, model: nn.Module) -> None:
        """Take note that a model loads weights, as those of its start for each fold."""
        known = None if self._model is None else self._model()
        self._broken = self._broken or (known is not None and any(one is known for one in model.modules()))

    def _close(self) -> None:
        """Take the evaluation that is over for a fold, or for one more of the last fold."""
        one, self._open = self._open, None
        model = None if self._model is None else self._model()
        if one is None or model is None:
            return
        now = _some_weights(model)
        if self._all and self._all[-1].is_of(one.prints):
            self._weights = now
            return
        again = any(other.prints & one.prints for other in self._all)
        if again or len(self._all) == _MOST or (self._all and not _goes_on(self._weights, now)):
            self._broken = True
            return
        self._all.append(one)
        self._weights = now

    def folds(self) -> tuple[Fold, ...]:
        """Return the folds; none where a set came again, or the model began anew."""
        self._close()
        if self._broken:
            return ()
        return tuple(
            Fold(
                step=one.step,
                samples=len(one.prints),
                known=one.known / len(one.prints),
                near=_near(torch.cat(one.rows), self._first) if one.rows and self._first is not None else 0.0,
            )
            for one in self._all
        )


def _some_weights(model: nn.Module) -> Tensor:
    """Return some numbers of each trained matrix: biases may be zero at the start."""
    real = (one for one in model.parameters() if one.is_floating_point() and one.ndim > 1)
    parts = [one.detach().reshape(-1)[:_WEIGHTS].float().cpu() for one in real]
    return torch.cat(parts) if parts else torch.zeros(0)


def _goes_on(one: Tensor, other: Tensor) -> bool:
    return len(one) == len(other) > 0 and float(torch.cosine_similarity(one, other, dim=0)) > _GOES_ON


def _near(rows: Tensor, training: Tensor) -> float:
    """Return the share of samples of which one of the training is a copy, but for the scale of its columns.

    The nearest sample is far nearer than the next one, which chance gives with probability `_NEAR` to the power of the
    columns.
    """
    if rows.shape[1] != training.shape[1] or rows.shape[1] < _COLUMNS or len(training) < 2:
        return 0.0
    nearest = torch.cdist(rows, training.double()).topk(2, largest=False).values
    return float((nearest[:, 0] <= _NEAR * nearest[:, 1]).double().mean())
