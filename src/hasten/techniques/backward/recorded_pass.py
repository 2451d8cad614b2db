"""Record the operators of a forward and backward pass once, and call them without Python and without autograd.

What it does
    The first batch of a shape is computed as usual while every operator of forward pass, loss and backward pass is
    noted, below autograd. The second one is computed both ways and compared bit for bit. From the third on one call
    of torch's interpreter runs the operators on the parameters, the buffers and the batch, and the gradients are put
    where autograd would put them.

Why it helps
    Python, the calls of modules, autograd's graph and the walk through it cost several microseconds per operator. In a
    small model that is as much as the arithmetic.

When it hurts
    It does not; for large operators it makes no difference, so models of more than 20 million parameters are refused.
    The first two batches of each shape take some milliseconds more.

Numerics
    The same operators with the same arguments: bit for bit the same losses and gradients, random numbers included.

Known problems
    What Python decides is decided once for each shape. So a model or a loss that reads a number from a tensor, keeps
    something from one pass to the next, draws from Python's or numpy's generators, or computes outside of torch is not
    recorded, nor is a step that hooks or observers look at: these are computed as usual, and so is every further one
    once an attribute of the model or a global value that its code reads has changed. What is written into a list in
    place, or kept in a file, is not noticed. It goes by the interpreter of TorchScript, which torch does not develop
    further.

Source
    CUDA graphs do this on a GPU (Nguyen et al., 2021, pytorch.org/blog/accelerating-pytorch-with-cuda-graphs); on a CPU
    there is no other recording than ours.
"""

from dataclasses import dataclass
from typing import ClassVar

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.backward.recorded_passes import NOT_RECORDED, RANGE, Recorded
from hasten.training.effects import Seen, any_call
from hasten.training.recipe import Recipe
from hasten.training.step import accumulate

MOST_PARAMETERS = 20_000_000
"""Of a model that is recorded, which for a moment takes the memory of its gradients twice more."""


@dataclass(frozen=True)
class RecordedPass:
    """Record the operators of forward and backward pass once, and call them without Python and autograd."""

    card: ClassVar[Card] = Card(
        name="recorded_pass",
        stage=Stage.BACKWARD,
        guarantee=Guarantee.EXACT,
        idea="recorded pass: note the operators of forward and backward once, call them without Python and autograd",
        source="as CUDA graphs do it on a GPU: Nguyen et al., 2021",
        treats=("small_kernels", "host_bound"),
        needs=("a CPU", "a model and a loss that compute with tensors alone"),
        conflicts=(
            "compile",
            "compile_regions",
            "micro_batch",
            "activation_checkpointing",
            "activation_checkpointing_selective",
            "activation_checkpointing_budget",
            "optimizer_in_backward",
            "lossless_saved",
            "int8_saved",
            "fp16",
            "progressive_length",
            "progressive_resolution",
        ),
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse GPUs, other strategies of a pass, and what needs the graph of autograd."""
        if not recipe.device.is_host:
            return f"the operators are called one after the other from the CPU; the run is on {recipe.device}"
        if recipe.backward.forward_backward is not accumulate or recipe.step is not None:
            return "the recipe has another way to compute gradients already"
        if recipe.backward.micro_batch is not None:
            return "the gradient of a batch is accumulated over parts"
        if recipe.backward.loss_scale is not None:
            return "the loss scale changes from step to step"
        if recipe.input.sampling is not None:
            return "the loss of each sample is looked at in every step"
        numbers = sum(one.numel() for one in recipe.subject.model().parameters())
        if numbers > MOST_PARAMETERS:
            return f"operators on a model of {numbers:,} parameters take far longer than it takes to call them"
        if recipe.input.curriculum:
            return "the shape of the batches changes during the run, and each shape would be recorded anew"
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Compute gradients by recordings."""
        return recipe.with_backward(forward_backward=Recorded())

    def effect(self, seen: Seen) -> str | None:
        """Expect that a recording was called."""
        for call in seen.called(NOT_RECORDED):
            return f"the pass cannot be recorded: {call.name.removeprefix(NOT_RECORDED)}"
        return any_call(seen, "a recording", RANGE)
