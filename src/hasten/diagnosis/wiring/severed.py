"""Where the graph of a loss ends too early, or goes on where it should end."""

from collections.abc import Sequence
from typing import Any

from torch import Tensor, nn

from hasten.diagnosis.watching.loss_graph import beyond_shapes, name_of, nodes, shape_of

_STEPS = {"Sign": "sign()", "Round": "round()", "Floor": "floor()", "Ceil": "ceil()", "Trunc": "trunc()"}
"""Node -> function whose derivative is 0 everywhere."""
_NEAR = 5
_DIFFERENCES = ("MseLoss", "SmoothL1Loss", "HuberLoss", "Sub")
_SQUARES = ("Pow", "MseLoss", "SmoothL1Loss", "HuberLoss")
_SUMS = ("Add", "Sub", "Mul", "Div", "Neg")


def step_function(behind: Sequence[Any]) -> str:
    """Return a function that lets no gradient through, before trained parameters; "" where there is none.

    One whose result meets its input again at once, as in `x - x.floor()` and `x.sign() * x.abs().sqrt()`, is none.
    """
    for node in behind:
        name = _STEPS.get(name_of(node), "")
        below = node.next_functions[0][0] if name else None
        if below is None or not any(_is_parameter(one) for one in _below(below)):
            continue
        uses = [one for one in behind if any(following is node for following, _ in one.next_functions)]
        if not any(_is_near(below, following) for one in uses for following, _ in one.next_functions
                   if following is not node):  # fmt: skip
            return name
    return ""


def _is_near(wanted: Any, node: Any) -> bool:
    """Return whether a node is another one, or a few functions of one argument away from it."""
    for _ in range(_NEAR):
        if node is None or node is wanted:
            return node is not None
        node = next((one for one, _ in node.next_functions if one is not None), None)
    return False


def bootstraps(behind: Sequence[Any]) -> bool:
    """Return whether a target of the form r + c f(x') has a gradient, where f(x) is compared with it."""
    for node in behind:
        if name_of(node) not in _DIFFERENCES:
            continue
        sides = [following for following, _ in node.next_functions[:2]]
        if len(sides) < 2 or None in sides or not any(_is_return(one) for one in sides):
            continue
        one, other = (set(_below(side)) for side in sides)
        shared = one & other
        if shared and all(hasattr(each, "variable") for each in shared) and any(map(_is_parameter, shared)):
            return True
    return False


def bootstraps_in_time(behind: Sequence[Any]) -> bool:
    """Return whether a square holds r + c v[t + 1] - v[t], where v are outputs of one call, or of one list."""
    squares = [node for node in behind if name_of(node) in _SQUARES]
    for node in {below: None for square in squares for below in _below(square)}:
        if name_of(node) != "Sub" or None in (sides := [one for one, _ in node.next_functions]):
            continue
        for one, other in (sides, sides[::-1]):
            following = _value_in_return(one)
            same = following is not None and beyond_shapes(following) is beyond_shapes(other)
            if same and following is not other and reaches_parameters_behind(other):
                return True
    return False


def adds_a_constant(losses: Sequence[Tensor]) -> bool:
    """Return whether a loss is a sum with a number that has no gradient, or that of inputs only."""
    waiting = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    while waiting:
        node = waiting.pop()
        if name_of(node) not in _SUMS or shape_of(node) != ():
            continue
        following = [one for one, _ in node.next_functions]
        if name_of(node) in ("Add", "Sub") and not all(map(_trains, following)):
            return True
        waiting += [one for one in following if one is not None]
    return False


def is_weight(tensor: Tensor) -> bool:
    """Return whether a tensor is a parameter, or one that steps of an inner loop moved."""
    if isinstance(tensor, nn.Parameter):
        return True
    waiting = [tensor.grad_fn]
    while waiting:
        node = waiting.pop()
        if _is_parameter(node):
            return True
        if node is not None and name_of(node) in _SUMS:
            waiting += [one for one, _ in node.next_functions]
    return False


def leaves_of_terms(losses: Sequence[Tensor]) -> list[set[int]]:
    """Return the leaves behind each term of losses that are sums of numbers, by identity."""
    waiting = [loss.grad_fn for loss in losses if loss.grad_fn is not None]
    terms = list[set[int]]()
    while waiting:
        node = waiting.pop()
        if name_of(node) in _SUMS and shape_of(node) == ():
            waiting += [one for one, _ in node.next_functions if one is not None]
        else:
            terms.append({id(one.variable) for one in _below(node) if hasattr(one, "variable")})
    return terms


def reaches_parameters(tensors: Sequence[Tensor]) -> bool:
    """Return whether a parameter is behind one of some tensors."""
    return any(_is_parameter(node) for node, _ in nodes(tensors))


def reaches_parameters_behind(node: Any) -> bool:
    """Return whether a parameter is behind a node."""
    return any(map(_is_parameter, _below(node)))


def _is_return(node: Any) -> bool:
    """Return whether a node adds something without gradient to a multiple of what has one."""
    return _value_in_return(node) is not None


def _value_in_return(node: Any) -> Any:
    """Return what has a gradient of a sum of something that has none and a multiple of it; None for other nodes."""
    node = beyond_shapes(node)
    if node is None or name_of(node) != "Add":
        return None
    parts = [one for one, _ in node.next_functions if one is not None]
    factor = beyond_shapes(parts[0]) if len(parts) == 1 else None
    if factor is None or name_of(factor) != "Mul" or None not in [one for one, _ in factor.next_functions]:
        return None
    return next((one for one, _ in factor.next_functions if one is not None), None)


def _trains(node: Any) -> bool:
    return node is not None and any(map(_is_parameter, _below(node)))


def _is_parameter(node: Any) -> bool:
    return isinstance(getattr(node, "variable", None), nn.Parameter)


def _below(node: Any) -> list[Any]:
    """Return a node and all behind it."""
    seen, waiting = {node}, [node]
    while waiting:
        for following, _ in waiting.pop().next_functions:
            if following is not None and following not in seen:
                seen.add(following)
                waiting.append(following)
    return list(seen)
