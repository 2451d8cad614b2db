"""Ways to share a training among processes, each with the techniques that make it: what a chooser compares."""

from collections.abc import Iterable

from msgspec import structs
from torch import Tensor

from hasten.base.errors import BadInput, Refused
from hasten.base.records.layout import Layout
from hasten.base.records.machine import Machine
from hasten.techniques.applying import apply_all, make
from hasten.techniques.backward.micro_batch import MicroBatch
from hasten.techniques.parallel.ddp import Ddp
from hasten.techniques.parallel.fsdp import Fsdp
from hasten.techniques.parallel.local_sgd import DiLoCo, LocalSgd
from hasten.techniques.parallel.pipeline_parallel import PER_PROCESS, PipelineParallel
from hasten.techniques.parallel.powersgd import PowerSgd, numbers_sent
from hasten.techniques.parallel.sync_batch_norm import KINDS, SyncBatchNorm
from hasten.techniques.parallel.tensor_parallel import TensorParallel
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import Processes
from hasten.training.recipe import Recipe
from hasten.training.technique import choice_of

WIDEST = 8
"""Processes that compute a share together at most: the accelerators of a usual machine. They add up activations, with
nothing to compute meanwhile, which needs the links inside of one."""


def layouts(devices: int, batch_size: int, node: int | None = None) -> tuple[Layout, ...]:
    """Return the ways to train on at most so many devices as one process does, at most eight: one process first.

    Each computes its whole share of a batch at once; see `in_passes` for smaller micro-batches. `pipelines` are apart,
    and so are `other_trainings`.

    Args:
        devices: that may be used.
        batch_size: samples of a step.
        node: devices of each machine, of which there are several; None where all are alike. Parts of layers are then
            inside of one, and the model is sharded over each.
    """
    alone = Layout(samples=batch_size, micro_batch=batch_size, replicas=1, shards=1, parts=1, stages=1, every=1)
    if devices == 1:
        return (alone,)
    share = -(-batch_size // devices)
    all_of_them = structs.replace(alone, samples=share, micro_batch=share)
    whole = (structs.replace(all_of_them, replicas=devices), _overlapped(all_of_them, devices))
    sharded = [_sharded(all_of_them, devices, 1, reshard=keep) for keep in (False, True)]
    replicas = 2 if node is None else devices // node
    if devices > replicas and devices % replicas == 0:
        sharded.append(_sharded(all_of_them, devices, replicas, reshard=True))
    divided = [_divided(batch_size, devices, parts) for parts in part_counts(devices, node)]
    return (alone, *whole, *sharded, *divided)


def other_trainings(devices: int, batch_size: int) -> tuple[Layout, ...]:
    """Return the ways to train on so many devices that send less and whose weights take another path."""
    if devices == 1:
        return ()
    share = -(-batch_size // devices)
    plain = Layout(samples=share, micro_batch=share, replicas=devices, shards=1, parts=1, stages=1, every=1)
    local, outer, factors = LocalSgd(), DiLoCo(), PowerSgd()
    return (
        structs.replace(plain, every=local.every, choices=(choice_of(local),)),
        structs.replace(plain, every=outer.every, outer=True, choices=(choice_of(outer),)),
        structs.replace(_overlapped(plain, devices), factors=True, choices=(choice_of(factors),)),
    )


def factor_bytes(parameters: Iterable[Tensor]) -> int:
    """Return the bytes of gradients that are sent as factors, as `other_trainings` send them."""
    return sum(numbers_sent(one, PowerSgd().rank) * one.element_size() for one in parameters)


def part_counts(devices: int, node: int | None = None) -> tuple[int, ...]:
    """Return how many processes may compute a share together: all, and the largest part of them that divides them.

    In nodes: all of a node, and the largest part of one.
    """
    together = node or devices
    several = [count for count in range(2, min(WIDEST, together // 2) + 1) if together % count == 0]
    return (*([together] if 1 < together <= WIDEST else []), *several[-1:])


def _overlapped(layout: Layout, devices: int) -> Layout:
    technique = Ddp()
    size = round(technique.bucket_mb * 2**20)
    return structs.replace(layout, replicas=devices, bucket_bytes=size, choices=(choice_of(technique),))


def _sharded(layout: Layout, devices: int, replicas: int, *, reshard: bool) -> Layout:
    technique = Fsdp(reshard=reshard, replicas=replicas)
    shards = devices // replicas
    return structs.replace(layout, replicas=replicas, shards=shards, reshard=reshard, choices=(choice_of(technique),))


def _divided(batch_size: int, devices: int, parts: int) -> Layout:
    shares = devices // parts
    samples = -(-batch_size // shares)
    choices = (choice_of(TensorParallel(size=parts)),)
    return Layout(
        samples=samples, micro_batch=samples, replicas=shares, shards=1, parts=parts, stages=1, every=1, choices=choices
    )


def pipelines(devices: int, batch_size: int, node: int | None = None) -> tuple[Layout, ...]:
    """Return the ways to hold a model in stages on so many devices, those with the fewest stages first.

    Left out are those whose groups are more than the samples of a batch, or neither inside of one node nor whole nodes.
    """
    counts = [
        one
        for one in range(2, devices + 1)
        if devices % one == 0 and devices // one <= batch_size and (node is None or not node % one or not one % node)
    ]
    return tuple(_in_stages(batch_size, devices, count) for count in counts)


def _in_stages(batch_size: int, devices: int, stages: int, micro_batches: int = 0) -> Layout:
    """Return a pipeline whose shares are cut into so many micro-batches, 0 for as many as the technique makes."""
    shares = devices // stages
    samples = -(-batch_size // shares)
    return Layout(
        samples=samples,
        micro_batch=max(1, samples // (micro_batches or PER_PROCESS * stages)),
        replicas=shares,
        shards=1,
        parts=1,
        stages=stages,
        every=1,
        choices=(choice_of(PipelineParallel(size=stages, micro_batches=micro_batches)),),
    )


def with_whole_statistics(layout: Layout, recipe: Recipe) -> Layout:
    """Return the layout that normalizes by the whole batch, where shares of it would meet batch normalization.

    Else its gradients are not those of one process. Where `sync_batch_norm` does not go together with what makes the
    layout, `why_not` says so. Local SGD stays as it is: it is another training anyway.
    """
    if layout.shares == 1 or not layout.same_training:
        return layout
    if not any(type(one) in KINDS for one in recipe.subject.model().modules()):
        return layout
    return structs.replace(layout, choices=(*layout.choices, choice_of(SyncBatchNorm())))


def in_passes(layout: Layout, micro_batch: int) -> Layout:
    """Return the layout that computes its share in passes of at most so many samples."""
    if micro_batch >= layout.micro_batch:
        return layout
    if layout.stages > 1:
        return _in_stages(
            layout.samples * layout.replicas, layout.processes, layout.stages, -(-layout.samples // micro_batch)
        )
    choices = (choice_of(MicroBatch(size=micro_batch)), *layout.choices)
    return structs.replace(layout, micro_batch=micro_batch, choices=choices)


def why_not(layout: Layout, recipe: Recipe, machine: Machine) -> str:
    """Return why a training cannot be shared in this way; nothing where it can.

    No process is started: techniques say it of the recipe.
    """
    chosen = [make(one.technique, one.knobs) for one in layout.choices]
    try:
        if layout.processes == 1:
            apply_all(chosen, recipe, machine)
            return ""
        shares, samples = layout.shares, recipe.input.batch_size
        if samples < shares:
            return f"a batch of {samples} has no sample for {shares - samples} of {shares} processes"
        processes = Processes(0, layout.processes)
        in_processes(apply_all(chosen, among(recipe, processes), machine))
    except Refused as error:
        return error.reason
    except BadInput as error:
        return str(error).rstrip(".")
    return ""
