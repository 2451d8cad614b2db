"""Whether pairs of inputs and targets are easier to predict than permuted ones: a permutation test.

Two quick predictors, each judged on samples that it leaves out: the mean of the nearest neighbors, and ridge
regression. Of token models: the most frequent target of each token, and the next token of the input.
"""

from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from hasten.base.records.data_facts import Probe

Kind = Literal["classes", "numbers", "tokens"]
"""Of targets: a class for each sample, numbers for each sample, a token for each token."""

PERMUTATIONS = 99
FEWEST = 64
"""Pairs below which nothing is asked."""

_NEIGHBORS = 5
_CLASSES = 50
_HASHED = 1024  # tokens that are told apart
_ONE_TOKEN = 0.7  # share of the places with a target that one token has


def probed(inputs: Tensor, targets: Tensor, kind: Kind) -> Probe | None:
    """Return what the probe says of pairs; None where there are too few, or targets or inputs do not change.

    Args:
        inputs: (pairs, features), or tokens (pairs, length).
        targets: (pairs, columns), or tokens (pairs, length).
        kind: of the targets.

    Cost: half a second for 768 pairs.
    """
    if len(inputs) < FEWEST:
        return None
    generator = torch.Generator().manual_seed(0)
    orders = [torch.randperm(len(inputs), generator=generator) for _ in range(PERMUTATIONS)]
    if kind == "tokens":
        return _of_tokens(inputs, targets, orders)
    wanted = _as_numbers(targets, kind)
    rows = inputs.double()
    rows = rows[:, rows.std(0) > 0]
    if wanted is None or not rows.shape[1] or not bool(torch.isfinite(rows).all()):
        return None
    rows = ((rows - rows.mean(0)) / rows.std(0)).clamp(-5, 5)
    stacked = torch.stack([wanted, *(wanted[order] for order in orders)], 1)  # (pairs, 1 + permutations, columns)
    scores = torch.stack([_by_neighbors(rows, stacked), _by_ridge(rows, stacked)])
    return _judged(scores, len(inputs), kind)


def _as_numbers(targets: Tensor, kind: Kind) -> Tensor | None:
    """Return targets as centered columns: one-hot classes, or ranks of numbers, so that outliers do not matter."""
    if kind == "classes":
        _, classes = targets[:, 0].unique(return_inverse=True)
        number = int(classes.max()) + 1
        if not 1 < number <= max(2, min(_CLASSES, len(targets) // 10)):
            return None
        wanted = F.one_hot(classes, number).double()
    else:
        wanted = torch.stack([_ranks(one) for one in targets.unbind(1)], 1)
        wanted = wanted[:, targets.std(0) > 0]
    wanted = wanted - wanted.mean(0)
    return wanted if wanted.shape[1] and float(wanted.abs().max()) > 0 else None


def _ranks(numbers: Tensor) -> Tensor:
    """Return the mean rank of each number; equal numbers have the same."""
    _, place, counts = numbers.unique(return_inverse=True, return_counts=True)
    return (counts.cumsum(0) - (counts - 1) / 2)[place].double()


def _explained(errors: Tensor, wanted: Tensor) -> Tensor:
    """Return the share of the variance that is explained, of each permutation."""
    return 1 - errors.square().sum((0, 2)) / wanted.square().sum((0, 2))


def _by_neighbors(rows: Tensor, wanted: Tensor) -> Tensor:
    distances = torch.cdist(rows, rows).fill_diagonal_(float("inf"))
    nearest = distances.topk(_NEIGHBORS, largest=False).indices
    said = sum((wanted[nearest[:, place]] for place in range(_NEIGHBORS)), torch.zeros_like(wanted)) / _NEIGHBORS
    return _explained(wanted - said, wanted)


def _by_ridge(rows: Tensor, wanted: Tensor) -> Tensor:
    kernel = rows @ rows.T / rows.shape[1]
    hat = torch.linalg.solve(kernel + torch.eye(len(rows)) * float(kernel.trace()) / len(rows), kernel)
    said = (hat @ wanted.flatten(1)).view_as(wanted)
    left_out = (wanted - said) / (1 - hat.diagonal()).clamp_min(1e-3).view(-1, 1, 1)
    return _explained(left_out, wanted)


def _of_tokens(inputs: Tensor, targets: Tensor, orders: list[Tensor]) -> Probe | None:
    given, wanted = inputs.long().remainder(_HASHED), targets.long()
    kept = wanted >= 0
    wanted = wanted.remainder(_HASHED)
    if not bool(kept.any()) or given[kept].unique(return_counts=True)[1].max() > _ONE_TOKEN * kept.sum():
        return None  # a token for all, as the mask of a masked language model: what is around it tells the target
    pairs = [(wanted[order], kept[order]) for order in (slice(None), *orders)]
    scores = torch.tensor([[said(given, *one) for one in pairs] for said in (_most_frequent, _next_token)])
    return _judged(scores, len(inputs), "tokens")


def _judged(scores: Tensor, pairs: int, kind: Kind) -> Probe:
    """Return what the better of the two predictors says of the pairs as they are, before permuted ones."""
    p = (1 + (scores[:, 1:] >= scores[:, :1]).sum(1)) / (1 + PERMUTATIONS)
    better = int(p.argmin()) if p[0] != p[1] else int(scores[:, 0].argmax())
    return Probe(
        pairs=pairs,
        score=float(scores[better, 0]),
        permuted=float(scores[better, 1:].mean()),
        p=min(1.0, 2 * float(p.min())),
        kind=kind,
    )


def _most_frequent(given: Tensor, wanted: Tensor, kept: Tensor) -> float:
    """Return how often the most frequent target of a token in one half of the samples is right in the other half."""
    half = len(given) // 2
    pairs = (given[:half] * _HASHED + wanted[:half])[kept[:half]]
    said = torch.bincount(pairs, minlength=_HASHED * _HASHED).view(_HASHED, _HASHED).argmax(1)
    right = (said[given[half:]] == wanted[half:])[kept[half:]]
    return float(right.double().mean()) if right.numel() else 0.0


def _next_token(given: Tensor, wanted: Tensor, kept: Tensor) -> float:
    """Return how often a target is the next token of the input."""
    right = (given[:, 1:] == wanted[:, :-1])[kept[:, :-1]]
    return float(right.double().mean()) if right.numel() else 0.0
