"""What the first backward passes show of the criteria: what feeds them, and which targets they compare with."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from hasten.base.records.data_facts import Criterion
from hasten.data.batch import has_target, target_of
from hasten.diagnosis.data.self_pairs import positive_is_self, views_identical
from hasten.diagnosis.data.values import Numbers
from hasten.diagnosis.watching.loss_graph import Term
from hasten.measurement.tensors import tensors_in

OVER_CLASSES = ("nll", "cross_entropy")
"""Criteria whose targets are class numbers."""

LOGARITHMIC = ("nll", "cross_entropy", "ctc", "kl_div")
"""Criteria that take log-probabilities."""

CLASSES = 1000
"""Classes whose labels are counted one by one."""

RANGES = {
    "sigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "relu": (0.0, float("inf")),
    "softplus": (0.0, float("inf")),
    "exp": (0.0, float("inf")),
    "log_softmax": (-float("inf"), 0.0),
    "log_sigmoid": (-float("inf"), 0.0),
}
"""What made an output -> the range that it can be in."""

_MARGIN = 0.05

MASS_TOLERANCE = 0.1
"""How far the probabilities of a row may be from a sum of 1."""

SAME = 0.95
"""Share of the targets of a token model that are its inputs, from which on they are the same."""

_MOST_MASS = 1e9  # so that sums of outputs that grow without bounds stay numbers

COUNTED = 100
"""Whole numbers from 0 on that are counted one by one."""


class SeenCriterion:
    """Adds up what passes through one criterion."""

    def __init__(self, term: Term) -> None:
        self.kind = term.kind
        self._first = term
        self._passes = 0
        self._blanks = 0.0
        self._output, self._target, self._first_output = Numbers(), Numbers(), Numbers()
        self._mass = torch.zeros(3, dtype=torch.float64)  # sum over rows, rows whose sum is not 1, rows
        self._outside = torch.zeros(2)
        self._alone = True  # the loss is this criterion
        self._alike = True  # all columns of the targets hold the same
        self._rows = self._one_hot = self._several = self._inverted = 0
        self._labels: Tensor | None = None
        self._copies: dict[int, float] = {}
        self._transposed: list[float] = []
        self._padding: list[float] = []
        self._compared = 0
        self._causal: bool | None = None
        self._label_range: tuple[int, int] | None = None
        self._matched: list[bool] = []
        self._counts: Tensor | None = torch.zeros(COUNTED, dtype=torch.int64)
        self._right = self._judged = 0
        self._shares: list[bool] = []  # of each pass: whether the model gave shares of 1
        self._selves: list[bool] = []  # whether the right class of each sample is the sample itself
        self._itself: list[bool] = []  # whether the targets are what the model was given
        self._twins: list[bool] = []  # or another one that is the same

    def add(self, term: Term, batches: Sequence[Any], loss: float | None = None, given: Sequence[Tensor] = ()) -> None:
        """Add a pass.

        Args:
            term: as the graph shows it, completed.
            batches: what loaders gave last; none where there was no loader.
            loss: of the pass; None where it is no single number.
            given: what the model gave.
        """
        self._passes += 1
        self._blanks += term.blanks
        self._alone = self._alone and _is_alone(term, loss)
        self._shares.append(gives_shares(term, given))
        if term.output is not None:
            self._output.add(term.output)
            if self._passes == 1:
                self._first_output.add(term.output)
            if term.kind in LOGARITHMIC:
                mass = thinned_rows(term.output, term.dim).double().exp().sum(1).clamp(max=_MOST_MASS)
                mass = mass[torch.isfinite(mass)]
                off = (mass - 1).abs() > MASS_TOLERANCE
                self._mass += torch.stack([mass.sum(), off.sum().double(), torch.tensor(float(len(mass)))])
        target = term.target
        if target is None:
            return
        given = [one for batch in batches for one in _targets(batch)]
        if given:
            self._matched.append(any(comes_from(target, one) for one in given))
        if term.kind in OVER_CLASSES:
            self.add_labels(term)
            if term.output is not None:
                self._selves.append(positive_is_self(term.output, target))
                self._twins.append(views_identical(term.output, target))
        else:
            self._add_numbers(term, target)

    def add_labels(self, term: Term) -> None:
        """Count the labels of a pass, and how many of them the model said."""
        target = term.target
        assert target is not None, "asked only where there is one"
        kept = target.reshape(-1)
        counts = torch.ones_like(kept, dtype=torch.bool) if term.ignored is None else kept != term.ignored
        kept = kept[counts].cpu()
        if not kept.numel():
            return
        low, high = int(kept.min()), int(kept.max())
        self._label_range = (
            (low, high)
            if self._label_range is None
            else (min(low, self._label_range[0]), max(high, self._label_range[1]))
        )
        classes = _classes(term)
        if classes is not None and 0 < classes <= CLASSES and low >= 0 and high < classes:
            seen = torch.bincount(kept, minlength=classes)
            self._labels = seen if self._labels is None else self._labels + seen
        if term.output is not None and term.output.ndim > term.dim:
            said = term.output.argmax(term.dim).reshape(-1)
            if said.numel() == target.numel():
                said = said[counts].cpu()
                self._right += int((said == kept).sum())
                self._judged += kept.numel()

    def add_itself(self, itself: bool) -> None:
        """Add whether the targets of a pass are all that the model was given."""
        self._itself.append(itself)

    def add_copies(self, shares: Mapping[int, float], causal: Callable[[], bool | None]) -> None:
        """Add how often the targets are the inputs, by places further on; `causal` is asked once, where they are."""
        if not shares:
            return
        self._compared += 1
        for shift, share in shares.items():
            self._copies[shift] = self._copies.get(shift, 0.0) + share
        if self._compared == 1 and any(shift <= 0 and share >= SAME for shift, share in shares.items()):
            self._causal = causal()

    def add_transposed(self, share: float) -> None:
        """Add how many of the targets of a pass are the next tokens in the order (length, batch)."""
        self._transposed.append(share)

    def add_padding(self, share: float) -> None:
        """Add how many of the labels of a pass that count are those of padding."""
        self._padding.append(share)

    def _add_numbers(self, term: Term, target: Tensor) -> None:
        numbers = target.detach().float()
        self._target.add(numbers)
        self._count(numbers)
        low, high = RANGES.get(term.fed_by, (-float("inf"), float("inf")))
        self._outside += torch.stack(
            [(numbers < low - _MARGIN).float().mean(), (numbers > high + _MARGIN).float().mean()]
        ).cpu()
        if numbers.ndim == 2 and numbers.shape[1] > 1:
            self._alike = self._alike and bool((numbers == numbers[:, :1]).all())
            binary = ((numbers == 0) | (numbers == 1)).all(1)
            ones = numbers.sum(1)
            self._rows += len(numbers)
            self._one_hot += int((binary & (ones == 1)).sum())
            self._several += int((binary & (ones > 1)).sum())
            self._inverted += _inverted(numbers)

    def _count(self, numbers: Tensor) -> None:
        if self._counts is None:
            return
        flat = numbers.reshape(-1).cpu()
        fits = flat.numel() and bool(((flat == flat.round()) & (flat >= 0) & (flat < COUNTED)).all())
        self._counts = self._counts + torch.bincount(flat.long(), minlength=COUNTED) if fits else None

    @property
    def from_batch(self) -> bool:
        """Return whether the targets are those of the batches, as far as it was seen."""
        return 2 * sum(self._matched) > len(self._matched)

    def criterion(self) -> Criterion:
        """Return what was seen."""
        term, rows = self._first, max(1, self._rows)
        mass, off, measured = self._mass.tolist()
        below, above = (self._outside / max(1, self._passes)).tolist()
        return Criterion(
            kind=term.kind,
            fed_by=term.fed_by,
            passes=self._passes,
            compared=term.compared,
            given=term.given,
            target_shape=None if term.target is None else unexpanded(term.target),
            feed_size=term.feed_size,
            classes=_classes(term),
            mass=mass / measured if measured else None,
            off=off / measured if measured else 0.0,
            output=self._output.values(),
            target=self._target.values(),
            first_output=self._first_output.values(),
            below=below,
            above=above,
            rows=self._rows,
            alike=self._alike and self._rows > 0,
            one_hot=self._one_hot / rows,
            several=self._several / rows,
            inverted=self._inverted / rows,
            counts=_without_tail(self._counts),
            labels=None if self._labels is None else tuple(self._labels.tolist()),
            label_low=None if self._label_range is None else self._label_range[0],
            label_high=None if self._label_range is None else self._label_range[1],
            weighted=term.weighted,
            weights=tuple(term.weights.reshape(-1).tolist())
            if term.weights is not None and term.weights.numel() <= CLASSES
            else None,
            cut=term.cut,
            alone=self._alone,
            ignored=term.ignored,
            from_batch=sum(self._matched) / len(self._matched) if self._matched else None,
            copies={shift: share / self._compared for shift, share in self._copies.items()},
            transposed=sum(self._transposed) / len(self._transposed) if self._transposed else 0.0,
            causal=self._causal,
            padding=sum(self._padding) / len(self._padding) if self._padding else 0.0,
            accuracy=self._right / self._judged if self._judged else None,
            probabilities=bool(self._shares) and all(self._shares),
            selves=bool(self._selves) and all(self._selves),
            itself=bool(self._itself) and all(self._itself),
            twins=bool(self._twins) and all(self._twins),
            blank=term.blank,
            blanks=self._blanks / self._passes if self._passes else 0.0,
        )


def gives_shares(term: Term, given: Sequence[Tensor]) -> bool:
    """Return whether a cross-entropy, which takes logits, got shares of 1 from the model as they are."""
    if term.kind not in ("cross_entropy", "soft_cross_entropy") or term.output is None:
        return False
    for one in given:
        if one.shape != term.output.shape or not one.is_floating_point() or one.ndim < 2 or one.shape[term.dim] < 2:
            continue
        rows = thinned_rows(one, term.dim).float()
        shares = bool((rows >= 0).all()) and bool(((rows.sum(1) - 1).abs() < _SUM).all())
        if shares and torch.allclose(rows.log_softmax(1), thinned_rows(term.output, term.dim).float(), atol=_SUM):
            return True
    return False


_SUM = 1e-3


def key_of(term: Term) -> tuple[object, ...]:
    """Return what tells a criterion from the others of a training: their first dimension may change."""
    return term.kind, term.fed_by, term.given[1:], term.weighted


def unexpanded(tensor: Tensor) -> tuple[int, ...]:
    """Return the shape that a tensor had before it was broadcast; leading dimensions that were added are left out."""
    sizes = [
        1 if stride == 0 and size > 1 else size for size, stride in zip(tensor.shape, tensor.stride(), strict=True)
    ]
    while sizes and sizes[0] == 1 and tensor.stride()[len(tensor.shape) - len(sizes)] == 0:
        sizes.pop(0)
    return tuple(sizes)


def same_numbers(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors hold the same numbers, whatever their shape and type."""
    other = narrowed(other)
    if one.numel() != other.numel() or not one.numel():
        return False
    return torch.equal(one.detach().reshape(-1).cpu().float(), other.detach().reshape(-1).cpu().float())


