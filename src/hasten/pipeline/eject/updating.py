"""The optimizer and the learning-rate schedule of a task as lines of a script."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import nn, optim

from hasten.base.errors import Refused
from hasten.pipeline.eject import plain
from hasten.pipeline.eject.copying import Copier, Import
from hasten.pipeline.eject.expression import call, call_arguments, expression
from hasten.training.optimizers import TORCH, needs_closure
from hasten.training.replayed_schedule import replayed_schedule
from hasten.training.schedule import SCHEDULES, Schedule
from hasten.training.several_optimizers import SeveralOptimizers
from hasten.training.task import Update, is_optimizer_class

_SHAPES = {
    "exponential": "return {gamma} ** step",
    "step": "return {gamma} ** (step // {every})",
    "cosine": "return {final} + (1 - {final}) * (1 + math.cos(math.pi * min(step, {total}) / {total})) / 2",
    "linear": "return 1 + ({final} - 1) * min(step, {total}) / {total}",
}
_DEFAULTS = {
    "exponential": {"gamma": 0.999},
    "step": {"gamma": 0.1, "every": 1000},
    "cosine": {"final": 0.0},
    "linear": {"final": 0.0},
    "one_cycle": {"peak": 1.0, "rise": 0.3, "start": 0.04, "final": 4e-6},
}
_ONE_CYCLE = """turn, last = {rise} * {total} - 1, {total} - 1  # the steps with the highest and the lowest rate
if step <= turn:
    return between({start}, {peak}, step / turn if turn > 0 else 1.0)
return between({peak}, {final}, min(1.0, (step - turn) / max(last - turn, 1)))"""
_BETWEEN = '''def between(first: float, second: float, share: float) -> float:
    """Return the value at a share of the way from one number to another along half a cosine."""
    return second + (first - second) * (1 + math.cos(math.pi * share)) / 2'''


@dataclass(frozen=True)
class Updating:
    """The optimizer and the schedule of a script.

    Args:
        optimizer: statements that bind `optimizer`.
        lr: the learning rate, where it is a constant of the script.
        definitions: functions at the top.
        scheduler: statement that binds `scheduler`; empty where the rate is constant.
        moved: statements after each step.
        moved_by_epoch: statements after each epoch, where only reading the data tells its end.
        evaluated: statement after each evaluation.
        modal: expressions of the optimizers that have other weights for evaluation.
        package: another package that it needs.
        closure: whether the optimizer evaluates the loss several times in a step.
    """

    optimizer: str
    lr: float | None = None
    definitions: tuple[str, ...] = ()
    scheduler: str = ""
    moved: str = ""
    moved_by_epoch: str = ""
    evaluated: str = ""
    modal: str = ""
    package: str = ""
    closure: bool = False


def updating_of(
    update: Update, model: nn.Module, made: optim.Optimizer, copier: Copier, *, total: int | None, per_epoch: int | None
) -> Updating:
    """Return the lines of an optimizer and its schedule.

    Args:
        update: of the recipe.
        model: an example, to see which parameters are trained.
        made: an example of the optimizer.
        copier: of the script.
        total: steps of the run; None if only time ends it.
        per_epoch: steps of an epoch; None where only reading the data tells.

    Raises:
        Refused: if one of them cannot be written down.
    """
    frozen = any(not one.requires_grad for one in model.parameters())
    parameters = "[one for one in model.parameters() if one.requires_grad]" if frozen else "model.parameters()"
    kind, package, lr = update.optimizer, "", update.lr
    if isinstance(kind, str):
        name = kind.lower()
        options = {**TORCH.get(name, (None, {}))[1], **update.options}
        if name in TORCH:
            called = expression(TORCH[name][0], copier)
        else:
            from pytorch_optimizer import load_optimizer  # slow to import, and only needed for its own names

            called, package = load_optimizer(name).__name__, "pytorch_optimizer"
            copier.imports.add(Import(package, called))
        lines = f"optimizer = {called}({', '.join([parameters, 'lr=LR', *_keywords(options, copier)])})"
    elif is_optimizer_class(kind):
        rate = ["lr=LR"] if lr is not None else []
        lines = f"optimizer = {call(kind, ', '.join([parameters, *rate, *_keywords(update.options, copier)]), copier)}"
    else:
        lines = f"optimizer = {_together(call(kind, 'model', copier), kind, made, model, copier)}"
        if lr is not None:
            lines += '\nfor group in optimizer.param_groups:\n    group["lr"] = LR'
    definitions, scheduler, moved, evaluated = _schedule(update.schedule, made, total, copier)
    by_epoch = ""
    if update.schedule.per == "epoch" and moved:
        moved, by_epoch = ("", moved) if per_epoch is None else (f"if step % {per_epoch} == 0:\n    {moved}", "")
    return Updating(
        lines, lr, definitions, scheduler, moved, by_epoch, evaluated, _modal(made), package, needs_closure(made)
    )  # fmt: skip


def _together(made_by: str, kind: Any, made: optim.Optimizer, model: nn.Module, copier: Copier) -> str:
    """Return the expression of what a person's function makes, several optimizers as one."""
    if not isinstance(made, SeveralOptimizers):
        return made_by
    copier.copy(plain.Optimizers)
    if isinstance(kind(model), Mapping):
        return f"Optimizers(dict({made_by}))"
    return f"Optimizers({{str(place): one for place, one in enumerate({made_by})}})"


