"""The stages of a pipeline, read in one process, one after the other: what each keeps, computes with and sends."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import torch
from torch import Tensor, nn

from hasten.base.records.layout import Layout, StageMemory
from hasten.data.batch import Batch, nbytes_of, size_of
from hasten.measurement.collector import collector_off
from hasten.measurement.memory import LiveStorages
from hasten.profiling.stepping import resized
from hasten.techniques.parallel.stage_pass import Skipped, Stage, exchanged, places_of, run_stage, unknown
from hasten.techniques.parallel.stages import Staging, owner_of
from hasten.training.session import Session
from hasten.tuning.layouts.readings import line


@dataclass(frozen=True)
class _Pass:
    """Bytes of one micro-batch in one stage: kept after its forward pass, at its peak, and sent."""

    held: int
    peak: int
    sent: int


def stage_sizes(layout: Layout) -> tuple[int, int]:
    """Return the two micro-batches that stages are watched with: that of a layout, and one of twice the samples."""
    return layout.micro_batch, 2 * layout.micro_batch


def watched_stages(
    run: Session, staging: Staging, batch: Batch, micro_batches: Sequence[int]
) -> tuple[StageMemory, ...]:
    """Return the memory of each stage, from two micro-batches with every tensor watched.

    Args:
        run: its model has the parameters of all stages, and is left with gradients.
        staging: the stages.
        batch: that the micro-batches are made of.
        micro_batches: their samples, the smaller one first.
    """
    parts = [resized(batch, size) for size in micro_batches]
    with run.contexts:
        small, large = (_passes(run, staging, part) for part in parts)
    parameters, count = dict(run.model.named_parameters()), len(staging.stages)
    owners = {name: owner_of(one, staging.used[name], count) for name, one in parameters.items()}
    tied = nbytes_of([one for name, one in parameters.items() if owners[name] is None and one.requires_grad])
    found = list[StageMemory]()
    for stage, (less, more) in enumerate(zip(small, large, strict=True)):
        own = [one for name, one in parameters.items() if owners[name] in (stage, None)]
        held = line(micro_batches, (less.held, more.held))
        peak = line(micro_batches, (less.peak, more.peak))
        sent = line(micro_batches, (less.sent, more.sent))
        found.append(
            StageMemory(
                work=staging.work[stage],
                parameter_bytes=nbytes_of(own),
                gradient_bytes=nbytes_of([one for one in own if one.requires_grad]),
                tied_bytes=tied,
                held_bytes=held[0],
                held_sample_bytes=held[1],
                peak_bytes=peak[0],
                peak_sample_bytes=peak[1],
                sent_bytes=sent[0],
                sent_sample_bytes=sent[1],
                input_sample_bytes=nbytes_of(parts[0]) / size_of(parts[0]),
            )
        )
    return tuple(found)


def _passes(run: Session, staging: Staging, batch: Batch) -> list[_Pass]:
    """Run the stages on a micro-batch, each twice: the second pass, which finds gradients there, is watched."""
    places, parameters = places_of(run.model), dict(run.model.named_parameters())
    found, received = list[_Pass](), None
    for number, stage in enumerate(staging.stages):
        others = {
            name: nn.Parameter(unknown(one.shape, one.dtype, one.device), requires_grad=False)
            for name, one in parameters.items()
            if number not in staging.used[name]
        }
        forward = partial(_forward, run, stage, batch, received, Skipped())
        with exchanged(places, others):
            output = forward()
            gradient = torch.ones_like(output)
            _backward(output, gradient)
            with collector_off(), LiveStorages(run.recipe.device.kind) as live:
                output = forward()
                held = live.more_bytes
                _backward(output, gradient)
        found.append(_Pass(held, live.peak_bytes, 0 if stage.end is None else output.nbytes))
        received = output.detach().requires_grad_()
    return found


def _forward(run: Session, stage: Stage, batch: Batch, received: Tensor | None, skipped: Skipped) -> Tensor:
    """Return what a stage sends, or of the last one the loss."""
    if received is not None:
        received.grad = None
    output = run_stage(run.model, stage, partial(run.predict, batch), received, skipped)
    return run.loss(output, batch).sum if stage.end is None else output


def _backward(output: Tensor, gradient: Tensor) -> None:
    if output.requires_grad:  # else all before it is frozen
        output.backward(gradient)
