"""Structure of a step: number formats, fused optimizer, padding, synchronizations, anti-patterns."""

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import islice
from time import perf_counter

import torch
from torch import optim

from hasten.base.device import Device
from hasten.base.records.signals import Habit, Operator, Structure, product_kind
from hasten.data.batch import Batch
from hasten.profiling.antipatterns import bias_before_norm, double_precision, loop_indexing
from hasten.profiling.device_queue import queue_empty_share, sync_points
from hasten.profiling.padding import packs, padding_share
from hasten.profiling.stepping import batches_in_turn
from hasten.training.session import Session
from hasten.training.step import step

_BATCHES = 4
_STEPS = 3


def structure_of(run: Session, operators: Sequence[Operator] | None, *, recompilations: int | None) -> Structure:
    """Return what the step is made of.

    Args:
        run: warm; it makes some steps. Its switches must be on.
        operators: of one step, or None if they are not known.
        recompilations: counted while steps were timed, or None where nothing is compiled.
    """
    batches = batches_in_turn(run)
    seen = list(islice(batches, _BATCHES))
    return Structure(
        number_format=number_format(run, operators or ()),
        fused_update=fused_update(run.optimizer, run.recipe.device),
        padding_share=None if packs(operators or ()) else padding_share(seen),
        recompilations=recompilations,
        sync_points=sync_points(run, batches),
        queue_empty_share=queue_empty_share(run, batches),
        habits=tuple(_habits(run, operators or (), seen)),
    )


def number_format(run: Session, operators: Sequence[Operator]) -> str:
    """Return the format in which most of the time of products is spent; else that of the weights."""
    return product_formats(operators).get("", str(run.parameters[0].dtype).removeprefix("torch."))


def product_formats(operators: Sequence[Operator]) -> dict[str, str]:
    """Return the format in which most time is spent, by kind of product: "matmul", "conv", and "" for all together.

    A kind without products is absent. cuDNN convolutions use TF32 where matmuls do not, so one format does not do for a
    model with both.
    """
    seconds: defaultdict[str, defaultdict[str, float]] = defaultdict(lambda: defaultdict(float))
    for one in operators:
        if one.is_product:
            for kind in ("", product_kind(one.name)):
                seconds[kind][one.multiplies_in] += one.seconds
    return {kind: max(spent, key=lambda name: spent[name]) for kind, spent in seconds.items()}


def fused_update(optimizer: optim.Optimizer, device: Device) -> bool | None:
    """Return whether one call updates many parameters, or None if the optimizer does not tell."""
    group = optimizer.param_groups[0]
    if "fused" not in group and "foreach" not in group:
        return None
    fused, foreach = group.get("fused"), group.get("foreach")
    if fused or foreach:
        return True
    return not device.is_host and foreach is None and fused is None  # torch's own choice


def _habits(run: Session, operators: Sequence[Operator], batches: Sequence[Batch]) -> Iterator[Habit]:
    yield from loop_indexing(operators, batch_size=run.recipe.input.batch_size)
    yield from double_precision(operators)
    yield from bias_before_norm(run.model, lambda: run.predict(batches[0]))
    if torch.is_anomaly_enabled():
        yield Habit(name="anomaly_detection", where="backward", seconds=_anomaly_s(run, batches))


def _anomaly_s(run: Session, batches: Sequence[Batch]) -> float:
    """Return what a step takes longer with autograd's anomaly detection on."""

    def steps_s() -> float:
        begin = perf_counter()
        for batch in batches[:_STEPS]:
            float(step(run, batch).sum)  # reading the loss waits for the device
        return (perf_counter() - begin) / len(batches[:_STEPS])

    with_it = steps_s()
    check_nan = torch.is_anomaly_check_nan_enabled()
    with torch.autograd.set_detect_anomaly(False, check_nan=check_nan):
        without = steps_s()
    return max(with_it - without, 0.0)
