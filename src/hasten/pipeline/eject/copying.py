"""Copy functions, classes and constants as source text, with everything of the same code base that they use.

What belongs to hasten, and a person's modules that import hasten, is copied; all other modules are imported.
"""

import ast
import builtins
import dis
import re
import sys
import textwrap
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

from hasten.base.errors import Refused
from hasten.pipeline.eject import plain
from hasten.pipeline.eject.acting import Scope, changes_of, is_guard, is_of_hasten, is_own, is_persons

_ERRORS = re.compile(r"\bBadInput\b")
_IMPORTS_HASTEN = re.compile(r"^(?:from|import) hasten\b", re.MULTILINE)

CALLED = {
    "model": "build_model",
    "optimizer": "build_optimizer",
    "scheduler": "build_scheduler",
    "session": "build_session",
    "step": "train_step",
}
"""Names of functions that are variables of the script -> what they are called in it."""


@dataclass(frozen=True, order=True)
class Import:
    """One imported name: `import module [as alias]`, or `from module import name [as alias]`."""

    module: str
    name: str = ""
    alias: str = ""

    @property
    def bound(self) -> str:
        """The name that the statement binds."""
        return self.alias or self.name or self.module.partition(".")[0]


@dataclass
class Module:
    """A module as text: its lines, and the statement that binds each name at its top.

    Args:
        name: of the module.
        lines: of its text.
        bound: name -> the last statement that binds it.
        statements: at its top.
        changed: name -> the statements that bind it or change its object; `OUTSIDE` -> those that change something
            that is no variable of the module. Empty for modules of hasten.
        scope: its variables.
    """

    name: str
    lines: list[str]
    bound: dict[str, int]
    statements: list[ast.stmt]
    changed: dict[str, list[int]] = field(default_factory=dict[str, list[int]])
    scope: Scope = field(default_factory=lambda: Scope({}, {}))

    def places(self, name: str) -> list[int]:
        """Return the statements that make the object of a variable, in their order."""
        return sorted({*self.changed.get(name, []), self.bound[name]})

    def key(self, place: int) -> str:
        """Return what a statement is called here: by a name that it binds last, or by its number."""
        return min((one for one in bound_by(self.statements[place]) if self.bound[one] == place), default=str(place))

    def text(self, node: ast.AST) -> str:
        """Return the lines of a statement or an expression's own characters."""
        return source_of(self.lines, node)


