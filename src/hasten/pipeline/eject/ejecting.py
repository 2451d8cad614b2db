"""From a task and a plan to a script: which techniques are written out, and which are left out and why."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import torch
from msgspec import structs
from torch.nn.parameter import is_lazy
from torch.utils.data import DataLoader, IterableDataset

import hasten
from hasten.base.errors import BadInput, Refused
from hasten.base.files import write_atomically, write_text
from hasten.base.records.machine import Machine
from hasten.base.records.plan import Choice, Plan
from hasten.base.seeds import preserved
from hasten.data.augmentation.draws import Augment
from hasten.data.loading.given import is_by_number
from hasten.data.loading.loaders import whole
from hasten.data.loading.streams import is_function
from hasten.pipeline.eject.copying import Copier
from hasten.pipeline.eject.effects import check_callers, copy_effects
from hasten.pipeline.eject.expression import call, expression
from hasten.pipeline.eject.objective import called_only, objective_of
from hasten.pipeline.eject.origin import maker_of, origin_of
from hasten.pipeline.eject.own_step import own_step_of
from hasten.pipeline.eject.parts import Block, Parts, Reading
from hasten.pipeline.eject.quality import metric_of
from hasten.pipeline.eject.random_numbers import seeds_of_samples
from hasten.pipeline.eject.samples import samples_of, write_samples
from hasten.pipeline.eject.script import script
from hasten.pipeline.eject.updating import updating_of
from hasten.techniques.applying import apply_plan, in_order, make
from hasten.techniques.baseline import baseline_of
from hasten.techniques.plan_text import NOT_MEASURED, measured
from hasten.techniques.source import Ejectable, Source
from hasten.training.optimizers import build_optimizer
from hasten.training.output import compared
from hasten.training.recipe import Recipe
from hasten.training.task import Data, Stop, Task, Update, quality_of
from hasten.training.technique import Technique, choice_of

USED = "used today"
NO_SOURCE = "it has no form outside of hasten"


@dataclass(frozen=True)
class LeftOut:
    """A technique that the script lacks, why, and what it was measured to gain."""

    technique: str
    reason: str
    gain: str


@dataclass(frozen=True)
class Ejected:
    """A script, and what to know about it.

    Args:
        text: of the script.
        parts: what it was written from.
        left_out: techniques of the plan that it lacks.
        task: that it trains.
    """

    text: str
    parts: Parts
    left_out: tuple[LeftOut, ...]
    task: Task

    @property
    def notes(self) -> tuple[str, ...]:
        """What to tell who asked for the script: what it lacks and what that costs, and files beside it."""
        return (*self.left_out_notes, *filter(None, [self.parts.samples.note]))

    @property
    def left_out_notes(self) -> tuple[str, ...]:
        """What the script lacks of the plan, and what that costs."""
        return tuple(f"left out: {one.technique}: {one.reason}; {one.gain}" for one in self.left_out)

    def write(self, path: Path, *, force: bool = False) -> Path | None:
        """Write the script, and the samples that it reads if there are any; return the file of the samples.

        Raises:
            BadInput: if the file exists and `force` is False, or cannot be written.
        """
        data = path.with_suffix(".data.pt") if self.parts.samples.saved else None
        for file in filter(None, (path, data)):
            if file.exists() and not force:
                raise BadInput(f"{file} exists. Pass another -o FILE, or --force to replace it.")
        if data is not None:
            write_atomically(data, lambda file: write_samples(self.task, Path(file.name)))
        write_text(path, self.text)
        return data


def eject(task: Task, plan: Plan, machine: Machine) -> Ejected:
    """Return a task with its plan as one plain PyTorch script.

    Args:
        task: what to train; its files are read again by the script where that takes few lines, and else its prepared
            samples are saved beside the script.
        plan: which techniques to use; those that have no form outside of hasten are left out and named.
        machine: that the script is for: its device, and what techniques refuse on it.

    Raises:
        BadInput: if the plan is for another task.
        Refused: if a part of the task cannot be written as source, or a technique cannot be used here.
    """
    plain = baseline_of(task, machine)
    apply_plan(_ejectable(plan), plain, machine)
    return write_out(task, plan, plain)


def write_out(task: Task, plan: Plan, plain: Recipe) -> Ejected:
    """Return the script of a plan that is known to fit a task; otherwise as `eject`.

    Techniques that the training uses today are written as those of the plan are.
    """
    used = tuple(structs.replace(choice_of(one), note=USED) for one in plain.uses)
    whole = structs.replace(plan, choices=(*used, *plan.choices))
    choices = {one.technique: one for one in whole.choices}
    left_out = [
        LeftOut(name, NO_SOURCE, measured(choices[name])) for name in whole.names if not _has_source(choices[name])
    ]
    blocks, recipe = list[Block](), plain.bare or plain
    for one in in_order(make(choice.technique, choice.knobs) for choice in _ejectable(whole).choices):
        choice = choices[one.card.name]
        assert isinstance(one, Ejectable), "the others are left out"
        try:
            source = one.source(recipe)
        except Refused as error:
            left_out.append(LeftOut(one.card.name, str(error), measured(choice)))
            continue
        blocks.append(Block(one.card.name, _comment(one, choice, plan.machine), source))
        recipe = one.apply(recipe)
    return _written(task, plan, recipe, blocks, tuple(left_out))


def _has_source(choice: Choice) -> bool:
    return isinstance(make(choice.technique, choice.knobs), Ejectable)


def _ejectable(plan: Plan) -> Plan:
    """Return the plan with the techniques that say their source."""
    return plan.only(*(one.technique for one in plan.choices if _has_source(one)))


def _comment(one: Technique, choice: Choice, machine: str) -> str:
    text = measured(choice)
    gain = f"{text}{f', on {machine}' if machine and text not in (NOT_MEASURED, USED) else ''}"
    idea = one.card.idea.rpartition(": ")[2]
    return f"{choice.label} ({one.card.guarantee.value}): {idea}. {gain[:1].upper()}{gain[1:]}."


def _written(task: Task, plan: Plan, recipe: Recipe, blocks: Sequence[Block], left_out: tuple[LeftOut, ...]) -> Ejected:
    for part in (task, task.data, task.update, task.stop):
        _check_fields(part)
    ours, stop, copier = recipe.input, recipe.task.stop, Copier(maker=maker_of(task))
    origin = origin_of(task)
    if origin is not None and not origin.module.startswith("hasten."):
        copy_effects(origin.module, copier)
        check_callers(origin)
    total = recipe.subject.planned_steps
    per_epoch = recipe.subject.steps_per_epoch
    is_judged = task.data.valid is not None  # by the loss, too, and not only by the person's own evaluation
    objective = objective_of(recipe, copier) if task.step is None or is_judged else called_only(recipe, copier)
    with preserved():
        lazy = any(map(is_lazy, task.model().parameters()))
        example = recipe.subject.fresh_model()
        optimizer = build_optimizer(recipe.update, example)
    updating = updating_of(recipe.update, example, optimizer, copier, total=total, per_epoch=per_epoch)
    classes = _classes(recipe) if task.validate is None else 0
    metric = metric_of(recipe, quality_of(task), objective, classes, copier)
    own_step = None
    if task.step is not None:
        own_step = own_step_of(task.step, optimizer, copier, total=total, per_epoch=per_epoch)
        blocks, left = _around_own_step(blocks, plan)
        left_out = (*left_out, *left)
    full = ours.loader is whole
    reading = _reading(recipe, copier)
    if reading.train_pass:
        blocks, left = _beside_own_batches(blocks, plan)
        left_out = (*left_out, *left)
    augment = [_change(one, copier) for one in ours.augment]
    prepare, model = [expression(one, copier) for one in task.batch_transforms], _model(task, copier)
    scipy = "scipy" if any(one.module.startswith("scipy") for one in copier.imports) else ""
    packages = tuple(filter(None, (metric.package, updating.package, scipy)))
    samples = samples_of(task, copier)
    evaluation = Source(evaluation=f"evaluation_mode({updating.modal})", definitions=_MODES, imports=_MODES_IMPORTS)
    extra = [Block("", "", evaluation)] if updating.modal else []
    parts = Parts(
        title=f"Train {task.name} in plain PyTorch.",
        notes=_notes(task, plan, left_out, samples.note, packages),
        device=recipe.device.name,
        seed=task.seed,
        batch_size=ours.batch_size,
        valid_batch_size=_valid_batch_size(recipe, full),
        micro_batch=recipe.backward.micro_batch,
        full_batch=full,
        reading=reading,
        augment=augment,
        steps=total,
        epochs=stop.epochs if per_epoch is None else None,
        evaluate_every=stop.evaluate_every or per_epoch,
        steps_per_epoch=per_epoch,
        seconds=stop.seconds,
        target=stop.target,
        plateau=stop.plateau,
        patience=stop.patience,
        samples=samples,
        model=model,
        lazy=lazy,
        objective=objective,
        metric=metric,
        updating=updating,
        own_step=own_step,
        prepare=prepare,
        blocks=[*blocks, *extra],
        copier=copier,
    )  # fmt: skip
    return Ejected(script(parts), parts, left_out, task)


def _reading(recipe: Recipe, copier: Copier) -> Reading:
    """Return how the data make batches."""
    data = recipe.task.data
    collate = expression(data.collate, copier) if data.collate is not None else ""
    options = f", collate_fn={collate}" if collate else ""
    options += f", num_workers={data.workers}" if data.workers else ""

    def pass_over(part: Any, size: int | None = None) -> str:
        if part is None or is_by_number(part):
            return ""
        if isinstance(part, IterableDataset):
            return f"yield from DataLoader(data, BATCH_SIZE{options})"
        if isinstance(part, DataLoader) and None not in (size, part.batch_size) and size != part.batch_size:
            return _larger_batches(part)
        return "yield from data()" if is_function(part) else "yield from data"

    draws = {
        f"{name}_draws": seeds_of_samples(part, data.collate, "data") if is_by_number(part) else ()
        for name, part in (("train", data.train), ("valid", data.valid))
    }
    return Reading(
        options=options,
        collate=collate,
        train_pass=pass_over(data.train, recipe.input.batch_size),
        valid_pass=pass_over(data.valid),
        has_valid=data.valid is not None,
        **draws,
    )


def _larger_batches(loader: DataLoader[Any]) -> str:
    """Return the lines that read as a person's own loader does, in batches of another size."""
    copied = ["num_workers", "collate_fn", "drop_last", "generator", "worker_init_fn", "pin_memory"]
    plain = DataLoader(loader.dataset)
    changed = [one for one in copied if getattr(loader, one) != getattr(plain, one)]
    given = ["data.dataset", "BATCH_SIZE", "sampler=data.sampler", *(f"{one}=data.{one}" for one in changed)]
    return f"loader = DataLoader({', '.join(given)})\nyield from loader"


