"""Memory that a layout takes on each device."""

from hasten.base.records.layout import Layout, StepMemory
from hasten.tuning.layouts.pipelines import pipeline_bytes

_GATHERED_AT_ONCE = 2
"""Groups of parameters: the one that computes and the next, which is gathered meanwhile."""


def memory_bytes(layout: Layout, memory: StepMemory) -> int:
    """Return the bytes that a step takes at its peak on each device, tensors only.

    Parameters, gradients and optimizer state are divided by the number of shards; activations grow with the
    micro-batch. Where they are sharded, two groups of parameters and of gradients are whole at a time; all parameters
    without `reshard`, and all gradients while they accumulate, with a copy of the group that is sent. Buckets of
    `DistributedDataParallel` are the gradients, but for those that accumulate, which are copied into them in the last
    pass. Gradients that are reduced in one piece are copied once, when the activations are freed already; so are those
    of the passes when the update needs memory of its own. Processes that update on their own keep a copy of the common
    weights, and an outer momentum where there is one, and put what all have changed into gradients of those, which are
    reduced in one piece. Where gradients are sent as factors, what these leave out is kept, and a copy is compared.

    Args:
        layout: the layout.
        memory: of a step of one process; where the layout has `parts`, of one that has a part of the layers; where it
            has `stages`, with these.

    Source: Rajbhandari et al., 2020, arXiv:1910.02054 (ZeRO).
    """
    if memory.stages:
        return pipeline_bytes(layout, memory)
    size = layout.micro_batch
    forward = memory.forward_bytes + size * memory.forward_sample_bytes
    passes = memory.passes_bytes + size * memory.passes_sample_bytes
    held = memory.parameter_bytes + memory.state_bytes
    if layout.shares == 1 and layout.passes == 1:  # gradients are not there yet while the forward pass runs
        return round(memory.buffer_bytes + held + max(passes, forward, memory.gradient_bytes + memory.update_bytes))
    activations = max(forward, passes - memory.gradient_bytes, 0.0)
    if layout.shards == 1:
        in_one_piece = layout.replicas > 1 and layout.bucket_bytes is None
        beside = max(activations, memory.gradient_bytes if in_one_piece else 0, memory.update_bytes)
        buckets = memory.gradient_bytes if layout.bucket_bytes is not None and layout.passes > 1 else 0
        common = memory.gradient_bytes * (1 + layout.outer) if layout.every > 1 else 0
        common += 2 * memory.gradient_bytes if layout.factors else 0
        return round(memory.buffer_bytes + held + memory.gradient_bytes + buckets + common + beside)
    groups = sum(sorted(memory.groups)[-_GATHERED_AT_ONCE:])
    gathered = groups if layout.reshard else memory.parameter_bytes
    sent = min(max(memory.groups), memory.gradient_bytes)
    gradients = memory.gradient_bytes + sent if layout.passes > 1 else min(groups, memory.gradient_bytes)
    parts = (held + memory.gradient_bytes) / layout.shards
    beside = max(gathered + gradients + activations, memory.update_bytes / layout.shards)
    return round(memory.buffer_bytes + parts + beside)
