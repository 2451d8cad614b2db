"""Samples as they pass: told apart by fingerprints, with statistics of each channel or column."""

import math
from collections import Counter
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from hasten.base.records.data_facts import Agreement, Part
from hasten.data.batch import inputs_of
from hasten.data.tree import tensors_within
from hasten.diagnosis.data.learned import SeenLearned
from hasten.diagnosis.data.mean_picture import MeanPicture
from hasten.diagnosis.data.mirrored import SeenMirrored
from hasten.diagnosis.data.pairs import Pairs
from hasten.diagnosis.data.pieces import SeenPieces
from hasten.diagnosis.data.values import Numbers

SAMPLES = 20_000
"""Samples of a part that are told apart."""

DESCRIBED = 4096
"""Samples of a part whose numbers are described."""

_COLUMNS = 4096  # of a table, or channels of pictures
_NUMBERS = 4_000_000  # of a batch that are described
_ORDERED = 4  # different samples that come in the same order by no chance
_ELEMENTS = 1024  # of a sample that its fingerprint reads


def inputs_in(batch: Any) -> list[Tensor]:
    """Return the tensors of the inputs of a batch that have one row per sample, as far as the first one tells."""
    return of_samples([one for part in inputs_of(batch) for one in tensors_within(part)])


def of_samples(tensors: Sequence[Tensor]) -> list[Tensor]:
    """Return those tensors that have as many rows as the first one that has rows."""
    found = [one.detach() for one in tensors if one.ndim and one.layout is torch.strided]
    return [one for one in found if len(one) == len(found[0])]


def without_target(given: Sequence[Tensor], target: Tensor | None) -> list[Tensor]:
    """Return the inputs of a model that computes its own loss without the target; all where nothing else is given."""
    return [one for one in given if target is None or not is_same(one, target)] or list(given)


