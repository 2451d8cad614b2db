"""What the first updates show of the parameters: reached by the loss, held by an optimizer, moved."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn, optim

from hasten.base.records.health import Leaf, Wiring
from hasten.diagnosis.watching.events import Call, Collector
from hasten.diagnosis.watching.loss_graph import leaves

UPDATES = 2
"""Updates that are looked at. LoRA's A has a gradient of zero in the first one only."""


class WiringCollector(Collector):
    """Looks at the first updates of every optimizer."""

    def __init__(self) -> None:
        self._models: list[nn.Module] = []
        self._reached: set[int] = set()
        self._held: dict[int, Tensor] = {}
        self._rates: dict[int, float] = {}
        self._gradient: dict[int, float] = {}
        self._moved: dict[int, float] = {}
        self._before: dict[int, Tensor] = {}
        self._made: dict[int, int] = {}  # id of an optimizer -> its updates
        self._unknown: dict[int, Tensor] = {}  # reached by a loss and in no model

    def call_begins(self, call: Call) -> None:
        """Note the models that train."""
        if call.training and call.grad and not any(call.module is one for one in self._models):
            self._models.append(call.module)

    def backward_begins(self, losses: Sequence[Tensor]) -> None:
        """Note which leaves the losses depend on."""
        if self._looks():
            for one in leaves(losses):
                self._reached.add(id(one))
                self._unknown[id(one)] = one

    def update_begins(self, optimizer: optim.Optimizer) -> None:
        """Note the gradients of the first updates, and copy the parameters."""
        if self._made.get(id(optimizer), 0) >= UPDATES:
            return
        for group in optimizer.param_groups:
            for one in group["params"]:
                self._held[id(one)] = one
                self._rates[id(one)] = float(group["lr"])
                self._before[id(one)] = one.detach().clone()
                if one.grad is not None:
                    self._gradient[id(one)] = max(self._gradient.get(id(one), 0.0), _largest(one.grad))

    def update_ended(self, optimizer: optim.Optimizer) -> None:
        """Note what the update changed."""
        made = self._made.get(id(optimizer), 0)
        if made >= UPDATES:
            return
        self._made[id(optimizer)] = made + 1
        for group in optimizer.param_groups:
            for one in group["params"]:
                change = _largest(one.detach() - self._before.pop(id(one)))
                self._moved[id(one)] = max(self._moved.get(id(one), 0.0), change)

    def wiring(self) -> Wiring | None:
        """Return what was seen; None where no update was made."""
        if not self._made:
            return None
        named = {id(one): (name, one) for model in self._models for name, one in model.named_parameters()}
        everything = named | {key: ("", one) for key, one in (self._held | self._unknown).items() if key not in named}
        return Wiring(
            updates=max(self._made.values()),
            leaves=tuple(
                Leaf(
                    name=name,
                    numel=one.numel(),
                    trainable=one.requires_grad,
                    in_model=key in named,
                    held=key in self._held,
                    rate=self._rates.get(key),
                    reached=key in self._reached if self._reached else None,
                    gradient=self._gradient.get(key),
                    moved=self._moved.get(key),
                )
                for key, (name, one) in everything.items()
            ),
        )

    def _looks(self) -> bool:
        return not self._made or min(self._made.values()) < UPDATES


def _largest(tensor: Tensor) -> float:
    """Return the largest absolute value; of a sparse tensor, of its values."""
    values = tensor.coalesce().values() if tensor.is_sparse else tensor
    return float(torch.linalg.vector_norm(values, float("inf"))) if values.numel() else 0.0
