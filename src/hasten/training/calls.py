"""What a recipe puts around its forward pass and its loss, put around the calls of somebody's own model and loss."""

import functools
from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from torch import nn

Function: TypeAlias = Callable[..., Any]
Wrapper: TypeAlias = Callable[[Function], Function]
"""A function in, a function with the same arguments and meaning out: autocast, compile, saved-tensor hooks."""


def around_module(module: nn.Module, wrappers: Sequence[Wrapper], *, method: str = "forward") -> Callable[[], None]:
    """Put wrappers around a method of a module, in place, the first one innermost; return what undoes it.

    The module gets a subclass of its class with the same name: `isinstance` holds, parameters keep their names, hooks
    run as before, and a copy or a pickle of it is one of the plain class.
    """
    return prepared(module, wrappers, method=method)()


def prepared(
    module: nn.Module, wrappers: Sequence[Wrapper], *, method: str = "forward"
) -> Callable[[], Callable[[], None]]:
    """Return what puts wrappers around a method of a module and returns what undoes it; may be used again and again.

    The wrappers are called here, once, so that what they keep (compiled code) lasts. See `around_module`.
    """
    kind, own = type(module), vars(module).get(method)
    plain: Function = getattr(kind, method) if own is None else (lambda self, *args, **options: own(*args, **options))
    made = _subclass(kind, method, through(plain, wrappers))

    def undo() -> None:
        module.__class__ = kind
        if own is not None:
            vars(module)[method] = own

    def put() -> Callable[[], None]:
        vars(module).pop(method, None)
        module.__class__ = made
        return undo

    return put


def called_parts(module: nn.Module) -> list[nn.Module]:
    """Return the module, or the parts that are called in its place if it is a mere container without `forward`."""
    if type(module).forward is not nn.Module.forward or "forward" in vars(module):
        return [module]
    return [part for child in module.children() for part in called_parts(child)]


def around_function(function: Callable[..., Any], wrappers: Sequence[Wrapper]) -> Callable[..., Any]:
    """Return a function of one or more arguments inside of wrappers."""
    called = through(function, wrappers)

    @functools.wraps(function, updated=())
    def wrapped(first: Any, *args: Any, **options: Any) -> Any:
        return called(first, (args, options))

    return wrapped


def through(function: Function, wrappers: Sequence[Wrapper]) -> Function:
    """Return `(first, (args, options)) -> function(first, *args, **options)` inside of wrappers.

    A recipe's wrappers take functions of two arguments, (model, batch) or (output, batch).
    """

    def spread(first: Any, rest: tuple[tuple[Any, ...], dict[str, Any]]) -> Any:
        args, options = rest
        return function(first, *args, **options)

    called: Function = spread
    for wrapper in wrappers:
        called = wrapper(called)
    return called


def _subclass(kind: type[nn.Module], method: str, called: Function) -> type[nn.Module]:
    @functools.wraps(getattr(kind, method))
    def call(self: nn.Module, *args: Any, **options: Any) -> Any:
        return called(self, (args, options))

    def reduced(self: nn.Module, protocol: Any) -> Any:
        _, _, *rest = kind.__reduce_ex__(self, protocol)  # type: ignore[misc]  (a tuple for every module)
        return (object.__new__, (kind,), *rest)

    made = type(kind.__name__, (kind,), {method: call, "__reduce_ex__": reduced, "__module__": kind.__module__})
    made.__qualname__ = kind.__qualname__
    return made
