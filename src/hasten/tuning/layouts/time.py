"""Time that a step of a layout takes: computing, and what of the communication is not hidden behind it."""

import math
from statistics import NormalDist

from hasten.base.records.layout import Layout, Links, StepMemory, StepTimes
from hasten.tuning.layouts.pipelines import TOLD_IN_GROUPS, largest_update, pipeline_communication, pipeline_s
from hasten.tuning.layouts.sending import Collective, Communication, all_reduce_s

SMALL_REDUCTIONS = 3
"""Of a few numbers, in each step: the count of the whole batch, its loss, and what all agree on after the step."""
_NUMBER_BYTES = 8
_SENT_OF_BUCKET = 3


def communication(layout: Layout, memory: StepMemory) -> Communication:
    """Return what a step sends for gradients, parameters and activations.

    Sharded parameters are gathered in every pass, twice with `reshard`; gradients are scattered once, in the last
    pass, and then reduced over the replicas. Processes that compute a share together add up activations in every pass.
    With `every` above 1 they are those of a step with a synchronization. Factors are those of a step after the first
    ones, which send whole gradients.

    Args:
        layout: the layout.
        memory: of a step of one process; where the layout has `parts`, of one that has a part of the layers; where it
            has `stages`, with these.
    """
    if memory.stages:
        return pipeline_communication(layout, memory)
    if layout.shards == 1:
        pieces = _pieces(layout, memory)
        size_bytes = memory.gradient_bytes
        if layout.factors:  # of each bucket: the first factors, the second ones, and what is sent as it is
            pieces, size_bytes = _SENT_OF_BUCKET * pieces, memory.factor_bytes
        one = Collective(size_bytes / pieces, layout.replicas, pieces, apart=layout.parts)
        gradients = (one,) if layout.replicas > 1 else ()
        activations = tuple(
            Collective(constant + sample * layout.samples / layout.passes, layout.parts, layout.passes)
            for constant, sample in memory.summed
        )
        return Communication(all_reduces=(*gradients, *activations))
    groups = len(memory.groups)
    gathered = groups * layout.passes * (2 if layout.reshard else 1)
    gathers = (
        Collective(memory.parameter_bytes / groups, layout.shards, gathered),
        Collective(memory.gradient_bytes / groups, layout.shards, groups),
    )
    if layout.replicas == 1:
        return Communication(gathers=gathers)
    size_bytes = memory.gradient_bytes / groups / layout.shards
    return Communication(
        all_reduces=(Collective(size_bytes, layout.replicas, groups, apart=layout.shards),), gathers=gathers
    )


def _pieces(layout: Layout, memory: StepMemory) -> int:
    """Return in how many collectives gradients are reduced."""
    return 1 if layout.bucket_bytes is None else max(1, math.ceil(memory.gradient_bytes / layout.bucket_bytes))


def largest_of(count: int) -> float:
    """Return the mean of the largest of so many draws of a normal distribution, in standard deviations."""
    return NormalDist().inv_cdf((count - 0.375) / (count + 0.25))


def step_s(layout: Layout, times: StepTimes, memory: StepMemory, links: Links) -> float:
    """Return the seconds of a step: computing, and the communication that is not hidden.

    A share `links.overlap` of what can run beside the passes is hidden. The first gathering and the last reduction
    cannot: nothing is left to compute meanwhile. Gradients that are reduced in one piece and activations hide nothing.
    Where only some steps are followed by a synchronization, each has its part of it. All wait for the one that takes
    longest, which is not the same in each step: the mean of the largest of so many draws of a normal distribution
    (Blom 1958, Statistical Estimates and Transformed Beta-Variables).
    """
    if memory.stages:
        passes_s, updated = pipeline_s(layout, times, memory, links), largest_update(memory)
    else:
        passes_s, updated = layout.passes * times.pass_s + layout.samples * times.sample_s, 1 / layout.shards
    computed_s = passes_s + updated * times.update_s
    if layout.processes == 1:
        return computed_s
    computed_s *= 1 + times.spread * largest_of(layout.processes) / math.sqrt(layout.every)
    sent_s = communication(layout, memory).total_s(links)
    if layout.shards > 1:
        beside_s, alone = passes_s, 1 / len(memory.groups) / layout.passes
    elif layout.bucket_bytes is not None:  # in the last pass alone
        beside_s = times.backward_share * (times.pass_s + layout.micro_batch * times.sample_s)
        alone = 1 / _pieces(layout, memory)
    else:
        beside_s, alone = 0.0, 1.0
    hidden_s = links.overlap * min((1 - alone) * sent_s, beside_s)
    small_s = SMALL_REDUCTIONS * all_reduce_s(_NUMBER_BYTES, layout.processes, links)
    small_s += TOLD_IN_GROUPS * all_reduce_s(_NUMBER_BYTES, layout.stages, links)
    return computed_s + (sent_s - hidden_s + small_s) / layout.every
