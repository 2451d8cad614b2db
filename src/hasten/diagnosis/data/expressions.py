"""What an expression of the person's code does with outputs: compares them, or takes the largest one."""

import ast

_LARGEST = ("argmax", "max")
_LIBRARIES = ("torch", "np", "numpy")


def compared(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    """Return what an expression compares by `==` or `eq`."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        return node.left, node.comparators[0]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "eq":
        if len(node.args) == 1:
            return node.func.value, node.args[0]
        if len(node.args) == 2:  # torch.eq
            return node.args[0], node.args[1]
    return None


def given_first(call: ast.Call) -> ast.expr:
    """Return what a function of torch or numpy, or a method of a tensor, is given first."""
    owner = call.func.value if isinstance(call.func, ast.Attribute) else call.func
    return call.args[0] if isinstance(owner, ast.Name) and owner.id in _LIBRARIES and call.args else owner


def largest_over_last(node: ast.AST) -> ast.expr | None:
    """Return what an expression takes the largest one of, with its index, over its dimension 1 or its last one."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr not in _LARGEST:
        return None
    dims = dimensions(node)
    return given_first(node) if len(dims) == 1 and ast.unparse(dims[0]) in ("1", "-1") else None


def dimensions(call: ast.Call) -> list[ast.expr]:
    """Return the dimension that a function of torch or numpy, or a method of a tensor, is given after that."""
    arguments = call.args[1:] if call.args and given_first(call) is call.args[0] else call.args
    return [*arguments[:1], *(one.value for one in call.keywords if one.arg in ("dim", "axis"))]
