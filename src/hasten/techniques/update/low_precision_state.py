"""Keep the optimizer's state in fewer bytes.

What it does
    Between two updates, Adam, AdamW and momentum keep their means in bfloat16 (`bf16_state`), or in 8 bits with one
    scale for each 256 numbers (`int8_state`). For an update, the state of one parameter at a time is made float32.

Why it helps
    Memory, and nothing else: Adam's state takes 8 bytes for each parameter in float32, 4 in bfloat16, and 2 in 8 bits.

When it hurts
    Time: packing and unpacking are several passes over the state, in many small operations. An update takes a few
    times as long; where a step is long beside its update, that does not show.

Numerics
    bfloat16 is rounded at random, so that its mean is exact: rounded to the nearest, a mean of squares with beta2 of
    0.999 could never fall. 8-bit codes are off by up to 0.7 % near the largest number of a block and by more below.
    Gradients and weights are as before; updates are off by about as much as the state.

Known problems
    8-bit states together with int8 products were seen to diverge, so the two conflict. Parameters below `smallest`
    numbers keep a float32 state, as do, by the source's advice, embeddings in `int8_state`. While a parameter is
    updated its state is there in float32.

Source
    Dettmers et al., 2021, arXiv:2110.02861 (int8: blockwise dynamic quantization; differs: blocks of 256, and a square
    above zero never becomes zero); Gupta et al., 2015, arXiv:1502.02551 (rounding at random).
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, ClassVar

from msgspec import Meta

from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.update.optimizers import ALL
from hasten.techniques.update.small_state import KINDS, with_small_state
from hasten.techniques.update.state_formats import Bf16Rounded, DynamicBlocks, Format
from hasten.training.optimizers import TORCH
from hasten.training.recipe import Recipe

OTHERS = tuple(name for name in ALL if name != "optimizer_choice")
Smallest = Annotated[int, Meta(ge=1, description="numbers below which a parameter's state stays in float32")]


def why_not(recipe: Recipe, smallest: int) -> str | None:
    """Return why the state of the recipe's optimizer cannot be packed, or None."""
    update = recipe.update
    if not isinstance(update.optimizer, str):
        return "the optimizer is built by the task's own function; name it instead to let its state be packed"
    name = update.optimizer.lower()
    if name not in TORCH or TORCH[name][0] not in KINDS:
        return f"only the state of Adam, AdamW and SGD with momentum can be packed; the task has {update.optimizer!r}"
    options = {**TORCH[name][1], **update.options}
    if name in ("sgd", "momentum", "nesterov") and not options.get("momentum"):
        return "plain SGD keeps no state"
    largest = max((one.numel() for one in recipe.subject.model().parameters() if one.requires_grad), default=0)
    if largest < smallest:
        return f"the largest parameter has {largest} numbers, and states below {smallest} stay in float32"
    return None


def packed(recipe: Recipe, state_format: Format, smallest: int) -> Recipe:
    """Return the recipe with the state of its optimizer kept in a format."""
    update = recipe.update
    assert isinstance(update.optimizer, str), "refused otherwise"
    assert update.lr is not None, "Update refuses a named optimizer without a rate"
    factory = partial(
        with_small_state,
        name=update.optimizer.lower(),
        lr=update.lr,
        options=dict(update.options),
        state_format=state_format,
        smallest=smallest,
    )
    return recipe.with_update(optimizer=factory, options={})


@dataclass(frozen=True)
class Bf16State:
    """Keep the optimizer's state in bfloat16."""

    smallest: Smallest = 4096

    card: ClassVar[Card] = Card(
        name="bf16_state",
        stage=Stage.UPDATE,
        guarantee=Guarantee.PRECISION,
        idea="keep the optimizer's state in bfloat16, rounded at random, to save memory",
        source="Gupta et al., 2015, arXiv:1502.02551",
        treats=("near_memory_limit",),
        needs=("Adam, AdamW or momentum, by name",),
        conflicts=("int8_state", "optimizer_in_backward", "sparse_embedding", "fused_optimizer", *OTHERS),
        after=("optimizer_choice",),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse other optimizers, and models without a large parameter."""
        return why_not(recipe, self.smallest)

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the optimizer with a packed state in place of the named one."""
        return packed(recipe, Bf16Rounded(), self.smallest)


@dataclass(frozen=True)
class Int8State:
    """Keep the optimizer's state in 8 bits, in blocks."""

    smallest: Smallest = 4096

    card: ClassVar[Card] = Card(
        name="int8_state",
        stage=Stage.UPDATE,
        guarantee=Guarantee.PRECISION,
        idea="keep the optimizer's state in 8 bits, in blocks, to save memory",
        source="Dettmers et al., 2021, arXiv:2110.02861",
        treats=("near_memory_limit",),
        needs=("Adam, AdamW or momentum, by name",),
        conflicts=("int8_linear", "optimizer_in_backward", "sparse_embedding", "fused_optimizer", *OTHERS),
        after=("optimizer_choice",),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """Refuse other optimizers, and models without a large parameter."""
        return why_not(recipe, self.smallest)

    def apply(self, recipe: Recipe) -> Recipe:
        """Put the optimizer with a packed state in place of the named one."""
        return packed(recipe, DynamicBlocks(), self.smallest)
