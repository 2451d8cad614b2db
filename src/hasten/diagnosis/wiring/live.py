"""The modules, optimizers and schedulers that are alive in this process, whoever made them."""

import gc
import sys
from collections.abc import Iterator
from dataclasses import dataclass

from torch import Tensor, nn, optim
from torch.optim.lr_scheduler import LRScheduler


@dataclass(frozen=True)
class Live:
    """What the garbage collector knows. The references are strong: keep it no longer than needed."""

    modules: list[nn.Module]
    optimizers: list[optim.Optimizer]
    schedulers: list[LRScheduler]

    def owners(self, tensors: list[Tensor]) -> list[nn.Module]:
        """Return the modules that register any of these tensors, and all that contain those modules."""
        wanted = {id(one) for one in tensors}
        found = [
            one for one in self.modules if any(id(tensor) in wanted for tensor in vars(one)["_parameters"].values())
        ]
        parents: dict[int, list[nn.Module]] = {}
        for one in self.modules:
            for child in vars(one)["_modules"].values():
                parents.setdefault(id(child), []).append(one)
        known = {id(one) for one in found}
        for one in found:  # grows while it is read
            for parent in parents.get(id(one), []):
                if id(parent) not in known:
                    known.add(id(parent))
                    found.append(parent)
        return found


def live() -> Live:
    """Return what is alive. Cost: 0.1 us for each object of the process, 50 ms after an import of transformers."""
    modules, optimizers, schedulers = [], [], []
    for one in gc.get_objects():
        kind = type(one)  # `isinstance` asks the object, which may be a proxy that imports
        if issubclass(kind, nn.Module):
            if "_parameters" in vars(one):  # not one whose constructor is under way
                modules.append(one)
        elif issubclass(kind, optim.Optimizer):
            if "param_groups" in vars(one):
                optimizers.append(one)
        elif issubclass(kind, LRScheduler) and "optimizer" in vars(one):
            schedulers.append(one)
    return Live(modules, optimizers, schedulers)


def held(optimizer: optim.Optimizer) -> Iterator[Tensor]:
    """Yield the tensors of an optimizer."""
    for group in optimizer.param_groups:
        yield from group["params"]


def is_installed(kind: type) -> bool:
    """Return whether a class comes from an installed package, and is not the person's own."""
    file = getattr(sys.modules.get(kind.__module__), "__file__", None) or ""
    return "site-packages" in file or "dist-packages" in file
