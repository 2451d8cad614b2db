"""What collectives of `torch.distributed` are given to send, counted as the program runs."""

from collections import Counter
from typing import Any

from torch.utils._python_dispatch import TorchDispatchMode

from hasten.measurement.tensors import nbytes, tensors_in

_NAMESPACES = frozenset({"c10d", "_c10d_functional"})


class Collectives(TorchDispatchMode):
    """Counts the collectives that run while this is entered, those of torch's own reducers included.

    `calls` and `whole_bytes` are by operator: "allreduce_", "_allgather_base_", "_reduce_scatter_base_", ... The bytes
    are those of the whole tensor: of the result of a gathering, and of what is scattered. What goes over the wire
    follows from the number of processes: in an all-reduce 2 (n - 1) / n of it, in a gathering or scattering half.
    """

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()
        self.whole_bytes: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run the operator and take note of a collective."""
        if func.namespace in _NAMESPACES:
            name = func.overloadpacket.__name__
            self.calls[name] += 1
            self.whole_bytes[name] += max((sum(map(nbytes, tensors_in(one))) for one in args), default=0)
        return func(*args, **(kwargs or {}))
