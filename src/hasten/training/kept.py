"""What processes that train together keep from one step to the next, beside what one process would."""

from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from hasten.training.processes import Processes


@runtime_checkable
class Kept(Protocol):
    """Keeps something of which every process has a part of its own, such as errors to make good later."""

    def common(self) -> dict[str, Any]:
        """Return what is the same in every process, as tensors and plain values (not copied)."""
        ...

    def own(self) -> dict[str, Any]:
        """Return what this process alone has, as tensors and plain values (not copied)."""
        ...

    def load_state(self, common: dict[str, Any], of_each: Sequence[dict[str, Any]], processes: Processes) -> None:
        """Continue from copies of the first, and of what each process had; there may have been more or fewer of them.

        The weights of the model and the state of its optimizer are loaded before.
        """
        ...


def state_of(kept: Kept, processes: Processes, device: str) -> dict[str, Any]:
    """Return the state of all processes, in process 0; the others get their own. A collective."""
    return {"common": kept.common(), "of_each": processes.gathered(kept.own(), device)}
