"""One step of a recipe before it trains: what torch would raise later becomes a refusal with technique and layer."""

import traceback
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Any

import torch
from torch import Tensor, nn, optim

from hasten.base.errors import Refused, error_text
from hasten.base.seeds import preserved
from hasten.training.building import build
from hasten.training.effects import Seen, has_check, watched, without_effect
from hasten.training.recipe import Recipe
from hasten.training.session import Session
from hasten.training.step import step
from hasten.training.technique import Technique


def dry_run(
    applied: Sequence[tuple[Technique, Recipe]], recipe: Recipe, *, advice: str = "Leave it out of the plan."
) -> None:
    """Make the first steps of the last recipe, and predict one validation batch, on a session of its own.

    The global random generators and the person's model stay as they are. It costs building the model and one step, and
    a second one where a technique says what its effect is; only after a failure are the recipes before it tried as
    well, to find the technique.

    Args:
        applied: each technique, in order, with the recipe up to and including it.
        recipe: the one without any of them.
        advice: what to do about a technique that fails, for the message.

    Raises:
        Refused: names the first technique with which the step fails, the layer, and what was raised; or a technique
            that has no effect.
    """
    techniques = [one for one, _ in applied]
    seen = Seen() if any(map(has_check, techniques)) else None
    why = why_it_fails(applied[-1][1], seen) if applied else None
    if why is None:
        for name, reason in without_effect(techniques, seen).items() if seen is not None else ():
            raise Refused(f"{name} has no effect on {recipe.subject.name!r}: {reason}. {advice}")
        return
    before = why_it_fails(recipe)
    if before is not None:
        raise Refused(
            f"{recipe.subject.name!r} cannot be trained, with or without the plan: a dry run failed {before}."
        )
    culprit = applied[-1][0]
    for one, changed in applied[:-1]:
        earlier = why_it_fails(changed)
        if earlier is not None:
            culprit, why = one, earlier
            break
    raise Refused(
        f"{culprit.card.name} cannot be used on {recipe.subject.name!r}: a dry run of one step failed {why}. {advice}"
    )


def why_it_fails(recipe: Recipe, seen: Seen | None = None) -> str | None:
    """Return where and how the first step or the first validation batch of a recipe fails, or None.

    Args:
        recipe: is built.
        seen: filled with what a step after the first one does.
    """
    run = None
    with preserved():
        try:
            run = build(recipe)
            _first_step(run)
            _first_validation(run)
            if seen is not None:
                _look(run, seen)
        except Exception as error:  # noqa: BLE001  (models, losses and techniques are anybody's code)
            return f"{_place(error, run)}: {error_text(error)}"
    return None


def layer_of(error: Exception, model: nn.Module | None = None) -> str | None:
    """Return the name of the innermost layer whose forward pass was running when an error was raised, or None.

    Args:
        error: as it was caught.
        model: whose layers are named; None for the outermost module that was running.
    """
    running = [one for one in _selves(error) if isinstance(one, nn.Module)]
    model = model or (running[0] if running else None)
    if model is None:
        return None
    names = {id(module): name for name, module in model.named_modules()}
    inside = [names[id(module)] for module in running if id(module) in names]
    return inside[-1] if inside else None


def _selves(error: Exception) -> list[Any]:
    """Return the `self` of each frame that an error passed through, outermost first."""
    return [frame.f_locals.get("self") for frame, _ in traceback.walk_tb(error.__traceback__)]


def _first_step(run: Session) -> None:
    with run.contexts:
        _, batch = next(run.batches())
        run.set_learning_rate()
        step(run, batch)


def _look(run: Session, seen: Seen) -> None:
    """Record one more step; the loader stays open meanwhile, with its workers."""
    run.model.train()
    batches = run.batches()
    with run.contexts:
        _, batch = next(batches)
        run.set_learning_rate()
        with watched(seen):
            step(run, batch)


def _first_validation(run: Session) -> None:
    if run.validation is None:
        return
    run.model.eval()
    with run.contexts, torch.no_grad():
        for batch in islice(run.validation_batches(), 1):  # none where the person's own evaluation has the data
            run.loss(run.predict(batch), batch)


def _place(error: Exception, run: Session | None) -> str:
    """Return where in the step an error was raised: in a layer, in the backward pass of one, or at a parameter."""
    if run is None:
        layer = layer_of(error)
        return f"when the layer {layer!r} was built" if layer else "when the model or the optimizer was built"
    layer = layer_of(error, run.model)
    if layer is not None:
        return f"in the layer {layer!r}" if layer else f"in the model {type(run.model).__name__}"
    if any(isinstance(one, optim.Optimizer) for one in _selves(error)):
        name = _failing_parameter(run)
        return f"in the update of {name!r}" if name else "in the update"
    if any(frame.f_code is Tensor.backward.__code__ for frame, _ in traceback.walk_tb(error.__traceback__)):
        layer = _failing_backward(run.recipe)
        return f"in the backward pass of the layer {layer!r}" if layer else "in the backward pass"
    return "outside of the model's layers"


def _failing_parameter(run: Session) -> str | None:
    """Return the parameter whose update fails by itself; the gradients of the failed update are still there."""
    gradients = {name: parameter.grad for name, parameter in run.model.named_parameters()}
    for name, parameter in run.model.named_parameters():
        run.optimizer.zero_grad()
        parameter.grad = gradients[name]
        try:
            run.optimizer.step()
        except Exception:  # noqa: BLE001  (any failure is the one that is looked for)
            return name
    return None


def _failing_backward(recipe: Recipe) -> str | None:
    """Return the layer whose output was the last one that a gradient reached before the backward pass failed."""
    run, reached = build(recipe), list[str]()
    noted: list[Any] = []  # kept alive, so that no id is used twice

    def note(module: nn.Module, args: Any, output: Any) -> None:
        for tensor in _tensors(output):
            if tensor.requires_grad and all(tensor.grad_fn is not one for one in noted):  # inner layers come first
                noted.append(tensor.grad_fn)
                tensor.register_hook(lambda gradient, name=names[module]: reached.append(name))

    names = {module: name for name, module in run.model.named_modules()}
    for module in names:
        module.register_forward_hook(note)
    try:
        _first_step(run)
    except Exception:  # noqa: BLE001  (it failed before in the same way)
        return reached[-1] if reached else None
    return None


def _tensors(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, dict):
        yield from _tensors(list(value.values()))
    elif isinstance(value, (list, tuple)):
        for part in value:
            yield from _tensors(part)
