"""What a function computes, as a list of torch's operators.

Below autograd every operator of a pass, forward and backward, comes by with its arguments: tensors that came in, those
that earlier operators made, and plain values. Called again in that order on other tensors of the same shapes, they
compute what Python would have made them compute, bit for bit, as long as Python itself reads no number from a tensor
and remembers nothing from one pass to the next.
"""

from collections.abc import Callable, Generator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from hasten.base.errors import Refused
from hasten.base.replaced import replaced

_SAME_TENSOR = frozenset({torch.ops.aten.detach.default, torch.ops.aten.alias.default})
_DEPENDS_ON_VALUES = {torch.Tag.data_dependent_output, torch.Tag.dynamic_output_shape}
_READERS = ("numpy", "tolist", "data_ptr", "__array__")  # of a tensor's values, past all operators
_PLAIN = frozenset({nn.Parameter, Tensor})


@dataclass(frozen=True)
class Slot:
    """Stands for a tensor of a recording."""

    number: int


@dataclass(frozen=True)
class Called:
    """One call of an operator; slots stand for tensors that came in or were made before."""

    operator: Any
    args: tuple[Any, ...]
    options: dict[str, Any]
    result: Any


@dataclass(frozen=True)
class Recording:
    """The operators of a function, in order.

    Args:
        inputs: how many tensors come in; they have the first slots.
        calls: of operators.
        outputs: what the function returns.
    """

    inputs: int
    calls: tuple[Called, ...]
    outputs: tuple[Slot, ...]


class Recorder(TorchDispatchMode):
    """Notes the operators that are called while it is on.

    Args:
        inputs: tensors that are others in the next call.
    """

    def __init__(self, inputs: Sequence[Tensor]) -> None:
        super().__init__()
        self._constants = dict[int, Tensor]()
        self._slots = dict[int, Slot]()
        self._shared = set[Slot]()  # by several objects of Python, which have one slot
        self._calls = list[Called]()
        self._alive = list[Tensor]()  # so that no id is used twice
        self._number = 0
        self._inputs = len(inputs)
        for one in inputs:
            if type(one) not in _PLAIN:
                raise Refused(f"a {type(one).__name__} is no plain tensor")
            self._new(one)

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.namespace != "aten":
            raise Refused(f"{func} is none of torch's own operators")
        if func is torch.ops.aten.lift_fresh.default:
            self.take_for_constant(args[0])  # made of a number in the code
        elif _depends_on_values(func, args):
            raise Refused(f"it reads values or shapes that it computes itself ({func})")
        given, options = tree_map(self._slot_of, (args, kwargs or {}))
        if torch.Tag.inplace_view in func.tags and given[0] in self._shared:
            raise Refused(f"it changes the shape of a tensor in place ({func})")
        result = func(*args, **kwargs or {})
        if func in _SAME_TENSOR:
            self._alive.append(result)
            self._slots[id(result)] = given[0]
            self._shared.add(given[0])
        else:
            self._calls.append(Called(func, given, options, tree_map(self._made, result)))
        return result

    def take_for_constant(self, value: Tensor) -> None:
        """Let a tensor be used that is the same in each call."""
        self._constants[id(value)] = value

    def recording(self, outputs: Sequence[Tensor]) -> Recording:
        """Return what was called so far, as a function of the inputs that returns these tensors."""
        return Recording(self._inputs, tuple(self._calls), tuple(map(self._slot_of, outputs)))

    def _new(self, value: Tensor) -> Slot:
        slot = self._slots[id(value)] = Slot(self._number)
        self._alive.append(value)
        self._number += 1
        return slot

    def _made(self, value: Any) -> Any:
        if not isinstance(value, Tensor):
            return value
        return self._slots.get(id(value)) or self._new(value)

    def _slot_of(self, value: Any) -> Any:
        if isinstance(value, torch.Generator):
            raise Refused("it draws from a random generator of its own")
        if not isinstance(value, Tensor):
            return value
        if (slot := self._slots.get(id(value))) is not None:
            return slot
        if id(value) in self._constants:
            return value
        raise Refused(
            f"it uses a tensor of shape {tuple(value.shape)} that is neither of the batch nor a parameter or a buffer"
        )


def _depends_on_values(func: Any, args: Sequence[Any]) -> bool:
    """Return whether what comes of an operator, or its shape, depends on the values of its arguments."""
    if func is torch.ops.aten.index.Tensor:  # by a mask only
        return any(one is not None and one.dtype in (torch.bool, torch.uint8) for one in args[1])
    return bool(_DEPENDS_ON_VALUES & set(func.tags))


@contextmanager
def nothing_read() -> Generator[None]:
    """Refuse whatever reads a tensor's values past torch's operators while the body runs."""

    def refusing(plain: Callable[..., Any]) -> Callable[..., Any]:
        def refuse(*_: Any, **__: Any) -> Any:
            raise Refused(f"Tensor.{plain.__name__} reads values past torch's operators")

        return refuse

    with ExitStack() as stack:
        for name in _READERS:
            stack.enter_context(replaced(Tensor, name, refusing))
        yield
