"""What `load_state_dict` found to load."""

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from hasten.base.records.wiring import Loading
from hasten.diagnosis.watching.events import NEVER, Collector

_MOST = 32


class LoadedCollector(Collector):
    """Compares each state dict with the module that it is for."""

    def __init__(self) -> None:
        self.loadings: list[Loading] = []

    def next_step(self, step: int, spent_s: float) -> int:
        """Return none: loading is told in all steps."""
        return NEVER

    def loaded(self, module: nn.Module, state: Mapping[str, Any]) -> None:
        """Note how much of the state the module has, and whether it is the module's own."""
        if len(self.loadings) >= _MOST or not state:
            return
        own = {name: one for name, one in module.state_dict(keep_vars=True).items() if isinstance(one, Tensor)}
        found = [(own[name], one) for name, one in state.items() if name in own and isinstance(one, Tensor)]
        self.loadings.append(
            Loading(
                model=type(module).__name__,
                given=len(state),
                known=len(found),
                itself=bool(found) and all(_is_same(one, other) for one, other in found if one.numel()),
                first=next(iter(state)),
                expected=next(iter(own), ""),
            )
        )


def _is_same(one: Tensor, other: Tensor) -> bool:
    """Return whether two tensors are the same memory."""
    return one.data_ptr() == other.data_ptr() and one.shape == other.shape and one.stride() == other.stride()