def _modal(made: optim.Optimizer) -> str:
    """Return the expressions of the optimizers that have other weights for evaluation."""
    if not isinstance(made, SeveralOptimizers):
        return "optimizer" if hasattr(made, "eval") else ""
    return ", ".join(f"optimizer.members[{name!r}]" for name, one in made.members.items() if hasattr(one, "eval"))


def _keywords(options: object, copier: Copier) -> list[str]:
    text = call_arguments((), dict(options), copier)  # type: ignore[call-overload]
    return [text] if text else []


def _schedule(
    schedule: Schedule, made: optim.Optimizer, total: int | None, copier: Copier
) -> tuple[tuple[str, ...], str, str, str]:
    """Return definitions, the statement that makes the scheduler, and those that move it."""
    lambda_lr = "scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, {})"
    if schedule.function is not None:
        if replayed_schedule(schedule, made) is None:
            return (), lambda_lr.format(expression(schedule.function, copier)), "scheduler.step()", ""
        return (), f"scheduler = {call(schedule.function, 'optimizer', copier)}", "scheduler.step()", ""
    if schedule.name == "plateau":
        if schedule.warmup:
            raise Refused("the schedule plateau with a warm-up has no counterpart in torch")
        given = {"factor": 0.1, "patience": 10, "threshold": 1e-4, **schedule.options}
        arguments = call_arguments((), {**given, "patience": int(given["patience"])}, copier)
        made_by = f"scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, {arguments}, eps=0.0)"
        return (), made_by, "", "scheduler.step(valid_loss)"
    if schedule.name == "fixed" and not schedule.warmup:
        return (), "", "", ""
    assert schedule.name in SCHEDULES, "Schedule knows no other names"
    if total is None:
        raise Refused("the schedule follows the time of a run that only time ends")
    return _factor(schedule, total, copier), lambda_lr.format("lr_factor"), "scheduler.step()", ""


def _factor(schedule: Schedule, total: int, copier: Copier) -> tuple[str, ...]:
    warmup, name = schedule.warmup, schedule.name
    values = {**_DEFAULTS.get(name, {}), **schedule.options}
    if "every" in values:
        values["every"] = int(values["every"])
    shown = {key: repr(value) for key, value in values.items()}
    body = _ONE_CYCLE if name == "one_cycle" else _SHAPES.get(name, "return 1.0")
    body = body.format(total=max(1, total - warmup), **shown)
    if "math." in body or name == "one_cycle":
        copier.imports.add(Import("math"))
    rise = f"    if step < {warmup}:\n        return (step + 1) / {warmup}\n    step -= {warmup}\n" if warmup else ""
    said = " after a linear warm-up" if warmup else ""
    lines = "\n".join(f"    {line}" for line in body.split("\n"))
    doc = f'    """Return the multiplier of the learning rate at a step, counted from 0: {name}{said}."""\n'
    definition = f"def lr_factor(step: int) -> float:\n{doc}{rise}{lines}"
    return (_BETWEEN, definition) if name == "one_cycle" else (definition,)