def thinned_rows(tensor: Tensor, dim: int, most: int = 256) -> Tensor:
    """Return at most so many rows along a dimension, as (rows, size of the dimension), in the CPU's memory."""
    rows = tensor.detach().movedim(min(dim, tensor.ndim - 1), -1).reshape(-1, tensor.shape[min(dim, tensor.ndim - 1)])
    return rows[:: max(1, -(-len(rows) // most))].cpu()


def narrowed(tensor: Tensor) -> Tensor:
    """Return one copy of what was broadcast."""
    for dim, (size, stride) in enumerate(zip(tensor.shape, tensor.stride(), strict=True)):
        if stride == 0 and size > 1:
            tensor = tensor.narrow(dim, 0, 1)
    return tensor


def _is_alone(term: Term, loss: float | None) -> bool:
    """Return whether a loss is the mean squared error of a term."""
    if term.kind != "mse" or loss is None or term.output is None or term.target is None:
        return False
    mean = float((term.output.float() - term.target.float()).square().mean())
    return abs(mean - loss) <= 1e-3 * abs(mean) + 1e-12


def _classes(term: Term) -> int | None:
    if term.kind not in ("nll", "cross_entropy", "soft_cross_entropy", "ctc") or len(term.compared) <= term.dim:
        return None
    return term.compared[term.dim]


def _targets(batch: Any) -> Sequence[Tensor]:
    """Return the tensors of a batch that may be targets."""
    if has_target(batch):
        return [one for one in tensors_in(target_of(batch)) if one.numel()]
    return [one for one in tensors_in(batch) if one.numel()]


def comes_from(target: Tensor, given: Tensor) -> bool:
    """Return whether a target is a tensor of the batch, or its classes as one-hot rows."""
    if same_numbers(given, target):
        return True
    if target.ndim == 2 and given.numel() == len(target) and same_numbers(given, target[:, 0]):
        return bool((target == target[:, :1]).all())
    rows = target.ndim == 2 and target.shape[1] > 1 and given.numel() == len(target) and not given.is_floating_point()
    return rows and same_numbers(given, target.argmax(1))


def _inverted(numbers: Tensor) -> int:
    """Return how many rows are alike but for one number, which is the lowest."""
    if numbers.shape[1] < _CHOICES:
        return 0
    ordered = numbers.sort(1).values
    low, second, high = ordered[:, 0], ordered[:, 1], ordered[:, -1]
    return int(((high - second <= _EQUAL * high.abs()) & (second - low > _EQUAL)).sum())


_CHOICES = 4  # classes, of which more than half have to be equal to count
_EQUAL = 1e-3


def _without_tail(counts: Tensor | None) -> tuple[int, ...] | None:
    if counts is None or not counts.any():
        return None
    return tuple(counts[: int(counts.nonzero().max()) + 1].tolist())
