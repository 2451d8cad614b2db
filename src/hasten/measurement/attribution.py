"""Which module of a model an operator works for, in the forward and in the backward pass."""

from types import TracebackType
from typing import Any, cast

import torch
from torch import nn
from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

OUTSIDE = "(outside)"
"""The name for what no module of the model does: the loss, the update."""


class ModuleScopes:
    """While entered, knows whose operator is running.

    In the forward pass that is the innermost module of the model; in the backward pass, the module in whose forward
    pass the running autograd node was made, found by the node's sequence number. This is exact for every operator,
    where hooks on gradients (`torch.utils.module_tracker`) never leave a module whose input needs no gradient.

    Args:
        model: whose modules get names.
    """

    def __init__(self, model: nn.Module) -> None:
        self._names = {id(module): name for name, module in model.named_modules()}
        self._owners = {
            id(parameter): name
            for name, module in model.named_modules()
            for parameter in module.parameters(recurse=False)
        }
        self._stack = [OUTSIDE]
        self._made_by: dict[int, str] = {}
        self._hooks: list[Any] = []

    def __enter__(self) -> "ModuleScopes":
        self._hooks = [
            register_module_forward_pre_hook(self._enter_module),
            register_module_forward_hook(self._leave_module, always_call=True),
        ]
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None):
        for hook in self._hooks:
            hook.remove()

    @property
    def in_backward(self) -> bool:
        """Whether the autograd engine is running."""
        return torch._C._current_graph_task_id() != -1  # as in torch.utils.module_tracker

    @property
    def innermost(self) -> str:
        """The name of the module whose forward pass is running."""
        return self._stack[-1]

    def owner(self) -> str:
        """Return the name of the module that the running operator works for; to be called from inside the operator."""
        inside = self._stack[-1]
        if self.in_backward and inside == OUTSIDE:  # inside a module it is recomputation, and the module's own
            return self._owner_of_node()
        # The operator's node, if it has one, was the last to be made. The first operator seen after a node is its own.
        last_node = torch.autograd._get_sequence_nr() - 1  # as in torch.fx.proxy
        self._made_by.setdefault(last_node, inside)
        return inside

    def _owner_of_node(self) -> str:
        node = cast("torch.autograd.graph.Node | None", torch._C._current_autograd_node())
        if node is None:  # between two nodes, where gradients of one tensor are added up
            return OUTSIDE
        parameter = getattr(node, "variable", None)  # of an AccumulateGrad node
        if parameter is not None:
            return self._owners.get(id(parameter), OUTSIDE)
        return self._made_by.get(node._sequence_nr(), OUTSIDE)

    def _enter_module(self, module: nn.Module, inputs: object) -> None:
        self._stack.append(self._names.get(id(module), self._stack[-1]))

    def _leave_module(self, module: nn.Module, inputs: object, output: object) -> None:
        self._stack.pop()
