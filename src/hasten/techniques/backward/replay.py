"""A recording as one call: a graph of torch's interpreter, which runs its operators without Python."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import torch
from torch import Tensor

from hasten.techniques.backward.recording import Called, Recording, Slot

Replay: TypeAlias = Callable[..., tuple[Tensor, ...]]
"""The inputs of a recording in -> its outputs."""

_MEMORY_FORMATS = {  # as the interpreter numbers them (c10/core/MemoryFormat.h)
    torch.contiguous_format: 0,
    torch.preserve_format: 1,
    torch.channels_last: 2,
    torch.channels_last_3d: 3,
}


def as_one_call(recording: Recording) -> Replay:
    """Return a recording as a function of its inputs.

    Raises:
        RuntimeError: if the interpreter does not have an operator with such arguments.
    """
    graph = _Graph()
    for _ in range(recording.inputs):
        graph.add_input()
    for one in recording.calls:
        graph.add(one)
    run: Any = torch._C._create_function_from_graph("recorded", graph.finished(recording.outputs))

    def replay(*inputs: Tensor) -> tuple[Tensor, ...]:
        optimized = torch._C._get_graph_executor_optimize()
        torch._C._set_graph_executor_optimize(False)  # its passes put operations into another order
        try:
            with torch._C._AutoDispatchBelowAutograd():  # where the operators were noted
                return run(*inputs)
        finally:
            torch._C._set_graph_executor_optimize(optimized)

    return replay


class _Graph:
    """Writes calls of operators into a graph of the interpreter."""

    def __init__(self) -> None:
        self._graph: Any = torch._C.Graph()
        self._values = list[Any]()  # by the number of their slot

    def add_input(self) -> None:
        """Add a tensor that comes in."""
        self._values.append(self._graph.addInput())

    def add(self, called: Called) -> None:
        """Add a call, and what it returns."""
        schema = called.operator._schema
        given = {
            **dict(zip((one.name for one in schema.arguments), called.args, strict=False)),
            **called.options,
        }
        inputs = [self._value(given.get(one.name, one.default_value), one.type) for one in schema.arguments]
        results = called.result if isinstance(called.result, tuple) else (called.result,)
        made = self._inserted(schema.name, inputs, len(results))
        for one, result in zip(made, results, strict=True):
            if isinstance(result, Slot):
                self._note(result, one)
            elif isinstance(result, list):
                one.setType(torch._C.ListType.ofTensors())
                for slot, part in zip(result, self._inserted("prim::ListUnpack", [one], len(result)), strict=True):
                    self._note(slot, part)

    def finished(self, outputs: Sequence[Slot]) -> Any:
        """Return the graph, which returns these tensors."""
        values = [self._values[slot.number] for slot in outputs]
        (result,) = self._inserted("prim::TupleConstruct", values, 1)
        result.setType(torch._C.TupleType([torch._C.TensorType.get() for _ in values]))
        self._graph.registerOutput(result)
        return self._graph

    def _inserted(self, name: str, inputs: Sequence[Any], results: int) -> list[Any]:
        node = self._graph.create(name, inputs, results)
        self._graph.insertNode(node)
        return list(node.outputs())

    def _note(self, slot: Slot, value: Any) -> None:
        value.setType(torch._C.TensorType.get())
        if slot.number == len(self._values):
            self._values.append(value)
        else:  # an operator that writes to a tensor returns it
            self._values[slot.number] = value

    def _value(self, given: Any, wanted: Any) -> Any:
        """Return an argument as a value of the graph; the type that is wanted is that of the operator's schema."""
        if isinstance(given, Slot):
            return self._values[given.number]
        text = str(wanted)
        if "List[" in text and given is not None:
            items: list[Any] = list(given) if isinstance(given, list | tuple) else [given]
            if "Tensor" in text:
                return self._tensors([self._value(one, None) for one in items], optional="Optional[Tensor]" in text)
            if not items:
                (made,) = self._inserted("prim::ListConstruct", [], 1)
                made.setType(torch._C.ListType.ofFloats() if "float" in text else torch._C.ListType.ofInts())
                return made
            return self._graph.insertConstant([float(one) for one in items] if "float" in text else items)
        if isinstance(given, int) and not isinstance(given, bool) and "float" in text:
            given = float(given)
        return self._graph.insertConstant(_MEMORY_FORMATS[given] if isinstance(given, torch.memory_format) else given)

    def _tensors(self, items: Sequence[Any], *, optional: bool) -> Any:
        (made,) = self._inserted("prim::ListConstruct", items, 1)
        element = torch._C.OptionalType.ofTensor() if optional else torch._C.TensorType.get()
        made.setType(torch._C.ListType(element))
        return made
