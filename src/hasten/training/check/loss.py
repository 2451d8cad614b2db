"""Checks of the loss: a finite scalar, the mean over the examples, with a gradient."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any, cast

import torch
from torch import Tensor, nn

from hasten.base.errors import BadInput
from hasten.data.batch import Batch, has_target, select, size_of, target_of, unsplittable, with_target
from hasten.training.additivity import has_samples, rows_of
from hasten.training.check.data import Seen
from hasten.training.check.failure import described, failure
from hasten.training.loss import Loss, LossFunction, OfMean, OfReturned
from hasten.training.output import compared

_ROWS = 8
_ONE_NUMBER = "the loss must be one number, a tensor without dimensions"


def check_loss(loss: LossFunction, output: Any, seen: Seen) -> Loss:
    """Return the loss of the first samples.

    Raises:
        BadInput: if it cannot be computed, is not a finite scalar, is a sum where a mean is expected, or broadcasts
            output and target against each other.
    """
    if isinstance(loss, OfMean):
        _check_broadcast(loss, output, seen)
    value = _value(loss, output, seen.batch)
    if isinstance(loss, OfMean):
        _check_mean(loss, value, output, seen.batch)
    elif (
        not isinstance(loss, OfReturned)  # which says its count only afterwards
        and (before := loss.count(seen.batch)) is not None
        and float(value.count) != float(before)
    ):
        raise BadInput(
            "a loss must count the same terms before and after the forward pass; found "
            f"{float(before):g} from its count(batch) and {float(value.count):g} in the Loss that it "
            "returned."
        )
    if value.count and not bool(value.sum.isfinite()):
        whole = isinstance(output, Tensor) and bool(output.isfinite().all())
        hint = (
            "The model's output is finite, so look at the loss."
            if whole
            else "The model's output is not finite either."
        )
        raise BadInput(
            f"the loss must be finite at the start; found {value.sum.item()} for the first samples of the {seen.part} "
            f"data. {hint}"
        )
    return value


def check_gradient(value: Loss, model: nn.Module) -> None:
    """Raise if the loss has no gradient for the model. Writes the model's gradients."""
    must = "the loss must have a gradient for the model's parameters"
    if not value.sum.requires_grad:
        raise BadInput(
            f"{must}; found that it does not depend on them through operations that torch can differentiate. "
            "Look for detach(), item(), argmax or no_grad in the model and in the loss."
        )
    try:
        value.sum.backward()
    except Exception as error:
        raise failure(must, error) from error
    if all(parameter.grad is None for parameter in model.parameters()):
        raise BadInput(f"{must}; found that it depends on none of them. Does the loss use the model's output?")


def _value(loss: LossFunction, output: Any, batch: Batch) -> Loss:
    shapes = f"output {described(output)}, target {described(target_of(batch)) if has_target(batch) else 'none'}"
    try:
        if isinstance(loss, OfMean):
            _check_mean_returned(loss.returned(output, batch), shapes)
        elif isinstance(loss, OfReturned):
            _check_returned(loss.read(output))
        value = loss(output, batch)
    except BadInput:
        raise
    except Exception as error:
        must = f"the loss must take what the model gives and the target ({shapes})"
        called = "It is called as loss(output, target)." if isinstance(loss, OfMean) else ""
        raise failure(must, error, _repair(loss, output, batch) or called) from error
    if not isinstance(value, Loss):
        raise BadInput(f"a LossFunction must return a hasten.Loss; found {type(value).__name__}.")
    if not _is_scalar(value.sum):
        raise BadInput(f"{_ONE_NUMBER}; found {_kind(value.sum)} ({shapes}). Take the mean over the examples.")
    return value


def _check_mean_returned(mean: object, shapes: str) -> None:
    """Raise if what a loss of (output, target) returned is no scalar tensor."""
    if _is_scalar(mean):
        return
    if isinstance(mean, Tensor):
        advice = "Take the mean over the examples."
    elif mean is None:
        advice = "Is a return missing?"
    elif isinstance(mean, (tuple, Mapping)):
        advice = (
            "Return (mean, count) or a dict of named losses from an objective:\n    def objective(model, batch):\n"
            '        return {"one": ..., "other": ...}\n    Task(..., objective=objective)'
        )
    else:
        advice = "Return the tensor itself, without .item() or float()."
    raise BadInput(f"{_ONE_NUMBER}; found {_kind(mean)} ({shapes}). {advice}")


