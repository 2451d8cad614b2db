"""The stages of a training step and the guarantees of techniques: the two words that order everything."""

from enum import StrEnum


class Stage(StrEnum):
    """The way data flows through a training step; the order of the members is the order of everything."""

    INPUT = "input"
    MODEL = "model"
    FORWARD = "forward"
    BACKWARD = "backward"
    GRADIENT = "gradient"
    UPDATE = "update"
    PARALLEL = "parallel"


class Guarantee(StrEnum):
    """How much a technique may change, from nothing to the model itself; each has its own check."""

    EXACT = "exact"  # losses and gradients bit for bit equal in deterministic mode
    ROUNDING = "rounding"  # the same mathematics in another order: error against float64 as the baseline's own
    PRECISION = "precision"  # a narrower number format: error far below the minibatch gradient noise, no bias
    TRAJECTORY = "trajectory"  # another way to the same objective: optimizer, schedule, batch size, clipping
    MODEL = "model"  # another model or other data: judged by the task's own metric

    @classmethod
    def _missing_(cls, value: object) -> "Guarantee | None":
        """Read the name of hasten 0.1 in plans and evidence files."""
        return cls.TRAJECTORY if value == "path" else None


STAGES: tuple[Stage, ...] = tuple(Stage)
FREE: frozenset[Guarantee] = frozenset({Guarantee.EXACT, Guarantee.ROUNDING, Guarantee.PRECISION})
"""Guarantees that tuning may use without being asked, each behind its gate."""