def _beside_own_batches(blocks: Sequence[Block], plan: Plan) -> tuple[list[Block], list[LeftOut]]:
    """Return the blocks that leave the making of batches alone, and the others as left out.

    Samples by number are not to be had there, and reading ahead would draw the random numbers of the next epoch too
    early.
    """
    others = [one for one in blocks if one.source.order or one.source.fetch or one.source.batches]
    return _without(others, blocks, plan, "your data make their own batches here")


def _around_own_step(blocks: Sequence[Block], plan: Plan) -> tuple[list[Block], list[LeftOut]]:
    """Return the blocks that leave the inside of the task's own step alone, and the others as left out."""
    others = [one for one in blocks if any(getattr(one.source, slot) for slot in _INSIDE)]
    gone = sorted({one.name for one in others} - {one.technique for one in plan.choices})
    if gone:
        raise Refused(
            f"{gone[0]} of Task.uses works inside of the step that the task makes itself. Do it in Task.step, and "
            f"leave {gone[0]} out of Task.uses"
        )
    return _without(others, blocks, plan, "it works inside of the step that the task makes itself (Task.step)")


def _without(
    others: Sequence[Block], blocks: Sequence[Block], plan: Plan, reason: str
) -> tuple[list[Block], list[LeftOut]]:
    gains = {one.technique: measured(one) for one in plan.choices}
    left_out = [LeftOut(one.name, reason, gains.get(one.name, USED)) for one in others]
    return [one for one in blocks if one not in others], left_out


