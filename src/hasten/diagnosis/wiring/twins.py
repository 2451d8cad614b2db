"""Models of the class of a trained one that are called without gradients: target networks, averages, fresh copies."""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor, nn, optim
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parameter import UninitializedParameter
from torch.optim.lr_scheduler import LRScheduler

from hasten.base.records.wiring import Twin
from hasten.diagnosis.watching.events import NEVER, Call, Collector
from hasten.measurement.tensors import tensors_in

_MODELS = 8
_NUMBERS = 256
"""Of each matrix, that are kept of a model from its first call on."""


@dataclass
class _Seen:
    """A model since its first call."""

    model: nn.Module
    updates: int  # before its first call
    sums: tuple[float, ...]  # of its parameters then
    sample: Tensor  # of their numbers then
    graded: bool = False  # was called with gradients recorded
    calls: int = 0  # without
    others: int = 0  # of them, with inputs of the size that a trained model of its class got, but other ones
    last: int = 0  # updates before the last one
    training: bool = True  # mode of the last call without gradients
    given: Tensor | None = None  # first input of the last call of training


class TwinCollector(Collector):
    """Looks at the models when they are called first, and when no more events come."""

    def __init__(self) -> None:
        self._seen: dict[int, _Seen] = {}
        self._updates = 0
        self._trained: set[int] = set()  # parameters that an optimizer holds
        self._twins: tuple[Twin, ...] = ()

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: the steps that others need are a sample."""
        return NEVER

    def unwatched(self, steps: int, schedules: Mapping[LRScheduler, int]) -> None:
        """Count updates."""
        self._updates += steps

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Count updates, and note what is trained."""
        self._updates += 1
        if self._updates <= 2 or id(optimizer.param_groups[0]["params"][0]) not in self._trained:
            self._trained |= {id(one) for group in optimizer.param_groups for one in group["params"]}

    def call_begins(self, call: Call) -> None:
        """Note a call, and whether a twin gets what the trained model got."""
        seen = self._seen.get(id(call.module))
        if seen is None or seen.model is not call.module:
            lazy = any(isinstance(one, UninitializedParameter) for one in call.module.parameters())
            if len(self._seen) >= _MODELS or lazy:
                return
            seen = self._seen[id(call.module)] = _Seen(
                call.module, self._updates, _sums(call.module), _sample(call.module)
            )
        given = next((one.detach() for one in tensors_in([call.args, dict(call.kwargs)])), None)
        if call.grad:
            seen.graded, seen.given = True, given
            return
        seen.calls += 1
        seen.last, seen.training = self._updates, call.training
        if given is not None:
            trained = [one.given for one in self._seen.values() if one.graded and type(one.model) is type(call.module)]
            seen.others += any(
                one is not None and one.shape == given.shape and not _equal(one, given) for one in trained
            )

    def ended(self) -> None:
        """Compare the models that were never trained with the trained ones of their class."""
        trained = [one for one in self._seen.values() if one.graded and self._is_trained(one.model)]
        found = []
        for one in self._seen.values():
            if one.graded or not one.calls or self._is_trained(one.model):
                continue
            like = next((other for other in trained if _alike(one.model, other.model)), None)
            if like is not None:
                found.append(self._twin(one, like))
        self._twins, self._seen = tuple(found), {}

    def twins(self) -> tuple[Twin, ...]:
        """Return what was seen, once no more events come."""
        return self._twins

    def _is_trained(self, model: nn.Module) -> bool:
        return any(id(one) in self._trained for one in model.parameters())

    def _twin(self, one: _Seen, like: _Seen) -> Twin:
        return Twin(
            name=type(one.model).__name__,
            calls=one.calls,
            others=one.others,
            updates=self._updates - one.updates,
            while_training=one.updates < self._updates and one.last < self._updates,
            copied=one.sums == like.sums and one.updates <= like.updates + 1,
            changed=_sums(one.model) != one.sums,
            cosine=_cosine(one.model, like.model),
            evaluated=like.calls,
            way=_way(one.sample, _sample(one.model), _sample(like.model)),
            fresh_norms=_has_fresh_norms(one.model) and not _has_fresh_norms(like.model),
            evaluating=not one.training,
        )


def _alike(one: nn.Module, other: nn.Module) -> bool:
    """Return whether two modules are of one class, with parameters of the same shapes."""
    return type(one) is type(other) and [each.shape for each in one.parameters()] == [
        each.shape for each in other.parameters()
    ]


def _sums(model: nn.Module) -> tuple[float, ...]:
    return tuple(float(_real(one).double().square().sum()) for one in model.parameters() if one.numel())


def _sample(model: nn.Module) -> Tensor:
    """Return some numbers of each matrix of a model."""
    flat = [_real(one).flatten() for one in model.parameters() if one.ndim > 1 and one.numel()]
    few = [one[:: -(-one.numel() // _NUMBERS)].double().cpu() for one in flat]
    return torch.cat(few) if few else torch.zeros(0, dtype=torch.float64)


def _equal(one: Tensor, other: Tensor) -> bool:
    """Return whether inputs are equal; sparse ones, which torch does not compare, where they are the same."""
    return one is other if one.is_sparse or other.is_sparse else torch.equal(one, other)


def _real(one: Tensor) -> Tensor:
    return torch.view_as_real(one.detach()) if one.is_complex() else one.detach()


def _way(start: Tensor, end: Tensor, goal: Tensor) -> float | None:
    """Return how far weights went towards others, as a share of the way; None where there is none."""
    if not start.shape == end.shape == goal.shape:
        return None
    length = float((goal - start).square().sum())
    return float((end - start) @ (goal - start)) / length if length else None


def _has_fresh_norms(model: nn.Module) -> bool:
    """Return whether no batch norm of a model that keeps running statistics has seen a batch."""
    norms = [one for one in model.modules() if isinstance(one, _BatchNorm) and one.running_mean is not None]
    return bool(norms) and not any(bool((one.running_mean != 0).any()) for one in norms)


def _cosine(one: nn.Module, other: nn.Module) -> float:
    """Return the cosine between the weights of two models: about 0 for two that began at random, each for itself."""
    pairs = [
        (a.detach().double().flatten(), b.detach().double().flatten())
        for a, b in zip(one.parameters(), other.parameters(), strict=True)
        if a.ndim > 1
    ]
    product = float(sum(a @ b for a, b in pairs))
    sizes = float(sum(a @ a for a, _ in pairs)) * float(sum(b @ b for _, b in pairs))
    return product / sizes**0.5 if sizes else 0.0
