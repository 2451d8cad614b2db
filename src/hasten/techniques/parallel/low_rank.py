"""torch's PowerSGD hook with a state that is saved and resumes (`powersgd`).

A module of its own, since torch's hooks take a while to import, and the cards of all techniques are read in every
tuning.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
import torch.distributed as dist
from torch import Tensor
from torch.distributed.algorithms.ddp_comm_hooks.powerSGD_hook import PowerSGDState, powerSGD_hook

from hasten.base.seeds import derive
from hasten.training.processes import Processes

_EPSILON = 1e-8
"""Added to the norm of a column: a gradient of zeros would become NaN."""


@dataclass(frozen=True)
class LowRankHook:
    """Makes the hook of a session; the fields are the knobs of `powersgd`."""

    rank: int
    start: int
    error_feedback: bool
    warm_start: bool

    def __call__(self, device: torch.device) -> "LowRank":
        """Return a hook without errors."""
        state = PowerSGDState(
            None,
            matrix_approximation_rank=self.rank,
            start_powerSGD_iter=self.start,
            use_error_feedback=self.error_feedback,
            warm_start=self.warm_start,
            orthogonalization_epsilon=_EPSILON,  # type: ignore[arg-type]  (torch infers int from the default of 0)
        )
        return LowRank(state, device)


class LowRank:
    """Averages buckets by factors of low rank, in one session. A bucket is known by its number, which stays."""

    def __init__(self, state: PowerSGDState, device: torch.device) -> None:
        self._state, self._device = state, device

    def __call__(self, bucket: dist.GradBucket) -> torch.futures.Future[Tensor]:
        """Return the future of a bucket's average; by gloo it has come.

        torch's hook sends the second factor from a callback of the first. NCCL calls it at once; gloo in a thread of
        its own, where two buckets under way would send in another order in each process, or wait for each other.
        """
        # what it draws follows from step and bucket, so that there is no generator to save
        self._state.rng = np.random.RandomState(derive(0, self._state.iter, bucket.index()) % 2**32)
        averaged = powerSGD_hook(self._state, bucket)
        if dist.get_backend() == "gloo":
            averaged.wait()
        return averaged

    def common(self) -> dict[str, Any]:
        """Return the number of steps and the factors, by bucket."""
        state = self._state
        return {"steps": state.iter, "p": dict(state.p_memory_dict), "q": dict(state.q_memory_dict)}

    def own(self) -> dict[str, Any]:
        """Return what this process has left out so far, by bucket."""
        return {"errors": dict(self._state.error_dict)}

    def load_state(self, common: dict[str, Any], of_each: Sequence[dict[str, Any]], processes: Processes) -> None:
        """Continue from copies; of another number of processes all from the mean of the errors, which counts alone."""
        state, errors = self._state, [one["errors"] for one in of_each]
        state.iter = common["steps"]
        state.p_memory_dict, state.q_memory_dict = self._copied(common["p"]), self._copied(common["q"])
        if len(errors) == processes.size:
            state.error_dict = self._copied(errors[processes.rank])
        else:
            state.error_dict = self._copied({at: torch.stack([one[at] for one in errors]).mean(0) for at in errors[0]})

    def _copied(self, tensors: dict[int, Tensor]) -> dict[int, Tensor]:
        return {bucket: one.to(self._device, copy=True) for bucket, one in tensors.items()}
