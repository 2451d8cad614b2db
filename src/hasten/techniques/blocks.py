"""The repeated blocks of a model, and another way to run their forward pass that leaves names and weights alone."""

from collections.abc import Callable
from functools import cache
from typing import Any, TypeAlias

from torch import nn

Forward: TypeAlias = Callable[..., Any]
AroundBlock: TypeAlias = Callable[[nn.Module, Forward], Forward]
"""(block, its forward) -> a function with the same arguments and meaning."""


def repeated_blocks(model: nn.Module) -> dict[str, nn.Module]:
    """Return name -> block: the members of lists and sequences that hold parameters and layers of their own.

    A sequence of blocks is no block itself. Blocks inside of blocks are left out, and so are single layers.
    """
    found: dict[str, nn.Module] = {}
    for name, module in model.named_modules():
        inside = any(name.startswith(f"{block}.") for block in found)
        if inside or not isinstance(module, nn.ModuleList | nn.Sequential):
            continue
        for own, child in module.named_children():
            if _has_layers(child) and not _holds_blocks(child) and next(child.parameters(), None) is not None:
                found[f"{name}.{own}".lstrip(".")] = child
    return found


def _has_layers(module: nn.Module) -> bool:
    return next(module.children(), None) is not None


def _holds_blocks(module: nn.Module) -> bool:
    return isinstance(module, nn.ModuleList | nn.Sequential) and any(map(_has_layers, module.children()))


def wrap_forward(module: nn.Module, around: AroundBlock) -> None:
    """Let `around` run the module's forward pass, in place.

    The module gets a subclass of its class, so that it can be copied, and its parameters keep their names.
    """
    module.__class__ = _wrapped_class(type(module), around)


def unwrap_forward(model: nn.Module, around: AroundBlock) -> nn.Module:
    """Take `wrap_forward(..., around)` back wherever it was done in the model."""
    for module in model.modules():
        kind: Any = type(module)
        if kind.__dict__.get("wrapped_by") is around:
            module.__class__ = kind.__mro__[1]
    return model


@cache
def _wrapped_class(kind: type[nn.Module], around: AroundBlock) -> type[nn.Module]:
    def forward(self: nn.Module, *args: Any, **options: Any) -> Any:
        return around(self, kind.forward)(self, *args, **options)

    own: dict[str, Any] = {"forward": forward, "wrapped_by": around, "__module__": kind.__module__}
    return type(kind.__name__, (kind,), own)