def _check_returned(found: object) -> None:
    """Raise if what an objective returned is no loss."""
    if isinstance(found, Loss):
        return
    terms: list[object] = [found]
    if isinstance(found, Mapping):
        terms = list(cast(Mapping[str, object], found).values())
    elif isinstance(found, tuple) and len(found) == 2 and (_is_scalar(found[1]) or isinstance(found[1], int | float)):
        terms = [found[0]]
    if terms and all(map(_is_scalar, terms)):
        return
    hint = " Is a return missing?" if found is None else ""
    hint = " Take the mean over the samples." if isinstance(found, Tensor) else hint
    raise BadInput(
        "Task.objective must return its loss: a tensor without dimensions, (mean, count), a dict of named tensors "
        f"without dimensions, or a hasten.Loss; found {_kind(found)}.{hint}"
    )


def _is_scalar(value: object) -> bool:
    return isinstance(value, Tensor) and value.ndim == 0


def _kind(value: object) -> str:
    if isinstance(value, Tensor):
        return f"shape {tuple(value.shape)}"
    return "None" if value is None else described(value)


def _repair(loss: LossFunction, output: Any, batch: Batch) -> str:
    """Return how the target must be changed for the loss to work, found by trying; empty where nothing was found."""
    scores = compared(output)
    if not isinstance(scores, Tensor) or not has_target(batch) or not isinstance(target := target_of(batch), Tensor):
        return ""
    changes: dict[str, Callable[[], Tensor]] = {
        f".to({scores.dtype})": lambda: target.to(scores.dtype),
        ".long()": target.long,
        ".unsqueeze(-1)": lambda: target.unsqueeze(-1),
        ".squeeze(-1)": lambda: target.squeeze(-1),
        f".unsqueeze(-1).to({scores.dtype})": lambda: target.unsqueeze(-1).to(scores.dtype),
    }
    for written, change in changes.items():
        with suppress(Exception), torch.no_grad():
            changed = change()
            loss(output, with_target(batch, changed))
            return f"It takes target{written}: convert the targets in the data set."
    return ""


def _check_broadcast(loss: OfMean, output: Any, seen: Seen) -> None:
    """Raise if output and target, (n, 1) and (n,), make a loss over all n x n pairs.

    Such a loss does not change when the targets go to other samples, which one over matching pairs does. It is tried
    on random numbers from 0 to 1, which most losses can take.
    """
    target = target_of(seen.batch)
    if (
        not isinstance(output, Tensor)
        or not isinstance(target, Tensor)
        or not (output.is_floating_point() and target.is_floating_point())
    ):
        return
    if output.shape == target.shape or output.numel() != target.numel():
        return
    outputs = torch.rand(_ROWS, *output.shape[1:], dtype=output.dtype)
    targets = torch.rand(_ROWS, *target.shape[1:], dtype=target.dtype)
    with torch.no_grad():
        straight = _value(loss, outputs, (outputs, targets)).sum
        crossed = _value(loss, outputs, (outputs, targets.roll(1, 0))).sum
    if torch.isclose(straight, crossed, rtol=1e-4):
        raise BadInput(
            f"the loss must compare each output with its own target; found the model's output {tuple(output.shape)} "
            f"and the target {tuple(target.shape)} of the {seen.part} data broadcast against each other, each output "
            "with every target. Give them one shape: squeeze the output, or unsqueeze the target."
        )


def _check_mean(loss: OfMean, value: Loss, output: Any, batch: Batch) -> None:
    """Raise if the loss of every sample twice is twice the loss: a sum, where a mean stays as it is."""
    size = size_of(batch)
    if not has_samples(output, size) or unsplittable(batch) is not None:
        return
    twice = torch.arange(size).repeat(2)
    with torch.no_grad():
        mean = value.average()
        mean_twice = _value(loss, rows_of(output, twice), select(batch, twice)).average()
    if mean != 0 and torch.isclose(mean_twice, 2 * mean, rtol=1e-4):
        raise BadInput(
            "the loss must be the mean over the samples; found that it doubles when every sample comes twice, so it is "
            'their sum. Use reduction="mean", or give a LossFunction that returns sum and count.'
        )


def notes_on_loss(loss: LossFunction) -> tuple[str, ...]:
    """Return what to know about a loss of one's own whose parts do not add up to the whole."""
    counting = getattr(loss, "counting", None)
    if counting is None or not counting.broken:
        return ()
    return (
        f"the loss is not a mean over samples that can be computed in parts: {counting.broken}. Micro-batches are "
        "refused, and the validation loss may depend on the batch size.",
    )
