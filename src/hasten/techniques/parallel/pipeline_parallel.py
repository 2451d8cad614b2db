"""Divide a model into stages that processes compute one after the other, with several micro-batches under way.

What it does
    Each process has the parameters, gradients and optimizer state of a part of the layers (a stage). A share of the
    batch is cut into micro-batches, which go from stage to stage and back by one of torch's schedules: all forward
    passes first (GPipe), or one forward and one backward in turn (1F1B), which holds fewer activations. With several
    `stages` in each process they are interleaved. The stages are read from the graph of a pass and have about the same
    work; they are proven by running them one after the other. With `size` processes in a group, the groups share the
    batches (data parallel).

Why it helps
    A model that does not fit on one device is held by several, and only activations at the cuts are sent: less than
    with any other division of a model, so a slow link is enough.

When it hurts
    With p processes and m micro-batches each process waits (p - 1) / (m + p - 1) of the time; with v stages in each
    process, (p - 1) / (v m + p - 1). Small micro-batches keep hardware less busy. Where a model fits, `ddp` waits less.

Numerics
    The loss of each micro-batch is divided by the count of the whole batch, and gradients add up: the same mathematics,
    summed in another order. Dropout draws other numbers in each stage.

Known problems
    Models in which a stage uses more than one tensor of the stage before it (skip connections over many layers,
    encoder with decoder), and models or losses that look at a batch as a whole (batch normalization) are refused, and
    so is code between the modules that changes an activation in place. Parameters that several stages use, such as
    tied embeddings, are whole in each process. Each process reads all batches of its group and judges all validation
    data, one stage after the other.

Source
    Huang et al., 2018, arXiv:1811.06965 (GPipe); Narayanan et al., 2021, arXiv:2104.04473 (1F1B, interleaved);
    Lamy-Poirier, 2022, arXiv:2211.05953 (breadth-first); torch.distributed.pipelining.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar, Literal

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.backward.micro_batch import MicroBatch
from hasten.techniques.parallel.parts import IN_PARTS, NOT_IN_PARTS, in_groups, why_not_in_groups
from hasten.techniques.parallel.stages import staged
from hasten.training.optimizers import build_optimizer
from hasten.training.recipe import Recipe, counted

PER_PROCESS = 4
"""Micro-batches for each process where nothing else is said: the waiting is then a fifth of the time at most."""
_WHOLE = ("Adafactor", "Muon")
"""Optimizers of torch that look at rows or columns of a parameter."""


@dataclass(frozen=True)
class PipelineParallel:
    """Divide a model into stages over groups of `size` processes."""

    size: Annotated[int, Meta(ge=0, description="processes that hold one model together; 0 for all")] = 0
    micro_batches: Annotated[int, Meta(ge=0, description="of a share of the batch; 0 for four for each process")] = 0
    schedule: Literal["1f1b", "gpipe"] = "1f1b"
    stages: Annotated[int, Meta(ge=1, description="of each process; several are interleaved")] = 1

    card: ClassVar[Card] = Card(
        name="pipeline_parallel",
        stage=Stage.PARALLEL,
        guarantee=Guarantee.ROUNDING,
        idea="pipeline: processes hold stages of the model; micro-batches go through them (GPipe, 1F1B, interleaved)",
        source="Huang et al., 2018, arXiv:1811.06965; Narayanan et al., 2021, arXiv:2104.04473",
        treats=("near_memory_limit",),
        needs=("several processes", "an optimizer of torch", "layers that follow each other"),
        conflicts=(
            *NOT_IN_PARTS,
            "tensor_parallel",
            "powersgd",
            "local_sgd",
            "diloco",
            "sync_batch_norm",
            "micro_batch",
            "sparse_input",
            "lossless_saved",
            "int8_saved",
            "fused_linear_cross_entropy",
        ),
        exceptions={"gradients": IN_PARTS},
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse one process alone, what needs whole parameters or batches, and models without stages."""
        if (why := self.why_not_held(recipe)) is not None:
            return why
        size, batch_size = in_groups(recipe, self.size).per_share, recipe.input.batch_size
        if isinstance(found := staged(recipe, size * self.stages), str):
            return found
        return MicroBatch(batch_size // 2).refuse(recipe, machine) if batch_size > 1 else None

    def why_not_held(self, recipe: Recipe) -> str | None:
        """Return why no model of this recipe can be held in stages, or None: nothing is computed."""
        if (why := why_not_in_groups(recipe, self.size)) is not None:
            return why
        processes = in_groups(recipe, self.size)
        size = processes.per_share
        if size == 1 < processes.size:
            return "groups of one process have one stage each; ddp does the same"
        if size == 1 < self.stages:
            return "one process alone has one stage"
        if recipe.backward.micro_batch is not None:
            return "the batch is accumulated in parts; set micro_batches of pipeline_parallel instead"
        if recipe.judges_itself:
            return "Task.validate calls the model itself, of which each process has some stages"
        name = type(build_optimizer(recipe.update, recipe.subject.fresh_model())).__name__
        if name in _WHOLE:
            return f"{name} looks at rows and columns of a parameter, which only one process has"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Hold the model in stages before the optimizer is made."""
        from hasten.techniques.parallel.pipeline import Order
        from hasten.techniques.parallel.pipelined import pipelined

        processes = in_groups(recipe, self.size)
        size = processes.per_share
        staging = staged(recipe, size * self.stages)
        assert not isinstance(staging, str), "a model without stages is refused"
        order = Order(self.micro_batches or PER_PROCESS * size, self.schedule == "1f1b")
        return pipelined(counted(recipe), processes, staging, order)
