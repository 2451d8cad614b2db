"""The numerical gates: whether a candidate recipe keeps its guarantee, compared with the baseline."""

from collections.abc import Iterable
from functools import cached_property

from hasten.base.records.trial import Gate
from hasten.base.stages import Guarantee
from hasten.training.recipe import Recipe
from hasten.tuning.exact import Fingerprints, exact_gate, trace
from hasten.tuning.precision import precision_gate
from hasten.tuning.reference_step import State
from hasten.tuning.rounding import rounding_gate, states_of
from hasten.tuning.tolerances import BRANCH_STEPS, EXACT_STEPS, PRECISION_BATCHES, ROUNDING_BATCHES, ROUNDING_STEPS

_LOOSER = (Guarantee.EXACT, Guarantee.ROUNDING, Guarantee.PRECISION)


class Reference:
    """What every gate of one baseline compares with, made when it is first needed and then kept.

    Args:
        recipe: the baseline, with no technique.
    """

    def __init__(self, recipe: Recipe) -> None:
        self.recipe = recipe

    @cached_property
    def trace(self) -> list[Fingerprints]:
        """The fingerprints of its first steps in deterministic mode."""
        return trace(self.recipe)

    @cached_property
    def states(self) -> list[State]:
        """Its state at the start and after some training."""
        return states_of(self.recipe)


def loosest(guarantees: Iterable[Guarantee]) -> Guarantee | None:
    """Return the guarantee that techniques together can give: the loosest; None where no gate can prove it.

    TRAJECTORY and MODEL change the result on purpose; whole trainings judge them (`hasten.tuning.convergence`).
    """
    given = set(guarantees)
    if given - set(_LOOSER):
        return None
    return max(given, key=_LOOSER.index, default=Guarantee.EXACT)


def judge(candidate: Recipe, guarantee: Guarantee, reference: Reference) -> Gate:
    """Return whether a candidate keeps a guarantee, EXACT, ROUNDING or PRECISION, with the numbers.

    Raises:
        NoReference: if the baseline gives nothing to compare with.
    """
    if guarantee is Guarantee.EXACT:
        return exact_gate(candidate, reference.recipe, reference.trace)
    if guarantee is Guarantee.ROUNDING:
        return rounding_gate(candidate, reference.recipe, reference.states)
    return precision_gate(candidate, reference.recipe, reference.states[-1])


def steps_of(guarantee: Guarantee) -> int:
    """Return about how many steps' time a gate takes (a float64 step counts as three)."""
    if guarantee is Guarantee.EXACT:
        return 2 * EXACT_STEPS
    if guarantee is Guarantee.ROUNDING:
        return 2 * ROUNDING_BATCHES * (1 + 1 + 3) + 2 * ROUNDING_STEPS
    return 2 * BRANCH_STEPS + PRECISION_BATCHES
