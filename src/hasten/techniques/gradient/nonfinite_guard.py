"""Leave an update out when a gradient is NaN or infinite.

What it does
    Looks at all gradients before the update; if one is not finite the batch is left out and counted: weights,
    optimizer and running statistics stay as they were before it, and its loss does not count. More than `limit` in a
    row end the run with an error.

Why it helps
    One bad batch would turn every weight into NaN and the run into waste.

When it hurts
    It costs a pass over all gradients and, on a GPU, a wait for its result in every step. If updates are left out
    often, fix the cause: this hides it.

Numerics
    None while gradients are finite. A batch that is left out leaves everything as it was, but for random numbers that
    it has drawn.

Known problems
    Gradients whose joint norm overflows float32 count as infinite. In a loop of one's own and with LBFGS the update is
    left out, but buffers keep what the batch has changed in them.

Source
    The skipped update of Micikevicius et al., 2018, arXiv:1710.03740, as in torch's GradScaler, without its scaling.
"""

from dataclasses import dataclass
from typing import Annotated, ClassVar

from msgspec import Meta
from torch import nn

from hasten.base.errors import BadInput
from hasten.base.records.card import Card
from hasten.base.records.machine import Machine
from hasten.base.stages import Guarantee, Stage
from hasten.techniques.source import Source
from hasten.training.recipe import Recipe
from hasten.training.transforms import Parameters, State, StepInfo


@dataclass(frozen=True)
class Guard:
    """Vetoes updates with gradients that are not finite, and counts: `skipped` in all, the last `in_a_row` together."""

    limit: int

    def init(self, parameters: Parameters) -> State:
        """Return counts of zero."""
        return {"skipped": 0, "in_a_row": 0}

    def left_out(self, state: State) -> int:
        """Return how many updates were vetoed."""
        return int(state["skipped"])

    def update(self, parameters: Parameters, state: State, info: StepInfo) -> bool:
        """Return whether all gradients are finite.

        Raises:
            BadInput: if more than `limit` updates in a row were vetoed.
        """
        found = [one.grad for one in parameters.values() if one.grad is not None]
        values = [one._values() if one.is_sparse else one for one in found]  # not coalesced: that would change bits
        if nn.utils.get_total_norm(values).isfinite():
            state["in_a_row"] = 0
            return True
        state["skipped"] += 1
        state["in_a_row"] += 1
        if state["in_a_row"] > self.limit:
            raise BadInput(
                f"gradients were not finite in {state['in_a_row']} steps in a row, up to step {info.step + 1} "
                f"({state['skipped']} in all). Lower the learning rate, clip the gradient, or check the data."
            )
        return False


@dataclass(frozen=True)
class NonfiniteGuard:
    """Leave an update out when a gradient is NaN or infinite."""

    limit: Annotated[int, Meta(ge=0, description="updates that may be left out in a row")] = 20

    card: ClassVar[Card] = Card(
        name="nonfinite_guard",
        stage=Stage.GRADIENT,
        guarantee=Guarantee.EXACT,
        idea="skip the update when a gradient is NaN or infinite",
        source="Micikevicius et al., 2018, arXiv:1710.03740",
        treats=("exploding_gradient",),
        conflicts=("optimizer_in_backward",),
        saves_time=False,
    )

    def refuse(self, recipe: Recipe, machine: Machine) -> str | None:
        """The gradients can always be looked at."""
        return None

    def apply(self, recipe: Recipe) -> Recipe:
        """Add the look at the gradients to the gradient stage."""
        return recipe.with_gradient(Guard(self.limit))

    def source(self, recipe: Recipe) -> Source:
        """Return the look at the gradients."""
        lines = (
            "gradients = [one.grad for one in model.parameters() if one.grad is not None]",
            "not_finite = not nn.utils.get_total_norm(gradients).isfinite()",
            "in_a_row = in_a_row + 1 if not_finite else 0",
            f"if in_a_row > {self.limit}:",
            '    raise RuntimeError(f"gradients were not finite in {in_a_row} steps in a row, up to step {step}.")',
        )
        return Source(setup="in_a_row = 0", gradient="\n".join(lines), skip="not_finite")
