"""Whether a contrastive loss compares samples of a batch with themselves, by its similarities of all with all."""

import torch
from torch import Tensor

FEWEST = 4
"""Samples of a batch; of fewer, a table may be symmetric by chance."""

_MOST = 512  # samples that are compared: tables of many thousands take as much memory as a model
_EQUAL = 1e-3  # of the spread of the numbers
_MASKED = -1e4  # log-probability of what was left out


def positive_is_self(log_probabilities: Tensor, labels: Tensor) -> bool:
    """Return whether the right class of each sample is the sample itself, in similarities of samples with themselves.

    Args:
        log_probabilities: (n, n), of the classes.
        labels: (n,) int64.
    """
    return (
        _square(log_probabilities, labels)
        and bool((labels.reshape(-1) == torch.arange(len(labels), device=labels.device)).all())
        and _symmetric(log_probabilities[:_MOST, :_MOST])
    )


def views_identical(log_probabilities: Tensor, labels: Tensor) -> bool:
    """Return whether the right class of each sample is another sample whose similarities to all others are the same.

    Args:
        log_probabilities: (n, n), of the classes; those of samples to themselves may be masked.
        labels: (n,) int64.
    """
    if not _square(log_probabilities, labels) or bool((labels < 0).any()):
        return False
    labels = labels.reshape(-1)
    kept = torch.cat([torch.arange(min(len(labels), _MOST), device=labels.device), labels[:_MOST]]).unique()
    kept = kept[torch.isin(labels[kept], kept)]  # pairs
    labels = torch.searchsorted(kept, labels[kept])
    rows = torch.arange(len(kept), device=labels.device)
    if len(kept) < FEWEST or bool((labels == rows).any()):
        return False
    numbers = log_probabilities.detach()[kept][:, kept].float()
    if not _symmetric(numbers):
        return False
    beside = torch.ones_like(numbers, dtype=torch.bool)
    beside[rows, rows] = beside[rows, labels] = False
    difference = torch.where(beside & (numbers > _MASKED), numbers - numbers[labels], 0.0).abs()
    return bool((difference <= _EQUAL * _spread(numbers)).all())


def _square(table: Tensor, labels: Tensor) -> bool:
    return table.ndim == 2 and table.shape[0] == table.shape[1] == labels.numel() >= FEWEST


def _symmetric(table: Tensor) -> bool:
    """Return whether numbers are a symmetric table after a number of each row was added, as its log-softmax does."""
    numbers = table.detach().float()
    seen = (numbers > _MASKED) & (numbers.T > _MASKED)
    added = torch.where(seen, numbers - numbers.T, 0.0)  # the number of the row minus that of the column
    own = _row_numbers(added, seen)
    off = torch.where(seen, added - (own.unsqueeze(1) - own.unsqueeze(0)), 0.0).abs()
    spread = _spread(numbers)
    return spread > 0 and bool(seen.sum() > len(table)) and bool((off <= _EQUAL * spread).all())


def _row_numbers(added: Tensor, seen: Tensor) -> Tensor:
    """Return numbers a of the rows with a[i] - a[j] = added[i, j], if there are any; a[0] is 0."""
    own = added[:, 0].clone()
    if not bool(seen[1:, 0].all()):  # the first column is masked in places: go by way of the second one
        own = torch.where(seen[:, 0], own, added[:, 1] + added[1, 0])
    return own


def _spread(numbers: Tensor) -> float:
    kept = numbers[numbers > _MASKED]
    return float(kept.max() - kept.min()) if kept.numel() else 0.0
