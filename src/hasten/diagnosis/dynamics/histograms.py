"""Histograms of parameters and gradients in a few steps, evenly spread; on request only, since no rule needs them."""

import torch
from torch import Tensor, nn, optim

from hasten.base.records.histograms import Histogram, ParameterHistograms
from hasten.diagnosis.dynamics.entries import entries
from hasten.diagnosis.watching.events import Call, Collector

_BINS = 30
_ENTRIES = 1 << 14  # of a tensor that are counted, at even distances
_KEPT = 32
"""Steps beyond which every other one is dropped and the distance doubles."""


class Histograms(Collector):
    """Looks at every k-th step, k doubling as the training goes on. Cost: one wait for the device per tensor."""

    def __init__(self) -> None:
        self._models: list[nn.Module] = []
        self._held: dict[int, Tensor] = {}
        self._seen: dict[str, dict[int, dict[int, Histogram]]] = {"gradient": {}, "weight": {}}  # step -> id -> bins
        self._step, self._distance = 0, 1

    def next_step(self, step: int, spent_s: float) -> int:
        """Return the next step that is looked at."""
        return step + self._distance - (step - 1) % self._distance

    def step_begins(self, step: int) -> None:
        """Note the step; drop steps where they are too many."""
        self._step = step
        if len(self._seen["weight"]) > _KEPT:
            self._distance *= 2
            for steps in self._seen.values():
                for old in [one for one in steps if (one - 1) % self._distance]:
                    del steps[old]

    def call_begins(self, call: Call) -> None:
        """Note the models, which have the names."""
        if call.training and not any(call.module is one for one in self._models):
            self._models.append(call.module)

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Look at the gradients as the optimizer gets them, and at the weights."""
        if (self._step - 1) % self._distance:
            return
        scale = getattr(optimizer, "grad_scale", None)
        divisor = float(scale) if isinstance(scale, Tensor) else 1.0
        for one in (one for group in optimizer.param_groups for one in group["params"]):
            self._held[id(one)] = one
            self._add("weight", one, one)
            if one.grad is not None:
                self._add("gradient", one, one.grad / divisor if divisor != 1.0 else one.grad)

    def _add(self, kind: str, parameter: Tensor, tensor: Tensor) -> None:
        found = histogram(tensor, self._step)
        if found is not None:
            self._seen[kind].setdefault(self._step, {})[id(parameter)] = found

    def histograms(self) -> tuple[ParameterHistograms, ...]:
        """Return what was seen of each parameter."""
        names = {id(one): name for model in reversed(self._models) for name, one in model.named_parameters()}
        return tuple(
            ParameterHistograms(
                name=names.get(key, ""), gradient=self._of("gradient", key), weight=self._of("weight", key)
            )
            for key in self._held
        )

    def _of(self, kind: str, key: int) -> tuple[Histogram, ...]:
        return tuple(found[key] for _, found in sorted(self._seen[kind].items()) if key in found)


def histogram(tensor: Tensor, step: int) -> Histogram | None:
    """Return the histogram of the finite entries of a tensor, of some of them where it is large; None without any."""
    values = entries(tensor, _ENTRIES).double()
    values = values[torch.isfinite(values)]
    if not values.numel():
        return None
    low, high = values.aminmax()
    return Histogram(
        step=step,
        low=float(low),
        high=float(high),
        counts=tuple(int(one) for one in torch.histc(values.cpu(), _BINS, float(low), float(high)).tolist()),
        sum=float(values.sum()),
        sum_of_squares=float(values.square().sum()),
    )
