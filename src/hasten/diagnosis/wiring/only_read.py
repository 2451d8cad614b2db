"""Whether the value of a loss function is only read, as a number to print or keep, by the code that calls it."""

import ast

from hasten.diagnosis.watching.source import Code, code_of, persons_frames, spans

_READERS = ("item", "tolist", "float", "print")


def is_only_read(name: str) -> bool:
    """Return whether nothing is computed with what a function of this name returns to the line that runs."""
    frame = next(persons_frames(), None)
    code = None if frame is None else code_of(frame)
    if frame is None or code is None:
        return False
    calls = [one for one in code.nodes if isinstance(one, ast.Call) and _called(one) == name]
    here = [one for one in calls if spans(one, frame.f_lineno)]
    return bool(here) and all(_is_read(one, code) or _is_read_by_name(one, code) for one in here)


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _is_read(node: ast.AST, code: Code) -> bool:
    """Return whether a part of an expression becomes a number of Python or a text before anything else."""
    for above in code.above(node):
        if isinstance(above, ast.FormattedValue) or (isinstance(above, ast.Call) and _called(above) in _READERS):
            return True
        if not isinstance(above, ast.Attribute | ast.Call):
            return False
    return False


def _is_read_by_name(node: ast.AST, code: Code) -> bool:
    """Return whether all uses of the name that a value gets read it."""
    statement = code.parents.get(node)
    if not isinstance(statement, ast.Assign) or not all(isinstance(one, ast.Name) for one in statement.targets):
        return False
    names = {one.id for one in statement.targets if isinstance(one, ast.Name)}
    uses = [
        one for one in code.nodes if isinstance(one, ast.Name) and one.id in names and isinstance(one.ctx, ast.Load)
    ]
    return all(_is_read(one, code) for one in uses)