@dataclass
class Copier:
    """Collects what a script needs: imports, and copied definitions in an order in which each follows what it uses.

    Args:
        imports: that the script needs.
        pieces: (module, name) -> text.
        objects: id of an object -> the constant of the script that is one like it.
        maker: module and name of the function that makes the task.
        shared: its variables that functions inside it use, and that the script has as global ones.
        acting: pieces that are copied for what they change, and not for a name.
        order: module and statement -> its place among all that run while the task file is loaded; empty where nothing
            is copied for what it changes.
        imported: module that is imported and not copied -> the place of the first statement that imports it.
        first: place of the first statement that is copied for what it changes; -1 where an import draws random numbers.
        forced: imports that the script needs for what they change.
    """

    imports: set[Import] = field(default_factory=set[Import])
    pieces: dict[tuple[str, str], str] = field(default_factory=dict[tuple[str, str], str])
    objects: dict[int, str] = field(default_factory=dict[int, str])
    maker: tuple[str, str] = "", ""
    shared: set[str] = field(default_factory=set[str])
    acting: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    order: dict[tuple[str, int], int] = field(default_factory=dict[tuple[str, int], int])
    imported: dict[str, int] = field(default_factory=dict[str, int])
    first: int = 0
    forced: set[Import] = field(default_factory=set[Import])
    _owner: dict[str, tuple[str, str]] = field(default_factory=dict[str, tuple[str, str]])

    @property
    def lines_of_hasten(self) -> int:
        """How many lines of definitions of hasten were copied."""
        own = [piece for (module, _), piece in self.pieces.items() if module.startswith("hasten.")]
        return sum(piece.count("\n") + 1 for piece in own)

    @property
    def names(self) -> set[str]:
        """Every name that the copied text binds."""
        return {one.bound for one in self.imports} | self._owner.keys()

    def is_of_maker(self, function: Any) -> bool:
        """Return whether a function is defined inside of the one that makes the task."""
        module, maker = self.maker
        files = [getattr(sys.modules.get(one), "__file__", one) for one in (module, function.__module__)]
        return files[0] == files[1] and function.__qualname__.split(".<locals>")[0] == maker

    def may_share(self, function: Any, name: str) -> bool:
        """Return whether a variable outside of a function is one of the function that makes the task, and note it."""
        if not self.is_of_maker(function):
            return False
        self.shared.add(name)
        return True

    def statement(self, text: str) -> None:
        """Note import statements."""
        for node in ast.parse(text).body:
            self.imports.update(_imports_of(node))

    def copy(self, value: Any) -> str:
        """Copy a function or class, or import it where its module is not hasten's; return the name that it has.

        Raises:
            Refused: if it is not at the top of a module.
        """
        module: str = value.__module__
        name: str = value.__qualname__
        if "<locals>" in name and self.may_share(value, name.rpartition(".")[2]):
            return name.rpartition(".")[2]
        if "<locals>" in name:
            raise Refused(f"{name} is defined inside another function. Move it to the top of its file")
        self.need(module, name.partition(".")[0])
        return CALLED.get(name, name)

    def needs_of(self, text: str, module: str) -> str:
        """Copy or import whatever a piece of code of a module uses from the top of that module; return its new text.

        Raises:
            Refused: if something cannot be copied; with the reason.
        """
        known = module_of(module)
        text = self._by_name(text, known)
        needed, noted = free_names(text)
        for name in sorted(needed | noted):
            if name in known.bound:
                self.need(module, name)
        return text

    def _by_name(self, text: str, known: Module) -> str:
        """Return code that uses what hasten offers by its name, `Data` for `hasten.Data`, and copy that."""
        bound = {name: known.statements[place] for name, place in known.bound.items()}
        names = {one for one, by in bound.items() if isinstance(by, ast.Import) and _is_hasten(by, one)}
        used = [
            one
            for one in ast.walk(ast.parse(text))
            if isinstance(one, ast.Attribute) and isinstance(one.value, ast.Name) and one.value.id in names
        ]
        if not used:
            return text
        text = replaced(text, [(one, one.attr) for one in used])
        needed, _ = free_names(text)
        public = import_module("hasten")
        values = {one.attr: getattr(public, one.attr) for one in used}
        for name in sorted(values.keys() & needed):
            self.need(values[name].__module__, values[name].__qualname__)
        return _any_for(text, values.keys() - needed)

    def need(self, module: str, name: str) -> None:
        """Copy or import one name from the top of a module."""
        if (module, name) in plain.STAND_INS:
            stand_in = plain.STAND_INS[module, name]
            if stand_in != name:
                self._place(f"{name} = {stand_in}", (module, name), needs=[(plain.__name__, stand_in)])
                return
            module = plain.__name__
        if not is_copied(module):
            self._import(Import(module, name))
            return
        known = module_of(module)
        if name not in known.bound:
            raise Refused(f"{name} is not defined at the top of {module}")
        for place in known.places(name):
            self._need_statement(known, place, name)

    def _need_statement(self, known: Module, place: int, name: str) -> None:
        """Copy a statement that makes the object of a name, or import that."""
        module, statement = known.name, known.statements[place]
        if isinstance(statement, ast.Import | ast.ImportFrom):
            star = Import(getattr(statement, "module", None) or "", name)
            one = next((one for one in _imports_of(statement) if one.bound == name), star)
            origin = _absolute(statement, one.module, module)
            if origin == "hasten" or (origin.startswith("hasten.") and not one.name):
                origin, one = _public(one, module, name)
            if is_copied(origin):
                if one.bound != one.name:
                    raise Refused(f"{module} imports {one.name} of {origin} as {one.bound}. Import it by its own name")
                self.need(origin, one.name)
            else:
                self._import(Import(origin, one.name, one.alias))
            return
        self._define(known, place)

    def keep(self, known: Module, place: int) -> None:
        """Copy a statement for what it changes.

        Raises:
            Refused: if it cannot be copied; names the file and the line.
        """
        statement = known.statements[place]
        self.acting.add((known.name, known.key(place)))
        try:
            self._define(known, place)
        except Refused as error:
            raise not_copied(known, statement, str(error)) from error

    def _define(self, known: Module, place: int) -> None:
        module, statement = known.name, known.statements[place]
        key = (module, known.key(place))
        if key in self.pieces:
            return
        text = self._by_name(_documented(known, statement), known)
        if key in self.acting:
            text = _named_as_module(text, module)
            self._check_inner_imports(known, statement)
        needed, noted = free_names(text)
        other = {one for one in noted - needed if one in known.bound and _is_type_of_hasten(known, one)}
        if other:
            text, needed, noted = _any_for(text, other), needed, noted - other
            self.imports.add(Import("typing", "Any"))
        inner = {one for one in bound_by(statement) if known.places(one)[0] == place}
        needs = [(module, one) for one in sorted(needed | noted) if one in known.bound and one not in inner]
        if module.startswith("hasten."):
            text, needs = _ERRORS.sub("ValueError", text), [one for one in needs if one[1] != "BadInput"]
        self._place(text, key, needs=needs, also=bound_by(statement))

    def place(self, text: str, module: str, name: str) -> None:
        """Take a definition over as it is; `needs_of` has noted what it uses.

        Raises:
            Refused: if the name is taken.
        """
        self._place(text, (module, name), needs=())

    def _place(
        self, text: str, key: tuple[str, str], *, needs: Iterable[tuple[str, str]], also: Iterable[str] = ()
    ) -> None:
        if key in self.pieces:
            return
        for name in {*filter(str.isidentifier, [key[1]]), *also}:
            owner = self._owner.setdefault(name, key)
            if owner[0] != key[0]:
                raise Refused(f"two definitions have the name {name}: one in {owner[0]} and one in {key[0]}")
        self.pieces[key] = ""  # keeps its place while what it needs is copied: functions may call each other
        for module, name in needs:
            self.need(module, name)
        del self.pieces[key]
        self.pieces[key] = text

    def _check_inner_imports(self, known: Module, statement: ast.stmt) -> None:
        """Refuse a statement with an import inside of it of what the script does not import."""
        for inner in ast.walk(statement):
            for one in _imports_of(inner):
                origin = _absolute(inner, one.module, known.name)
                if is_of_hasten(origin) or (origin in sys.modules and is_copied(origin)):
                    raise Refused(f"it imports {origin}, which the script does not. Import it at the top of the file")

    def _import(self, one: Import) -> None:
        clash = self._owner.get(one.bound)
        if clash is not None:
            raise Refused(f"the name {one.bound} is imported from {one.module} and defined in {clash[0]}")
        self.imports.add(one)


