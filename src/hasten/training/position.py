"""How far a run has come, and what its stop rules remember."""

from dataclasses import dataclass


@dataclass
class Position:
    """How far a run has come: everything about its position in the data and the schedule."""

    step: int = 0
    epoch: int = 0
    offset: int = 0  # samples of the epoch that have been used, or passed over by the recipe's sampling
    samples: int = 0  # the same of the epochs before
    epoch_batch: int = 0  # batches of the epoch that have been used
    batch: int = 0  # batches of the pass over a stream that have been used
    elapsed_s: float = 0.0

    @property
    def samples_used(self) -> int:
        """Samples of the run that have been used, or passed over by its sampling."""
        return self.samples + self.offset


@dataclass
class StopState:
    """What the stop rules remember from one evaluation to the next."""

    best: float = float("nan")
    best_step: int | None = None
    waited: int = 0  # evaluations since the best one
    loss_sum: float = 0.0  # of the training loss since the last evaluation
    loss_count: float = 0
    train_loss: float | None = None  # mean at the last evaluation
    train_loss_before: float | None = None  # mean at the evaluation before that
    evaluation_pending: bool = False  # the step just made is to be evaluated
