"""Where the time and the memory of a step go."""

from hasten.base.records.interval import Interval
from hasten.base.records.record import Record


class PartTime(Record, frozen=True):
    """One part of the step: its wall time per step and its share of all wall time."""

    name: str
    seconds: float
    share: float


class Profile(Record, frozen=True):
    """The anatomy of a task's step.

    `parts` sum to the wall time of training per step, evaluation and checkpoints included. Those of the step itself,
    all but "evaluation", "checkpoint" and "hiccups", sum to `step_s`. What a step does between its parts is called
    "other"; what the slowest steps took beyond the typical ones is called "hiccups".
    """

    task: str
    plan: tuple[str, ...]
    steps: int
    step_s: Interval
    samples_per_s: float
    parts: tuple[PartTime, ...]
    parameters: int
    peak_bytes: int
    verdict: str  # one sentence
    batch_size: int = 0
    device: str = "cpu"
    build_s: float = 0.0  # to build model, optimizer and data
    first_step_s: float = 0.0  # compilation and first-time allocations included
    evaluation_s: float = 0.0  # one evaluation
    steps_per_evaluation: int = 0
    checkpoint_s: float = 0.0  # one checkpoint
    spent_s: float = 0.0  # on all of this

    def part(self, name: str) -> PartTime | None:
        """Return the part of that name, or None."""
        return next((part for part in self.parts if part.name == name), None)