def not_copied(known: Module, statement: ast.stmt, reason: str) -> Refused:
    """Return the error for a statement that the script would need and cannot have."""
    file = getattr(sys.modules.get(known.name), "__file__", known.name)
    return Refused(f"{file}, line {statement.lineno}: the script cannot have this statement: {reason}")


def _named_as_module(text: str, module: str) -> str:
    """Return code in which `__name__` is the name of its module, as the script has another."""
    uses = [one for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Name) and one.id == "__name__"]
    return replaced(text, [(one, f'"{module}"') for one in uses])


def imports_of(statement: ast.AST, inside: str) -> list[Import]:
    """Return what an import statement of a module imports, without relative names of modules."""
    return [Import(_absolute(statement, one.module, inside), one.name, one.alias) for one in _imports_of(statement)]


def imported_modules(statement: ast.AST, inside: str) -> list[str]:
    """Return the modules that an import statement of a module loads, packages before what is in them."""
    found = list[str]()
    for one in imports_of(statement, inside):
        parts = one.module.split(".")
        found += [".".join(parts[: count + 1]) for count in range(len(parts))]
        found += [f"{one.module}.{one.name}"] if f"{one.module}.{one.name}" in sys.modules else []
    return list(dict.fromkeys(found))


def module_of(name: str) -> Module:
    """Return the text of an imported module."""
    return _read(sys.modules.get(name) or import_module(name), name)


@cache  # by the module: another file may be imported later under its name
def _read(module: ModuleType, name: str) -> Module:
    path = getattr(module, "__file__", None)
    if path is None or not path.endswith(".py"):
        raise Refused(f"the module {name} has no source text")
    text = Path(path).read_text(encoding="utf-8")
    tree = ast.parse(text)
    bound: dict[str, int] = {}
    for number, statement in enumerate(tree.body):
        for own in bound_by(statement) | _bound_by_star(statement, name):
            bound[own] = number
    scope = _scope(tree.body, module)
    changed = _changed(tree.body, scope) if is_persons(name) else {}
    return Module(name, text.splitlines(), bound, tree.body, changed, scope)


def _scope(statements: list[ast.stmt], module: ModuleType) -> Scope:
    made, of_hasten = dict[str, ast.expr](), set[str]()
    for one in statements:
        if isinstance(one, ast.Assign | ast.AnnAssign) and one.value is not None:
            made |= dict.fromkeys(bound_by(one), one.value)
        from_hasten = [had.bound for had in _imports_of(one) if is_of_hasten(had.module)]
        of_hasten |= {*from_hasten, *(_bound_by_star(one, "") if from_hasten else ())}
    return Scope(vars(module), made, of_hasten)