def is_same(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors have the same numbers in the same order."""
    return one.numel() == other.numel() and torch.equal(one.detach().reshape(-1), other.reshape(-1).to(one.dtype))


def fingerprints(inputs: Sequence[Tensor]) -> list[int]:
    """Return a number for each sample that is the same for equal samples, however far they are padded with zeros.

    Cost: about 2 us a sample.
    """
    parts = [[row.tobytes().rstrip(b"\0") for row in _elements(one).numpy()] for one in inputs]
    return [hash(rows) for rows in zip(*parts, strict=True)]


def _elements(tensor: Tensor) -> Tensor:
    flat = tensor.flatten(1) if tensor.ndim > 1 else tensor.unsqueeze(1)
    if flat.shape[1] > _ELEMENTS:
        flat = flat[:, torch.linspace(0, flat.shape[1] - 1, _ELEMENTS).long().to(flat.device)]
    return flat.float().cpu().contiguous()


class SeenPart:
    """Adds up the samples of the training or of one evaluation."""

    def __init__(
        self,
        *,
        whole: int | None,
        replacement: bool = False,
        drawn: int | None = None,
        shuffles: bool = False,
        later_half: bool = False,
    ) -> None:
        self.prints: set[int] = set()
        self.pieces = SeenPieces()
        self.targets = Numbers()
        self._picture = MeanPicture()
        self.places = 1  # outputs of a sample, as of the steps of a series
        self._said: Counter[int] = Counter()
        self._said_step = -1
        self._drawn, self._shuffles, self._same_order = drawn, shuffles, False
        self.pairs = Pairs()
        self.mirrored = SeenMirrored()
        self.learned = SeenLearned(later_half=later_half)
        self._answered_step = -1
        self._whole = whole
        self._replacement = replacement
        self._samples = self._elements = self._size = self._batches = 0
        self._batch_prints: list[int] = []
        self._step_prints: set[int] = set()  # of the first part of the step under way
        self._second_prints: set[int] = set()  # of its other parts, or of those of the step before
        self._first_pass: Counter[int] = Counter()
        self._passed = False  # whether all samples were seen once, as far as that can be told
        self._numbers = Numbers()
        self._first: Tensor | None = None  # of each channel or column: mean in the first sample
        self._sums = torch.zeros(4, 0)  # of sample means, their squares, variances within samples, changes
        self._counted = 0
        self._extremes = torch.zeros(2, 0)  # smallest and largest number of each channel or column
        self._means = torch.zeros(3, dtype=torch.float64)  # of whole samples: sum, squares, ones
        self._pictures = self._smooth = self._regular = False
        self._roughness: float | None = None
        self._continuous = self._rows_standardized = False
        self._labels: Counter[int] = Counter()
        self.overlap = self.compared = 0
        self.several = False  # set from outside: a step gives the model others, too
        self.beside = False  # and so does the same call

    @property
    def full(self) -> bool:
        """Return whether no more samples are told apart."""
        return self._samples >= SAMPLES

    @property
    def passed(self) -> bool:
        """Return whether all samples were seen, as far as that can be told."""
        return self._passed

    def add_prints(self, prints: Sequence[int], elements: int, *, counts: bool = True) -> None:
        """Add the fingerprints of a batch.

        Args:
            prints: one for each sample.
            elements: numbers of a sample.
            counts: whether this is a batch of its own, not the second part of a step.
        """
        known = self._second_prints if counts else self._step_prints | self._second_prints
        if counts:
            self._batch_prints.append(hash(tuple(prints)))
            self._step_prints, self._second_prints = set(prints), set()
        else:
            self._second_prints.update(prints)
        prints = [one for one in prints if one not in known]  # a generator trains on what its critic was trained on
        again = all(one in self.prints for one in prints)
        self.prints.update(prints)
        self._batches += counts
        passed = self._passed or (again if self._whole is None else self._samples >= self._whole)
        if passed and not self._passed:  # this is the first batch of the second pass
            self._same_order = len(set(prints)) >= _ORDERED and self._batch_prints[-1] == self._batch_prints[0]
        self._passed = passed
        if not self._passed:
            self._first_pass.update(prints)
        self._samples += len(prints)
        self._size = max(self._size, len(prints))
        self._elements = elements

    def add_labels(self, labels: Tensor) -> None:
        """Count labels."""
        self._labels.update(labels.reshape(-1).tolist())

    def describe(self, inputs: Tensor) -> None:
        """Add the numbers of a batch of the first pass to the statistics, as the model gets them."""
        most = DESCRIBED if self._whole is None else min(DESCRIBED, self._whole)
        over = self._whole is None and self._passed
        if over or self._counted >= most or not inputs.is_floating_point() or inputs.ndim < 2 or not inputs.numel():
            return
        rows = max(32, _NUMBERS // max(1, inputs[0].numel()))
        numbers = inputs.detach()[: min(rows, most - self._counted)].double().cpu()
        columns = _columns(numbers := numbers.nan_to_num(0.0, 0.0, 0.0))
        if columns.shape[1] > _COLUMNS:
            return
        self._numbers.add(inputs)
        self._pictures = numbers.ndim == 4
        self._regular = self._regular or (numbers.ndim == 2 and _is_regular(numbers))
        means, spread = columns.mean(2), columns.var(2, correction=0)
        if self._first is None or self._first.shape != means[0].shape:
            self._first = means[0].clone()
            self._sums = torch.zeros(4, columns.shape[1], dtype=torch.float64)
            self._counted, self._means = 0, torch.zeros(3, dtype=torch.float64)
            self._extremes = torch.stack([columns[0].amin(1), columns[0].amax(1)])
            self._smooth = numbers.ndim in (2, 3) and _is_smooth(numbers if numbers.ndim == 2 else numbers[:, :, 0])
            self._roughness = roughness(numbers)
            self._rows_standardized = _rows_are_standardized(numbers)
            self._continuous = len(numbers.unique()) >= _CONTINUOUS * numbers.numel()
        changes = (means != self._first).sum(0).double()
        if not self._pictures:
            low, high = self._extremes
            self._extremes = torch.stack(
                [torch.minimum(low, columns.amin((0, 2))), torch.maximum(high, columns.amax((0, 2)))]
            )
        self._sums += torch.stack([means.sum(0), means.square().sum(0), spread.sum(0), changes])
        self._counted += len(numbers)
        self._picture.add(numbers)
        whole = numbers.flatten(1).mean(1)
        self._means += torch.stack([whole.sum(), whole.square().sum(), torch.tensor(float(len(whole)))])

    def say(self, said: Tensor | None, step: int) -> None:
        """Count the classes that the model says in an evaluation; one after more steps replaces the one before."""
        if said is None:
            return
        if step != self._said_step:
            self._said_step, self._said = step, Counter()
        self._said.update({one: count for one, count in enumerate(said.bincount().tolist()) if count})

    def answer(self, output: Tensor, target: Tensor, *, step: int, classes: bool) -> None:
        """Add outputs of an evaluation; one after more steps replaces the one before."""
        if step != self._answered_step:
            self._answered_step, self.learned = step, SeenLearned()
        self.learned.add(output, target, classes=classes)

    def compare(self, prints: Sequence[int], trained: set[int]) -> int:
        """Return how many samples of an evaluation were trained on before; each counts once for `overlap`."""
        new = [one for one in prints if one not in self.prints]
        self.compared += len(new)
        self.overlap += sum(one in trained for one in new)
        return sum(one in trained for one in prints)

    def part(
        self,
        *,
        same_set: bool = False,
        sliced: bool = False,
        lives: bool = True,
        partly: int = 0,
        later: bool = False,
        left_out: int = 0,
        agreement: Agreement | None = None,
        probes: bool = True,
    ) -> Part:
        """Return what was seen.

        Args:
            same_set: the evaluation reads the training data set itself.
            sliced: its batches are tensors that no loader gave.
            lives: they are slices of a tensor that is still there.
            partly: batches of which a part was trained on before.
            later: it began in a training after the first one.
            left_out: samples that its loader never gives.
            agreement: of labels and predicted classes.
            probes: ask whether inputs and targets belong together, which takes half a second.
        """
        seen = max(1, self._counted)
        mean, squares_of_means, within, changes = self._sums / seen
        between = (squares_of_means - mean.square()).clamp_min(0)
        total, squares, count = self._means.tolist()
        sample_mean = total / count if count else 0.0
        in_pass = sum(self._first_pass.values())
        picture, errors = self._picture.numbers()
        return Part(
            batches=self._batches,
            samples=self._samples,
            distinct=len(self.prints),
            first_pass=in_pass,
            distinct_in_first_pass=len(self._first_pass),
            uneven=bool(in_pass) and max(self._first_pass.values()) > 2 * in_pass / len(self._first_pass) + 2,
            elements=self._elements,
            whole=self._whole,
            size=len(self.prints) if self._whole is None and self._passed else self._whole,
            replacement=self._replacement,
            drawn=self._drawn,
            shuffles=self._shuffles,
            same_order=self._same_order,
            picture=picture,
            picture_errors=errors,
            places=self.places,
            upright=self.mirrored.upright,
            mirrored=self.mirrored.mirrored,
            shared=self.pieces.shared,
            distinct_pieces=self.pieces.distinct,
            said=dict(sorted(self._said.items())[:1000]),
            targets=self.targets.values(),
            batch_size=self._size,
            distinct_batches=len(set(self._batch_prints)),
            repeated=sum(one == other for one, other in pairwise(self._batch_prints)),
            overlap=self.overlap / self.compared if self.compared else 0.0,
            same_set=same_set,
            sliced=sliced,
            several=self.several,
            beside=self.beside,
            lives=lives,
            partly=partly,
            later=later,
            left_out=left_out,
            inputs=self._numbers.values(),
            described=self._counted,
            channels=tuple(mean.tolist()),
            spreads=tuple((between + within).sqrt().tolist()),
            errors=tuple((between / seen).sqrt().tolist()),
            lows=() if self._pictures else tuple(self._extremes[0].tolist()),
            highs=() if self._pictures else tuple(self._extremes[1].tolist()),
            changes=tuple(changes.tolist()),
            pictures=self._pictures,
            roughness=self._roughness,
            rows_standardized=self._rows_standardized,
            continuous=self._continuous,
            regular=self._regular,
            smooth=self._smooth,
            sample_mean=sample_mean,
            sample_spread=math.sqrt(max(0.0, squares / count - sample_mean**2)) if count else 0.0,
            agreement=agreement,
            learned=self.learned.learned(),
            probe=self.pairs.probe() if probes else None,
            labels={int(label): number for label, number in sorted(self._labels.items())[:1000]},
        )


def _columns(numbers: Tensor) -> Tensor:
    """Return a batch as (batch, channels or columns, numbers of each); a series counts as one channel."""
    if numbers.ndim == 2:
        return numbers.unsqueeze(2)
    return numbers.flatten(1).unsqueeze(1) if numbers.ndim == 3 else numbers.flatten(2)


def _is_regular(table: Tensor) -> bool:
    """Return whether the numbers of each column of (rows, columns) are evenly spaced, or one number."""
    if table.shape[1] > _AXES:
        return False
    spaced = [column.unique().diff() for column in table.T]
    return max(map(len, spaced)) >= _SPACES and all(
        not len(one) or float(one.max() - one.min()) <= _EVEN * float(one.mean()) for one in spaced
    )


def _rows_are_standardized(numbers: Tensor) -> bool:
    """Return whether each row of a table (n, columns) has a mean of 0 and a standard deviation of 1."""
    if numbers.ndim != 2 or len(numbers) < 8 or numbers.shape[1] < 3:
        return False
    near = [float((numbers.std(1, correction=by) - 1).abs().max()) < _EXACT for by in (0, 1)]
    return float(numbers.mean(1).abs().max()) < _EXACT and any(near)


_EXACT = 1e-3


def roughness(numbers: Tensor) -> float | None:
    """Return how rough pictures (n, channels, height, width) are if they lie as (height, width, channels) in truth.

    Relative to how rough they are as given: their mean absolute difference between neighbors. None for other shapes.
    """
    if numbers.ndim != 4 or numbers.shape[1] not in (3, 4) or min(numbers.shape[2:]) < _SIDE:
        return None
    samples, channels, height, width = numbers.shape
    other = numbers.reshape(samples, height, width, channels).permute(0, 3, 1, 2)
    one, two = (
        float((each[..., 1:] - each[..., :-1]).abs().mean() + (each[..., 1:, :] - each[..., :-1, :]).abs().mean())
        for each in (numbers, other)
    )
    return two / one if one else None


_SIDE = 8  # pixels
_AXES, _SPACES, _EVEN = 4, 4, 1e-2
"""Most columns of a grid, fewest distances between its numbers, and by what share of their mean these may differ."""
_CONTINUOUS = 0.5  # share of the numbers of a batch that are different


def _is_smooth(rows: Tensor) -> bool:
    """Return whether neighboring columns are alike, as the points of a series are."""
    if len(rows) < 8 or rows.shape[1] < 4:
        return False
    centered = rows - rows.mean(0)
    sizes = centered.square().sum(0).sqrt()
    products = (centered[:, 1:] * centered[:, :-1]).sum(0) / (sizes[1:] * sizes[:-1]).clamp_min(1e-12)
    return float(products.mean()) > 0.8
