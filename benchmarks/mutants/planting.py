"""The bugs that can be planted in a file: one operator, constant, condition or statement changed."""

import ast
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parent.parent.parent
PACKAGE = ROOT / "src" / "hasten"

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip
_ASSERTIONS = ("frozen", "strict")
"""Keywords that only forbid a mistake of the programmer: of `dataclass` and of `zip`."""


@dataclass(frozen=True)
class Mutant:
    """One planted bug.

    Attributes:
        name: file, text of the line and change, with a number where that is the same more than once in the file.
        room: the folder of the package whose tests must kill it.
        file: relative to the package.
        number: of the mutant in its file.
        lines: the lines of the statement, without its body; empty if it runs when the module is imported.
    """

    name: str
    room: str
    file: str
    number: int
    lines: range


class _Planter(ast.NodeTransformer):
    """Count the places where a bug can be planted, and plant the one with the given number (none if -1)."""

    def __init__(self, number: int = -1) -> None:
        self.number = number
        self.found: list[tuple[int, str, range]] = []
        self._lines = range(0)
        self._functions = 0

    def visit(self, node: ast.AST) -> ast.AST:
        """Visit a node; note the lines of the statement that it is in."""
        if not isinstance(node, ast.stmt):
            return super().visit(node)
        outer, body = self._lines, getattr(node, "body", None)
        end = body[0].lineno if body else (node.end_lineno or node.lineno) + 1
        self._lines = range(node.lineno, max(end, node.lineno + 1)) if self._functions else range(0)
        changed = super().visit(node)
        self._lines = outer
        return changed

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        node.args = self.visit(node.args)  # defaults: they are evaluated where the function is defined
        self._functions += 1
        node.body = [self.visit(one) for one in node.body]
        self._functions -= 1
        return node

    def _here(self, node: ast.AST, change: str) -> bool:
        self.found.append((getattr(node, "lineno", 0), change, self._lines))
        return len(self.found) - 1 == self.number

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        self.generic_visit(node)
        for index, operator in enumerate(node.ops):
            other = _COMPARED[type(operator)]
            if self._here(node, f"{type(operator).__name__} -> {other.__name__}"):
                node.ops[index] = other()
        return node

    def visit_BinOp(self, node: ast.BinOp) -> ast.AST:
        self.generic_visit(node)
        other = _COMPUTED.get(type(node.op))
        if other is not None and self._here(node, f"{type(node.op).__name__} -> {other.__name__}"):
            node.op = other()
        return node

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        self.generic_visit(node)
        if self._here(node, "and <-> or"):
            node.op = ast.Or() if isinstance(node.op, ast.And) else ast.And()
        return node

    def visit_UnaryOp(self, node: ast.UnaryOp) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.op, ast.Not) and self._here(node, "not removed"):
            return node.operand
        return node

    def visit_Constant(self, node: ast.Constant) -> ast.AST:
        value = node.value
        if isinstance(value, bool):
            if self._here(node, f"{value} -> {not value}"):
                return ast.copy_location(ast.Constant(not value), node)
        elif isinstance(value, int | float):
            other = value + 1 if isinstance(value, int) else value * 2 + (value == 0)
            if self._here(node, f"{value} -> {other}"):
                return ast.copy_location(ast.Constant(other), node)
        return node

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        return node if node.arg in _ASSERTIONS else self.generic_visit(node)

    def visit_If(self, node: ast.If) -> ast.AST:
        self.generic_visit(node)
        if self._here(node, "condition negated"):
            node.test = ast.UnaryOp(ast.Not(), node.test)
        return node

    def visit_Return(self, node: ast.Return) -> ast.AST:
        self.generic_visit(node)
        if node.value is not None and not _is_none(node.value) and self._here(node, "return None"):
            node.value = ast.Constant(None)
        return node

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        self.generic_visit(node)
        if isinstance(node.value, ast.Call) and self._here(node, "call dropped"):
            return ast.copy_location(ast.Pass(), node)
        return node

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        self.generic_visit(node)
        if self._here(node, "update dropped"):
            return ast.copy_location(ast.Pass(), node)
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        """Leave the text of errors alone: the tests are not about numbers in messages."""
        if self._here(node, "raise dropped"):
            return ast.copy_location(ast.Pass(), node)
        return node

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node


def _is_none(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and node.value is None


def mutants_of(room: str) -> Iterator[Mutant]:
    """Yield every mutant of a room of the package."""
    for file in sorted((PACKAGE / room).rglob("*.py")):
        yield from _mutants_of(file, room)


def _mutants_of(file: Path, room: str) -> Iterator[Mutant]:
    text = file.read_text()
    lines, planter, seen = text.splitlines(), _Planter(), Counter[str]()
    planter.visit(ast.parse(text))
    relative = str(file.relative_to(PACKAGE))
    for number, (line, change, span) in enumerate(planter.found):
        name = f"{relative}: {lines[line - 1].strip()} [{change}]"
        seen[name] += 1
        yield Mutant(name if seen[name] == 1 else f"{name} #{seen[name]}", room, relative, number, span)


def planted(mutant: Mutant) -> str:
    """Return the text of the file with the bug in it."""
    tree = _Planter(mutant.number).visit(ast.parse((PACKAGE / mutant.file).read_text()))
    return ast.unparse(ast.fix_missing_locations(tree))
