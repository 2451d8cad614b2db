"""Plant small bugs in the code and see which of them the tests miss.

    python -m benchmarks.mutants [--sample 40] [--seed 0] [--seconds 600] [--room tuning] [--list]

Each mutant changes one operator, constant, condition or statement of one file of `ROOMS` in a copy of the package. The
tests of that room run on the copy, first those that import the file; a mutant is killed if one of them fails or they
take five times as long as without it. Survivors are printed; those that change no behavior are named in
`mutants_equivalent.txt` with the reason, and do not count. Writes `results/mutants.json`. The bar is 0.9.
"""

import argparse
import ast
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks.recording import record

ROOT = Path(__file__).parent.parent
SOURCE = ROOT / "src"
ROOMS = ("training", "measurement", "tuning", "data/store", "base")
EQUIVALENT = Path(__file__).parent / "mutants_equivalent.txt"
BAR = 0.9
SLOWEST = 5.0
"""Times as long as without the mutant, at least a minute: an endless loop counts as killed."""

_COMPARED: dict[type[ast.cmpop], type[ast.cmpop]] = {
    ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In,
}  # fmt: skip
_COMPUTED: dict[type[ast.operator], type[ast.operator]] = {
    ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Div, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult, ast.Pow: ast.Mult,
}  # fmt: skip


@dataclass(frozen=True)
class Mutant:
    """One planted bug: the `number`-th that can be planted in a file, the line, and what it does."""

    file: str
    number: int
    line: int
    change: str

    @property
    def name(self) -> str:
        """What names it in the list of equivalent ones: file, line's text and change."""
        text = (SOURCE / "hasten" / self.file).read_text().splitlines()[self.line - 1].strip()
        return f"{self.file}: {text} [{self.change}]"


class _Planter(ast.NodeTransformer):
    """Count the places where a bug can be planted, and plant the one with the given number (none if -1)."""

    def __init__(self, number: int = -1) -> None:
        self.number = number
        self.found: list[tuple[int, str]] = []

    def _here(self, node: ast.AST, change: str) -> bool:
        self.found.append((getattr(node, "lineno", 0), change))
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


def mutants_of(file: Path) -> Iterator[Mutant]:
    """Yield every mutant of a file of the package."""
    planter = _Planter()
    planter.visit(ast.parse(file.read_text()))
    name = str(file.relative_to(SOURCE / "hasten"))
    for number, (line, change) in enumerate(planter.found):
        yield Mutant(name, number, line, change)


def planted(mutant: Mutant) -> str:
    """Return the text of the file with the bug in it."""
    tree = _Planter(mutant.number).visit(ast.parse((SOURCE / "hasten" / mutant.file).read_text()))
    return ast.unparse(ast.fix_missing_locations(tree))


def tests_of(file: str) -> tuple[list[Path], list[Path]]:
    """Return the test files of the room that name the module, and the others."""
    room = ROOT / "tests" / Path(file).parts[0]
    module = "hasten." + file.removesuffix(".py").replace("/", ".")
    every = sorted(room.rglob("test_*.py"))
    naming = [test for test in every if module in test.read_text()]
    return naming, [test for test in every if test not in naming]


def killed(mutant: Mutant, package: Path, *, limit_s: float) -> bool:
    """Return whether the tests fail with the mutant in a copy of the package."""
    target = package / "hasten" / mutant.file
    whole = target.read_text()
    target.write_text(planted(mutant))
    try:
        return not all(_passes(tests, package, limit_s=limit_s) for tests in tests_of(mutant.file) if tests)
    finally:
        target.write_text(whole)


def _passes(tests: list[Path], package: Path, *, limit_s: float) -> bool:
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--no-header", "-p", "no:cacheprovider", *map(str, tests)]
    environment = os.environ | {"PYTHONPATH": str(package), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(
            command, cwd=ROOT, env=environment, timeout=limit_s, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def main() -> None:
    """Sample, plant, test and record."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--sample", type=int, default=40)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--seconds", type=float, default=600.0, help="begin no mutant later than this")
    parser.add_argument("--room", choices=ROOMS, help="one room only")
    parser.add_argument("--list", action="store_true", help="list the mutants and run none")
    options = parser.parse_args()
    rooms = [options.room] if options.room else ROOMS
    files = sorted(file for room in rooms for file in (SOURCE / "hasten" / room).rglob("*.py"))
    equivalent = {line.split(" # ")[0] for line in EQUIVALENT.read_text().splitlines() if line and line[0] != "#"}
    every = [mutant for file in files for mutant in mutants_of(file) if mutant.name not in equivalent]
    chosen = random.Random(options.seed).sample(every, min(options.sample, len(every)))
    if options.list:
        print("\n".join(mutant.name for mutant in chosen))
        return
    began, limits, survivors, done = time.monotonic(), dict[str, float](), list[Mutant](), 0
    with tempfile.TemporaryDirectory() as folder:
        package = Path(shutil.copytree(SOURCE, Path(folder) / "src"))
        for mutant in chosen:
            if time.monotonic() - began > options.seconds:
                break
            if mutant.file not in limits:
                start = time.monotonic()
                if not all(_passes(tests, package, limit_s=1200) for tests in tests_of(mutant.file) if tests):
                    raise SystemExit(f"the tests of {mutant.file} fail without any mutant; fix them first.")
                limits[mutant.file] = max(60.0, SLOWEST * (time.monotonic() - start))
            dead, done = killed(mutant, package, limit_s=limits[mutant.file]), done + 1
            survivors += [] if dead else [mutant]
            print(f"{'killed  ' if dead else 'SURVIVED'} {mutant.name}", flush=True)
    share = 1 - len(survivors) / done if done else 0.0
    print(f"{share:.2f} of {done} mutants killed; the bar is {BAR}")
    record(
        "mutants",
        {"rooms": rooms, "seed": options.seed, "of": len(every), "run": done, "killed": share,
         "survivors": [mutant.name for mutant in survivors]},
    )  # fmt: skip
    raise SystemExit(share < BAR)


if __name__ == "__main__":
    main()