def _changed(statements: list[ast.stmt], scope: Scope) -> dict[str, list[int]]:
    """Return which statements of a person's module bind or change each variable, and anything else."""
    changed = dict[str, list[int]]()
    for place, one in enumerate(statements):
        for name in changes_of(one, scope) | bound_by(one):
            changed.setdefault(name, []).append(place)
    return changed


def is_copied(module: str) -> bool:
    """Return whether what a module defines is copied: it belongs to hasten, or it imports hasten."""
    if is_of_hasten(module):
        return True
    if not is_own(module):
        return False
    text = Path(str(sys.modules[module].__file__)).read_text(encoding="utf-8")
    return bool(_IMPORTS_HASTEN.search(text)) or module == "__main__"


def free_names(text: str) -> tuple[set[str], set[str]]:
    """Return the global names that code uses when it runs, and those that only its annotations use."""
    tree = ast.parse(textwrap.dedent(text))
    every = _globals(compile(tree, "<script>", "exec", dont_inherit=True)) | _quoted(tree)
    without = ast.parse(textwrap.dedent(text))
    for node in ast.walk(without):
        if isinstance(node, ast.arg):
            node.annotation = None
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            node.returns = None
    running = _globals(compile(without, "<script>", "exec", dont_inherit=True))
    return running, every - running


def source_of(lines: list[str], node: Any) -> str:
    """Return the text of a node; a statement with its decorators and what else stands on its lines."""
    if isinstance(node, ast.stmt):
        first = min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])
        return textwrap.dedent("\n".join(lines[first - 1 : node.end_lineno]))
    text = ast.get_source_segment("\n".join(lines), node)
    assert text is not None, "nodes of parsed text have a place"
    return text


def replaced(text: str, changes: Iterable[tuple[ast.AST, str]]) -> str:
    """Return text with nodes of it replaced by other text."""
    lines = text.split("\n")
    places: list[tuple[int, int, int, int, str]] = []
    for node, new in changes:
        where: Any = node
        places.append((where.lineno, where.col_offset, where.end_lineno, where.end_col_offset, new))
    places.sort(reverse=True)
    for first, start, last, end, new in places:
        before, after = lines[first - 1].encode()[:start].decode(), lines[last - 1].encode()[end:].decode()
        lines[first - 1 : last] = [before + new + after]
    return "\n".join(lines)


def renamed(text: str, name: str, other: str) -> str:
    """Return a piece of code in which a global name, defined or used there, is another one."""
    tree, changes = ast.parse(text), list[tuple[ast.AST, str]]()
    if name in free_names(text)[0]:
        changes = [(one, other) for one in ast.walk(tree) if isinstance(one, ast.Name) and one.id == name]
    defined = re.compile(rf"^((?:async )?def|class) {re.escape(name)}\b", re.MULTILINE)
    return defined.sub(rf"\1 {other}", replaced(text, changes))


def bound_names(text: str) -> set[str]:
    """Return the names that a piece of code binds at its top."""
    return set[str]().union(*map(bound_by, ast.parse(text).body))


def called_under_its_own_name(text: str) -> set[str]:
    """Return the names that a function calls and also has as variables: `loss = loss(model, batch)` cannot run."""
    nodes = list(ast.walk(ast.parse(text)))
    stored = {one.id for one in nodes if isinstance(one, ast.Name) and isinstance(one.ctx, ast.Store)}
    stored |= {one.arg for one in nodes if isinstance(one, ast.arg)}
    return stored & {one.func.id for one in nodes if isinstance(one, ast.Call) and isinstance(one.func, ast.Name)}


def calls_renamed(text: str, name: str, other: str) -> str:
    """Return a piece of code that calls another function in the place of the one of this name."""
    calls = (one.func for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Call))
    return replaced(text, [(one, other) for one in calls if isinstance(one, ast.Name) and one.id == name])


def indented(parts: Iterable[str]) -> list[str]:
    """Return the lines of pieces of code, one level deeper; empty ones stay empty."""
    return ["    " + line if line else "" for part in parts for line in part.split("\n")]


def _globals(code: CodeType) -> set[str]:
    found = {
        one.argval for one in dis.get_instructions(code) if one.opname in ("LOAD_GLOBAL", "LOAD_NAME")
    }  # fmt: skip
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            found |= _globals(constant)
    return {name for name in found if not hasattr(builtins, name)}


