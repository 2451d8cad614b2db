"""Whether the code of the loops under way can leave them early, as by patience: read from their source."""

import ast
import linecache
from functools import lru_cache

from hasten.diagnosis.watching.source import persons_frames

_Loop = ast.For | ast.AsyncFor | ast.While


def can_end_early() -> bool:
    """Return whether a loop that called this, over other functions, has a `break` or `return`, or a condition.

    Looked at is the code that trains, the person's or a trainer's, and what called it up to what runs the program. A
    `while` that compares numbers is no condition: it counts steps.
    """
    return any(_leaves(loop) for frame in persons_frames() for loop in _loops(frame.f_code.co_filename, frame.f_lineno))


def _loops(file: str, line: int) -> list[_Loop]:
    """Return the loops around a line; none where the source cannot be read."""
    return [one for one in _all_loops(file) if one.lineno < line <= (one.end_lineno or 0)]


@lru_cache(maxsize=64)
def _all_loops(file: str) -> tuple[_Loop, ...]:
    try:
        tree = ast.parse("".join(linecache.getlines(file)))
    except (SyntaxError, ValueError):
        return ()
    return tuple(one for one in ast.walk(tree) if isinstance(one, _Loop))


def _leaves(loop: _Loop) -> bool:
    if isinstance(loop, ast.While) and not isinstance(loop.test, ast.Compare | ast.Constant):
        return True
    return any(_exits(one, own=True) for one in loop.body)


def _exits(node: ast.AST, *, own: bool) -> bool:
    """Return whether a statement leaves a loop; a `break` inside of another loop (not `own`) leaves only that one."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
        return False
    if isinstance(node, ast.Return) or (own and isinstance(node, ast.Break)):
        return True
    own = own and not isinstance(node, _Loop)
    return any(_exits(one, own=own) for one in ast.iter_child_nodes(node))