def _change(change: Augment, copier: Copier) -> str:
    """Return the expression of a random change of batches."""
    try:
        return expression(change, copier)
    except Refused as error:
        raise Refused(f"Task.augment is not written out: {error}") from error


def _check_fields(part: Task | Data | Update | Stop) -> None:
    """Refuse what a task says and the script would lose in silence.

    Raises:
        Refused: names the field.
    """
    for field in (one for one in fields(part) if one.init):
        name = type(part).__name__
        if f"{name}.{field.name}" not in _WRITTEN and getattr(part, field.name) != field.default:
            raise Refused(f"{name}.{field.name} is not written out: it has no form outside of hasten. Leave it out")


_WRITTEN = frozenset(
    {f"Task.{name}" for name in (
        "name", "data", "model", "loss", "predict", "objective", "metric", "higher_is_better", "validate", "update",
        "uses", "batch_size", "valid_batch_size", "batch_transforms", "step", "augment", "stop",
        "seed", "notes", "command",
    )}
    | {f"Data.{name}" for name in ("train", "valid", "collate", "workers", "steps_per_epoch", "names")}
    | {f"Update.{name}" for name in ("optimizer", "lr", "options", "schedule")}
    | {f"Stop.{name}" for name in ("epochs", "steps", "seconds", "target", "patience", "plateau", "evaluate_every")}
)  # fmt: skip
"""Fields that the script has; a field that is added to a task is refused until it is written out."""
_INSIDE = ("context", "forward", "gradient", "skip")
"""Slots whose lines stand between forward pass and update."""
_MODES_IMPORTS = ("from collections.abc import Generator", "from contextlib import contextmanager")
_MODES = '''@contextmanager
def evaluation_mode(*optimizers: Any) -> Generator[None]:
    """Put the weights to judge and to keep into the model for the body: these optimizers train others."""
    for one in optimizers:
        one.eval()
    yield
    for one in optimizers:
        one.train()'''


