"""What a training step costs by counting: operations, bytes and activations of every layer."""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from hasten.base.records.complexity import Complexity, LayerCost
from hasten.measurement.attribution import OUTSIDE, ModuleScopes
from hasten.measurement.bytes_moved import bytes_moved
from hasten.measurement.formulas import flops_of, is_expensive_without_formula
from hasten.measurement.saved import each_saved_storage


def complexity_of(model: nn.Module, step: Callable[[], object], *, inputs: Iterable[torch.Tensor] = ()) -> Complexity:
    """Return what one step costs, layer by layer, counted while it runs once.

    Every operator is counted where it runs, for the module that it works for: operations by formula (`flops_of`), bytes
    as the size of its inputs and outputs (`bytes_moved`), as if there were no cache. Code compiled by torch.compile
    runs, and counts, uncompiled.

    Args:
        model: whose modules get rows.
        step: runs forward and backward pass of `model` once; what else it does, and the loss, is counted as outside.
        inputs: the batch, whose memory is not an activation.

    Source: `torch.utils.flop_counter.FlopCounterMode`, which neither splits forward from backward nor tells bytes, and
    whose rows overlap.
    """
    kept = [*model.parameters(), *model.buffers(), *inputs]
    activations: Counter[str] = Counter()
    with ModuleScopes(model) as scopes, OperatorCosts(scopes) as costs:

        def see(storage: torch.UntypedStorage) -> None:
            activations[scopes.innermost] += storage.nbytes()

        with each_saved_storage(see, exclude=kept):
            step()
    return Complexity(layers=_rows(model, costs, activations), uncounted=tuple(sorted(costs.uncounted)))


class OperatorCosts(TorchDispatchMode):
    """Adds up operations and bytes of every operator that runs while this is entered, by owner and direction."""

    def __init__(self, scopes: ModuleScopes) -> None:
        super().__init__()
        self.flops: Counter[tuple[str, bool]] = Counter()  # by name of the module, and whether in the backward pass
        self.moved: Counter[tuple[str, bool]] = Counter()
        self.uncounted: set[str] = set()
        self._scopes = scopes

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator and count it; a composite one is counted by its parts."""
        kwargs = kwargs or {}
        with self:
            output = func.decompose(*args, **kwargs)
        if output is not NotImplemented:
            return output
        key = (self._scopes.owner(), self._scopes.in_backward)
        output = func(*args, **kwargs)
        flops = flops_of(func, args, kwargs, output)
        self.flops[key] += flops or 0
        self.moved[key] += bytes_moved(func, args, kwargs, output)
        if flops is None and is_expensive_without_formula(func):
            self.uncounted.add(str(func._overloadpacket))
        return output


def _rows(model: nn.Module, costs: OperatorCosts, activations: Counter[str]) -> tuple[LayerCost, ...]:
    rows: list[LayerCost] = []
    counted: set[int] = set()
    for name, module in [*model.named_modules(), (OUTSIDE, None)]:
        own = {id(p): p.numel() for p in module.parameters(recurse=False)} if module is not None else {}
        row = LayerCost(
            name=name,
            kind=type(module).__name__ if module is not None else "",
            parameters=sum(size for key, size in own.items() if key not in counted),
            flops_forward=costs.flops[name, False],
            flops_backward=costs.flops[name, True],
            bytes_forward=costs.moved[name, False],
            bytes_backward=costs.moved[name, True],
            activation_bytes=activations[name],
        )
        counted.update(own)
        if row.parameters or row.bytes_forward or row.bytes_backward or row.activation_bytes or row.flops_forward:
            rows.append(row)
    return tuple(rows)
