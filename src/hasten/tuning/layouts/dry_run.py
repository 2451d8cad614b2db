"""Layouts whose devices are not there: steps as the first process of a fake process group, stages one by one."""

from collections.abc import Generator
from contextlib import contextmanager

import torch.distributed as dist
from torch.testing._internal.distributed.fake_pg import FakeStore

from hasten.base.errors import BadInput, Refused, error_text
from hasten.base.records.layout import Layout, StageMemory
from hasten.base.records.machine import Machine
from hasten.measurement.collectives import Collectives
from hasten.profiling.stepping import one_batch
from hasten.techniques.applying import apply_all, make
from hasten.techniques.parallel.pipeline_parallel import PipelineParallel
from hasten.techniques.parallel.stages import SAMPLES, divided
from hasten.training.building import build
from hasten.training.data_parallel import among, in_processes
from hasten.training.processes import Processes
from hasten.training.step import step
from hasten.tuning.layouts.fake import Fake, every_number_is_one
from hasten.tuning.layouts.stages import stage_sizes, watched_stages

NOT_HERE = "which layers can be divided is found with real weights, which do not fit into this machine"


@contextmanager
def fake_group(processes: int) -> Generator[None]:
    """Be the first of so many processes, none of which is there: collectives return at once."""
    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=processes)
    try:
        yield
    finally:
        dist.destroy_process_group()


def dry_step(layout: Layout, fake: Fake, machine: Machine) -> Collectives:
    """Make the step of the first process of a layout, and return the collectives that it was given.

    Torch's reducer of `DistributedDataParallel` reads the memory of gradients, so buckets cannot be tried so.

    Raises:
        Refused: if a technique refuses.
        BadInput: if the training cannot be shared.
    """
    chosen = [make(one.technique, one.knobs) for one in layout.choices]
    with fake_group(layout.processes):
        recipe = in_processes(apply_all(chosen, among(fake.recipe, Processes(0, layout.processes)), machine))
        run = build(recipe)
        batch = fake.batch(next(run.batches())[1])
        with run.contexts, fake.mode, every_number_is_one(), Collectives() as collectives:
            step(run, batch)
    return collectives


def why_not_dry(layout: Layout, fake: Fake, machine: Machine) -> str:
    """Return why a step of a layout fails without devices; nothing where it is made, or cannot be tried."""
    shares, samples = layout.shares, fake.recipe.input.batch_size
    if samples < shares:
        return f"a batch of {samples} has no sample for {shares - samples} of {shares} processes"
    if layout.parts > 1:
        return NOT_HERE
    if layout.processes == 1 or layout.bucket_bytes is not None:
        return ""
    try:
        dry_step(layout, fake, machine)
    except Refused as error:
        return error.reason
    except BadInput as error:
        return str(error).rstrip(".")
    except Exception as error:  # noqa: BLE001  (the model is anybody's code)
        return f"a step without devices fails: {error_text(error)}"
    return ""


def dry_stages(layout: Layout, fake: Fake) -> tuple[StageMemory, ...] | str:
    """Return the stages of a pipeline, run one after the other without memory, or why it cannot be used.

    They are those that the graph of a pass allows; that they compute what the whole model does is proven with real
    weights, where the training starts.
    """
    processes = Processes(0, layout.processes)
    if (why := PipelineParallel(layout.stages).why_not_held(among(fake.recipe, processes))) is not None:
        return why
    try:
        run, model = build(fake.recipe), fake.recipe.subject.fresh_model()
        few, batch = fake.batch(fake.recipe.subject.batch(SAMPLES)), fake.batch(one_batch(run))
        with fake.mode, every_number_is_one():
            staging = divided(model, fake.recipe, few, layout.stages)
            return staging if isinstance(staging, str) else watched_stages(run, staging, batch, stage_sizes(layout))
    except BadInput as error:
        return str(error).rstrip(".")
    except Exception as error:  # noqa: BLE001  (the model is anybody's code)
        return f"its stages fail without devices: {error_text(error)}"