def _model(task: Task, copier: Copier) -> str:
    """Return the expression that builds the model; of a lambda, what it returns."""
    text = expression(task.model, copier)
    return text.removeprefix("lambda:").strip() if text.startswith("lambda:") else call(task.model, "", copier)


def _classes(recipe: Recipe) -> int:
    """Return how many numbers the model puts out along its last dimension."""
    model = recipe.subject.fresh_model().eval()
    with preserved(), torch.no_grad():
        output = recipe.forward.predict(model, recipe.subject.batch())
    scores = compared(output)
    return int(scores.shape[-1]) if isinstance(scores, torch.Tensor) and scores.ndim else 0


def _valid_batch_size(recipe: Recipe, full: bool) -> int:
    task, size = recipe.task, recipe.task.valid_batch_size
    if full and size is None:
        return len(task.data.valid)  # type: ignore[arg-type]
    return size or recipe.backward.micro_batch or recipe.input.batch_size


def _notes(
    task: Task, plan: Plan, left_out: Sequence[LeftOut], samples: str, packages: Sequence[str]
) -> list[str]:  # fmt: skip
    used = [name for name in plan.names if name not in {one.technique for one in left_out}]
    command = f"hasten train {task.command or task.name}" + (" --plan plan.toml" if used else "")
    notes = [
        f"Written by hasten {hasten.__version__} for torch {torch.__version__.partition('+')[0]}. It does what "
        f"`{command}` does and needs no hasten.",
    ]
    if packages:
        notes.append(f"It imports {' and '.join(packages)} beside torch.")
    if samples:
        notes.append(samples)
    if left_out:
        notes += ["", "Left out of the plan:"]
        notes += [f"    {one.technique}: {one.reason}; {one.gain}." for one in left_out]
    return notes
