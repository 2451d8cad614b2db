"""Which random numbers a script draws: in the data that it makes, in samples, and from which generators."""

import ast
import re
import sys
import types
from collections.abc import Collection, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import default_collate

from hasten.base.errors import Refused
from hasten.data.loading.sample_randomness import drawn_from, generators_of
from hasten.pipeline.eject.acting import is_guard, is_own
from hasten.pipeline.eject.copying import Import, Module, module_of

DRAWS = re.compile(
    r"\b(rand|randn|randint|randperm|rand_like|randn_like|randint_like|normal_?|uniform_?|random_?|bernoulli_?|gauss|"
    r"multinomial|shuffle|permutation|permuted|standard_normal|sample|choices?|random_split|"
    r"kaiming_\w+|xavier_\w+|trunc_normal_)\(|\bnn\.[A-Z]\w+\("
)
"""The call of a function that draws random numbers, or initializes a layer with some."""
_ELSEWHERE = re.compile(r"\b(np|numpy)\.random\b|(?<!\.)\brandom\.\w")
_HARMLESS = frozenset({"torch", "numpy", "torchmetrics", "pytorch_optimizer", "scipy"})
_GLOBAL = 3  # of torch, numpy and Python


def draw_elsewhere(text: str, imports: Iterable[Import]) -> bool:
    """Return whether a script may draw from the generators of Python or numpy, and not of torch alone."""
    roots = {one.module.partition(".")[0] for one in imports} - _HARMLESS - sys.stdlib_module_names
    named = {(one.module, one.name) for one in imports}
    if _ELSEWHERE.search(text) or ("numpy", "random") in named or any(module == "random" for module, _ in named):
        return True
    return any(map(_module_draws, roots))


def _module_draws(root: str) -> bool:
    """Return whether a module, or one in its folder, may draw; a package is taken to."""
    path = getattr(sys.modules.get(root), "__file__", None)
    if path is None or "site-packages" in path or path.endswith("__init__.py"):
        return True
    files = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    beside = [one for one in files if one is not None and Path(one).parent == Path(path).parent and one.endswith(".py")]
    return any(re.search(r"\brandom\b", Path(one).read_text(encoding="utf-8")) for one in beside)


def may_draw(text: str, known: Module, seen: Collection[str] = ()) -> bool:
    """Return whether code of a module may draw from a global generator, itself or by a function that it calls."""
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and not any(one.arg == "generator" for one in node.keywords):
            name = ast.unparse(node.func)
            if name not in known.bound and DRAWS.search(f"{name}("):
                return True
    names = {one.id for one in ast.walk(ast.parse(text)) if isinstance(one, ast.Name)} & known.bound.keys() - set(seen)
    return any(_definition_draws(name, known, {*seen, *names}) for name in names)


def makes_a_value(statement: ast.stmt) -> bool:
    """Return whether a statement computes something, and does not define or import it."""
    if isinstance(statement, ast.FunctionDef | ast.ClassDef | ast.Import | ast.ImportFrom):
        return False
    value = getattr(statement, "value", None)
    return not isinstance(value, ast.Lambda | ast.Constant)


def draws_at_top(module: str) -> bool:
    """Return whether importing a file of the person may draw from a global generator."""
    known = module_of(module)
    computing = [one for one in known.statements if makes_a_value(one) and not is_guard(one)]
    return any(may_draw(known.text(one), known) for one in computing)


def _definition_draws(name: str, known: Module, seen: Collection[str]) -> bool:
    statement = known.statements[known.bound[name]]
    if not isinstance(statement, ast.Import | ast.ImportFrom):
        return may_draw(known.text(statement), known, seen)
    value = getattr(sys.modules.get(known.name), name, None)
    if not isinstance(value, types.FunctionType | type) or not is_own(value.__module__):
        return False
    other = module_of(value.__module__)
    return value.__name__ in other.bound and _definition_draws(value.__name__, other, ())


def seeds_of_samples(dataset: Any, collate: Any, path: str) -> tuple[str, ...]:
    """Return the statements that seed what samples draw from by `seed`; nothing where they draw nothing.

    Args:
        dataset: map-style.
        collate: makes a batch of samples; None for torch's own.
        path: expression of the data set.

    Raises:
        Refused: if they draw from a generator that the data set does not hold as an attribute.
    """
    drawn = drawn_from(dataset, collate or default_collate)
    if not drawn:
        return ()
    lines = list[str]()
    for number in drawn:
        seed = f"derive(seed, {number})"
        if number < _GLOBAL:
            forms = "torch.manual_seed({})", "np.random.seed({} % 2**32)", "random.seed({} % 2**32)"
            lines.append(forms[number].format(seed))
            continue
        own = generators_of(dataset, collate or default_collate)[number]
        name = next((name for name, value in getattr(dataset, "__dict__", {}).items() if value is own), None)
        if name is None:
            raise Refused(
                f"the samples draw from a {type(own).__name__} of their own. Make it an attribute of the data set"
            )
        place = f"{path}.{name}"
        if isinstance(own, torch.Generator):
            lines.append(f"{place}.manual_seed({seed})")
        elif isinstance(own, np.random.Generator):
            state = f"type({place}.bit_generator)({seed}).state"
            lines.append(f"{place}.bit_generator.state = {state}")
        else:
            lines.append(f"{place}.seed({seed} % 2**32)")
    return tuple(lines)
