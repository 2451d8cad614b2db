"""Pairs of inputs and targets as small rows of numbers, for a probe that asks whether they belong together."""

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from hasten.base.records.data_facts import Probe
from hasten.diagnosis.data.probe import Kind, probed

PAIRS = 768
"""Pairs that are kept."""

_WIDTH = 256  # numbers of an input that are kept
_WORDS = 512  # of a bag of words
_TOKENS = 32  # of a sample, where each token has a target


class Pairs:
    """Keeps the first different samples with their targets."""

    def __init__(self) -> None:
        self.kind: Kind | None = None
        self._inputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._prints: set[int] = set()

    def __len__(self) -> int:
        return len(self._prints)

    @property
    def full(self) -> bool:
        """Return whether there are enough."""
        return len(self._prints) >= PAIRS

    def add(self, inputs: Sequence[Tensor], target: Tensor, prints: Sequence[int], *, classes: bool) -> None:
        """Add the samples of a batch that are new.

        Args:
            inputs: tensors with a row per sample.
            target: what the criterion compares with; of another size than the samples or tokens it is left out.
            prints: fingerprint of each sample.
            classes: whether the targets are class numbers.
        """
        if self.full or not prints:
            return
        rows = len(prints)
        kind = _kind(inputs, target, rows, classes=classes)
        if kind is None or self.kind not in (None, kind):
            return
        new = [place for place, one in enumerate(prints) if one not in self._prints][: PAIRS - len(self._prints)]
        if not new:
            return
        if kind == "tokens":
            made = inputs[0].cpu()[new][:, :_TOKENS]
            wanted = target.detach().reshape(rows, -1).cpu()[new][:, :_TOKENS]
        else:
            made = torch.cat([features(one.cpu()[new]) for one in inputs[:4]], 1)
            wanted = _narrow(target.detach().reshape(rows, -1).cpu()[new].float())
        if self._inputs and (
            self._inputs[0].shape[1:] != made.shape[1:] or self._targets[0].shape[1:] != wanted.shape[1:]
        ):
            return
        self.kind = kind
        self._inputs.append(made)
        self._targets.append(wanted)
        self._prints.update(prints[place] for place in new)

    def rows(self) -> Tensor | None:
        """Return the inputs that are kept, (samples, numbers); None where there are none, or tokens."""
        return torch.cat(self._inputs) if self._inputs and self.kind != "tokens" else None

    def probe(self) -> Probe | None:
        """Return whether the pairs belong together; None where there are too few."""
        if not self._inputs or self.kind is None:
            return None
        return probed(torch.cat(self._inputs), torch.cat(self._targets), self.kind)

    def target_column(self) -> int | None:
        """Return the column of the inputs that is the only column of the target, perhaps scaled; None where none is."""
        if not self._inputs or self.kind == "tokens" or self._targets[0].shape[1] != 1:
            return None
        columns, target = torch.cat(self._inputs).double(), torch.cat(self._targets).double()
        if len(columns) < PAIRS // 8 or columns.shape[1] < 2:
            return None
        columns, target = columns - columns.mean(0), target - target.mean(0)
        sizes = columns.square().sum(0).sqrt() * target.square().sum().sqrt()
        alike = (columns * target).sum(0).abs() / sizes.clamp_min(1e-12)
        best = int(alike.argmax())
        return best if float(alike[best]) > 1 - 1e-6 else None


_COLUMNS = 4  # of a target that are kept


def _narrow(target: Tensor) -> Tensor:
    """Return a target with few columns: means of neighbors, as of the pixels of a picture."""
    if target.shape[1] <= _COLUMNS:
        return target
    return F.adaptive_avg_pool1d(target.unsqueeze(1), _COLUMNS).squeeze(1)


def _kind(inputs: Sequence[Tensor], target: Tensor, rows: int, *, classes: bool) -> Kind | None:
    first = inputs[0]
    if not any(one.is_floating_point() or one[0].numel() > _FEW for one in inputs):  # numbers of users and items
        return None
    if target.numel() == rows:
        return "classes" if classes else "numbers"
    if classes:
        whole = not first.is_floating_point() and first.ndim == 2 and first.shape[1] > 1
        return "tokens" if whole and target.numel() == first.numel() else None
    return "numbers" if target.ndim > 1 and len(target) == rows else None


def features(inputs: Tensor) -> Tensor:
    """Return at most some hundreds of numbers for each sample: pooled pictures and series, bags of words and pairs."""
    rows = len(inputs)
    if not inputs.is_floating_point():
        tokens = inputs.reshape(rows, -1).long()
        if tokens.shape[1] <= _FEW:
            return torch.cat([F.one_hot(one.remainder(64), 64).float() for one in tokens.unbind(1)], 1)
        pairs = tokens[:, 1:] + 31 * tokens[:, :-1]
        return torch.cat([_bag(tokens), _bag(pairs)], 1)
    if inputs.ndim == 4 and inputs[0].numel() > _WIDTH:
        inputs = F.adaptive_avg_pool2d(inputs.float(), min(8, inputs.shape[2], inputs.shape[3]))
    flat = inputs.float().reshape(rows, -1)
    return flat if flat.shape[1] <= _WIDTH else F.adaptive_avg_pool1d(flat.unsqueeze(1), _WIDTH).squeeze(1)


_FEW = 4  # tokens: each is a category of its own


def _bag(tokens: Tensor) -> Tensor:
    places = (tokens * 2654435761 % 1000003).remainder(_WORDS)
    counts = torch.zeros(len(tokens), _WORDS).scatter_add_(1, places, torch.ones(places.shape))
    return F.normalize(counts.log1p(), dim=1)
