"""What a pipeline costs: the memory of its stages, and the time that micro-batches take through them."""

from collections.abc import Sequence
from itertools import pairwise

from hasten.base.records.layout import Layout, Links, StepMemory, StepTimes
from hasten.tuning.layouts.sending import Collective, Communication, message_s

TOLD_IN_GROUPS = 3
"""Small messages to a whole group: which gradients there are, and the loss, which only the last stage knows, in two."""


def pipeline_bytes(layout: Layout, memory: StepMemory) -> int:
    """Return the bytes of the process whose stage takes most.

    1F1B holds as many micro-batches in a stage as there are stages from it to the end; GPipe, by which fewer
    micro-batches than stages are computed, holds all of them. Each process receives into a buffer for every
    micro-batch, activations as well as gradients, and reads the inputs of the whole share. Gradients that are added up
    over groups are copied once, when the activations are freed already.

    Args:
        layout: the layout.
        memory: of a step of one process, with the stages.

    Source: Narayanan et al., 2021, arXiv:2104.04473 (1F1B); Huang et al., 2018, arXiv:1811.06965 (GPipe).
    """
    return max(_stage_bytes(layout, memory, number) for number in range(layout.stages))


def _stage_bytes(layout: Layout, memory: StepMemory, number: int) -> int:
    stage, updated = memory.stages[number], _update(memory, number)
    full = layout.samples // layout.micro_batch
    under_way = full if full < layout.stages else layout.stages - number
    held = stage.held_bytes + layout.micro_batch * stage.held_sample_bytes
    peak = stage.peak_bytes + layout.micro_batch * stage.peak_sample_bytes
    added_up = stage.gradient_bytes - stage.tied_bytes if layout.replicas > 1 else 0
    beside = max((under_way - 1) * held + peak, added_up, stage.tied_bytes, updated * memory.update_bytes)
    borders = memory.stages[max(0, number - 1) : number + 1]
    buffers = sum(layout.passes * one.sent_bytes + layout.samples * one.sent_sample_bytes for one in borders)
    kept = stage.parameter_bytes + stage.gradient_bytes + updated * memory.state_bytes + memory.buffer_bytes
    return round(kept + layout.samples * stage.input_sample_bytes + buffers + beside)


def _update(memory: StepMemory, number: int) -> float:
    """Return which share of the whole update, and of the optimizer's state, is that of a stage."""
    return memory.stages[number].gradient_bytes / memory.gradient_bytes


def largest_update(memory: StepMemory) -> float:
    """Return the share of the whole update that the process with most parameters has."""
    return max(_update(memory, number) for number in range(len(memory.stages)))


def pipeline_communication(layout: Layout, memory: StepMemory) -> Communication:
    """Return what a step sends: activations and their gradients at the borders, then gradients of parameters.

    The gradients of each stage add up over the groups, those of tied parameters over all processes.
    """
    stages = memory.stages
    own, tied = max(one.gradient_bytes - one.tied_bytes for one in stages), stages[0].tied_bytes
    reduced = (Collective(own, layout.replicas, 1, apart=layout.stages),) if layout.replicas > 1 else ()
    everywhere = (Collective(tied, layout.processes, 1),) if tied else ()
    # of a micro-batch; the last stage sends no activation
    each = [one.sent_bytes + one.sent_sample_bytes * layout.samples / layout.passes for one in stages]
    most = max(range(len(stages)), key=lambda number: sum(each[max(0, number - 1) : number + 1]))
    return Communication(
        all_reduces=(*reduced, *everywhere),
        messages=tuple((size, layout.passes) for size in each[max(0, most - 1) : most + 1]),
    )


def pipeline_s(layout: Layout, times: StepTimes, memory: StepMemory, links: Links) -> float:
    """Return the seconds of all passes of a step: full micro-batches, then the samples that are left over."""
    full, left_over = divmod(layout.samples, layout.micro_batch)
    runs = [(full, layout.micro_batch), *([(1, left_over)] if left_over else [])]
    return sum(_run_s(count, samples, times, memory, links) for count, samples in runs)


def _run_s(count: int, samples: int, times: StepTimes, memory: StepMemory, links: Links) -> float:
    whole_s = times.pass_s + samples * times.sample_s
    sent = [
        message_s(one.sent_bytes + samples * one.sent_sample_bytes, links, between_nodes=_leaves_node(number, links))
        for number, one in enumerate(memory.stages[:-1])
    ]
    return schedule_s([one.work * whole_s for one in memory.stages], sent, count, links.overlap)


def _leaves_node(stage: int, links: Links) -> bool:
    """Return whether the next stage is in another node: a pipeline is inside of one, or fills some."""
    return links.nodes is not None and (stage + 1) % links.nodes.devices == 0


def schedule_s(stages: Sequence[float], sent: Sequence[float], count: int, overlap: float) -> float:
    """Return the seconds in which so many micro-batches go forward and back through all stages.

    The first one goes through all stages and borders; each of the others adds what the slowest takes from one to the
    next. That is a stage that computes; or, where stages wait for what they send and receive, one with its messages;
    or, where nobody waits for messages (`overlap` of 1), the way from a stage to the end and back, on which 1F1B has no
    more micro-batches than stages. With equal stages and nothing to send, (p - 1) / (m + p - 1) of the time is spent
    waiting.

    Args:
        stages: seconds of a micro-batch in each, forward and back.
        sent: seconds of a message at each border; one goes forward and one back.
        count: of micro-batches.
        overlap: share of the messages that are sent beside computing, where the schedule allows it.

    Source: Narayanan et al., 2021, arXiv:2104.04473, section 2.2.
    """
    around = [before + after for before, after in pairwise((0.0, *sent, 0.0))]
    waiting = max(own + 2 * messages for own, messages in zip(stages, around, strict=True))
    fewest = [number for number in range(len(stages)) if len(stages) - number < count]
    ways = [(sum(stages[number:]) + 2 * sum(sent[number:])) / (len(stages) - number) for number in fewest]
    beside = max(*stages, *sent, *(ways if count >= len(stages) else ()))
    return sum(stages) + 2 * sum(sent) + (count - 1) * (overlap * beside + (1 - overlap) * waiting)


def waiting_share(layout: Layout, memory: StepMemory) -> float:
    """Return the share of the passes in which processes wait for other stages, with nothing to send.

    (p - 1) / (m + p - 1) of p equal stages and m micro-batches; more where stages differ.
    """
    work = [one.work for one in memory.stages]
    full, left_over = divmod(layout.samples, layout.micro_batch)
    share = left_over / layout.micro_batch
    taken = schedule_s(work, [0.0] * (len(work) - 1), full, 1.0) + share
    return 1 - (full + share) / len(work) / taken
