"""How the cost of a step grows with batch size, sequence length or image size: measured, and counted."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import perf_counter

import torch
from torch import nn

from hasten.base.records.profile import Growth
from hasten.data.batch import Batch, first_input, input_tensor, map_tensors, size_of, with_first_input
from hasten.data.datasets import Windows
from hasten.measurement.memory import peak_memory
from hasten.measurement.statistics import growth_exponent
from hasten.profiling.best_effort import ANY, Reason, attempted, or_reason
from hasten.profiling.stepping import one_batch, resized, weights_kept
from hasten.profiling.work import count_work
from hasten.training.session import Session
from hasten.training.step import step

_REPEATS = 3
_FEWEST = 3  # sizes, for a slope with an interval
_STEPS = 7  # that one size costs, roughly: two are watched, and take longer
_SMALLEST_SIDE = 8  # pixels: below, poolings leave nothing
_EXPONENT = 1.5  # with which the time of the next size is guessed


@dataclass(frozen=True)
class _Point:
    size: int
    seconds: float
    peak_bytes: int
    flops: int
    kept_bytes: int  # counted: activations and inputs


def growths(run: Session, *, budget_s: float, remarks: list[str], one_size: bool = False) -> tuple[Growth, ...]:
    """Return how time and memory of forward and backward pass grow.

    Batch sizes go from a quarter to four times the task's; sequences of token data are cut to an eighth and up; images
    are scaled from half to twice their side, where the model takes other sizes than its own. A size whose steps would
    take more than its share of the budget is left out, and so is one for which memory or the model fails.

    Args:
        run: warm, not compiled; its switches must be on.
        budget_s: seconds in all, roughly.
        remarks: takes what could not be measured.
        one_size: whether steps can be made on whole batches only.
    """
    batch, found = one_batch(run), tuple[Growth, ...]()
    if not one_size:
        found = _grown("batch size", _batch_sizes(batch), lambda size: resized(batch, size), run, budget_s / 2, remarks)
    if isinstance(run.recipe.task.data.train, Windows):
        length = first_input(batch).shape[1]
        cut: Callable[[int], Batch] = lambda size: map_tensors(batch, lambda one: one[:, :size].contiguous())  # noqa: E731
        found += _grown("sequence length", _lengths(length), cut, run, budget_s / 2, remarks)
    if (side := image_side(batch)) is not None:
        if takes_size(run, _scaled(batch, _image_sides(side)[0])):
            sides = _image_sides(side)
            found += _grown("image size", sides, lambda size: _scaled(batch, size), run, budget_s / 2, remarks)
        else:
            remarks.append(f"growth over image size is not measured: the model takes only images of {side} pixels")
    return found


def image_side(batch: Batch) -> int | None:
    """Return the width of the images in a batch (samples, channels, height, width), or None if it holds none."""
    images = input_tensor(batch)
    if images is None or images.ndim != 4 or not images.is_floating_point():
        return None
    return images.shape[3] if min(images.shape[2:]) >= _SMALLEST_SIDE else None


def takes_size(run: Session, batch: Batch) -> bool:
    """Return whether model and loss take a batch of images of another size than its own."""

    def tried() -> None:
        with torch.no_grad():
            run.loss(run.predict(batch), batch)

    return not isinstance(or_reason(tried, ANY), Reason)


def _batch_sizes(batch: Batch) -> list[int]:
    size = size_of(batch)
    return sorted({max(2, size // 4), max(2, size // 2), max(2, size), 2 * size, 4 * size})


def _image_sides(side: int) -> list[int]:
    return sorted({max(_SMALLEST_SIDE, round(side * share)) for share in (0.5, 0.75, 1, 1.5, 2)})


def _scaled(batch: Batch, side: int) -> Batch:
    """Return a batch with its images scaled so that they are `side` pixels wide."""
    images = first_input(batch)
    height = round(images.shape[2] * side / images.shape[3])
    return with_first_input(batch, nn.functional.interpolate(images, size=(height, side)))


def _lengths(length: int) -> list[int]:
    return sorted({max(2, length // part) for part in (8, 4, 2, 1)})


def _grown(
    over: str,
    sizes: Sequence[int],
    batch_of: Callable[[int], Batch],
    run: Session,
    budget_s: float,
    remarks: list[str],
) -> tuple[Growth, ...]:
    begin, points = perf_counter(), list[_Point]()
    for size in sizes:
        left_s = budget_s - (perf_counter() - begin)
        if points and _STEPS * points[-1].seconds * (size / points[-1].size) ** _EXPONENT > left_s:
            remarks.append(f"growth over {over} was measured up to {points[-1].size}: larger ones take too long")
            break
        point = attempted(f"{over} {size}", lambda size=size: _point(run, batch_of(size), size), remarks, ANY)
        if point is None:
            break
        points.append(point)
    if len(points) < _FEWEST:
        return ()
    return (
        _fitted("time", over, points, lambda point: point.seconds, lambda point: point.flops),
        _fitted("memory", over, points, lambda point: point.peak_bytes, lambda point: point.kept_bytes),
    )


def _point(run: Session, batch: Batch, size: int) -> _Point:
    counted = count_work(run, batch)
    with weights_kept(run):
        peak = peak_memory(lambda: step(run, batch), device=run.recipe.parallel.device)
        resident = sum(parameter.numel() * parameter.element_size() for parameter in run.model.parameters())
        return _Point(
            size=size,
            seconds=min(_step_s(run, batch) for _ in range(_REPEATS)),
            peak_bytes=max(peak.peak_bytes - resident, 1),
            flops=max(counted.flops, 1),
            kept_bytes=max(counted.activation_bytes, 1),
        )


def _step_s(run: Session, batch: Batch) -> float:
    begin = perf_counter()
    step(run, batch)
    run.recipe.device.synchronize()
    return perf_counter() - begin


def _fitted(
    cost: str,
    over: str,
    points: Sequence[_Point],
    measured: Callable[[_Point], float],
    counted: Callable[[_Point], float],
) -> Growth:
    sizes = [point.size for point in points]
    return Growth(
        cost=cost,
        over=over,
        sizes=tuple(sizes),
        costs=tuple(measured(point) for point in points),
        exponent=growth_exponent(sizes, [measured(point) for point in points]),
        theory=growth_exponent(sizes, [counted(point) for point in points]).value,
    )