def _quoted(tree: ast.AST) -> set[str]:
    """Return the names in annotations that are written as text."""
    found: set[str] = set()
    for node in ast.walk(tree):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            for one in ast.walk(annotation) if annotation is not None else ():
                if isinstance(one, ast.Constant) and isinstance(one.value, str):
                    found |= set(re.findall(r"[A-Za-z_]\w*", one.value))
    return found


def bound_by(statement: ast.stmt) -> set[str]:
    """Return the names that a statement at the top of a module binds."""
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return {statement.name}
    if isinstance(statement, ast.Import | ast.ImportFrom):
        return {one.bound for one in _imports_of(statement)}
    return set() if is_guard(statement) else _bound_inside(statement)


def _bound_by_star(statement: ast.stmt, inside: str) -> set[str]:
    """Return the names that `from module import *` binds in a module."""
    if not isinstance(statement, ast.ImportFrom) or statement.names[0].name != "*":
        return set()
    values = getattr(sys.modules.get(_absolute(statement, statement.module or "", inside)), "__dict__", {})
    return {*values.get("__all__", (one for one in values if not one.startswith("_")))}


def _bound_inside(node: ast.AST) -> set[str]:
    """Return the names that the parts of a statement bind, but for those of functions and comprehensions in it."""
    if isinstance(node, ast.Name):
        return {node.id} if isinstance(node.ctx, ast.Store) else set()
    if isinstance(node, ast.Lambda | ast.comprehension):
        return set()
    found = set[str]()
    for one in ast.iter_child_nodes(node):
        found |= bound_by(one) if isinstance(one, ast.stmt) else _bound_inside(one)
    return found


def _is_hasten(statement: ast.Import, name: str) -> bool:
    return any((one.asname or one.name) == name and one.name == "hasten" for one in statement.names)


def _imports_of(statement: ast.AST) -> Iterator[Import]:
    if isinstance(statement, ast.Import):
        for one in statement.names:
            yield Import(one.name, alias=one.asname or "")
    elif isinstance(statement, ast.ImportFrom):
        for one in statement.names:
            yield Import(statement.module or "", one.name, one.asname or "")


def _absolute(statement: ast.AST, module: str, inside: str) -> str:
    level = statement.level if isinstance(statement, ast.ImportFrom) else 0
    if not level:
        return module
    package = inside.split(".")[:-level]
    return ".".join([*package, module] if module else package)


def _public(one: Import, module: str, name: str) -> tuple[str, Import]:
    """Return where a name that hasten itself offers is defined."""
    if not one.name:
        raise Refused(f"{module} uses {name} as a module. Write `from {one.module} import ...` instead")
    value = getattr(import_module(one.module), one.name)
    return value.__module__, Import(value.__module__, value.__qualname__, one.alias)


def _documented(known: Module, statement: ast.stmt) -> str:
    """Return a statement with the text below it that documents a constant."""
    place = known.statements.index(statement) + 1
    text = _alone(known, place - 1)
    if isinstance(statement, ast.Assign | ast.AnnAssign) and place < len(known.statements):
        below = known.statements[place]
        if isinstance(below, ast.Expr) and isinstance(below.value, ast.Constant) and isinstance(below.value.value, str):
            text += "\n" + known.text(below)
    return text


def _alone(known: Module, place: int) -> str:
    """Return the text of a statement, without others that stand on its lines."""
    one: Any = known.statements[place]
    others: list[Any] = known.statements[max(place - 1, 0) : place] + known.statements[place + 1 : place + 2]
    if not any(other.lineno <= one.end_lineno and one.lineno <= other.end_lineno for other in others):
        return known.text(one)
    text = ast.get_source_segment("\n".join(known.lines), one)
    assert text is not None, "nodes of parsed text have a place"
    return text


def _is_type_of_hasten(known: Module, name: str) -> bool:
    """Return whether a name is a class of hasten's, which an annotation does not need."""
    statement = known.statements[known.bound[name]]
    if isinstance(statement, ast.ClassDef):
        return known.name.startswith("hasten.")
    if not isinstance(statement, ast.ImportFrom) or not (statement.module or "").startswith("hasten"):
        return False
    return isinstance(getattr(import_module(statement.module or ""), name, None), type)


def _any_for(text: str, names: Collection[str]) -> str:
    """Return code whose annotations with one of the names are `Any`."""
    names = set(names)
    changes: list[tuple[ast.AST, str]] = []
    for node in ast.walk(ast.parse(text)):
        for annotation in (getattr(node, "annotation", None), getattr(node, "returns", None)):
            if annotation is not None and names & {n.id for n in ast.walk(annotation) if isinstance(n, ast.Name)}:
                changes.append((annotation, "Any"))
    return replaced(text, changes)
