"""A tuning in a process of its own, which a test kills: python killed_tuning.py FOLDER NAME,..."""

import sys
import time
from pathlib import Path

import torch
from test_isolation import Crashes
from torch import Tensor

from hasten.base.records.trial import Tuning
from hasten.machine.facts import facts
from hasten.training.recipe import baseline
from hasten.tuning import timing
from hasten.tuning.tune import tune

import planted
from planted import NoPause, Slower, small_task


def forward(self: planted.Work, x: Tensor) -> Tensor:
    time.sleep(self.duration_s / 5)
    return x


def main() -> None:
    torch.set_num_threads(1)
    planted.Work.forward = forward  # type: ignore[method-assign]  (real time: no other clock is in this process)
    timing.is_foreign = lambda one: False
    known: dict[str, type] = {"no_pause": NoPause, "slower": Slower, "crashes": Crashes}
    chosen = [known[name]() for name in sys.argv[2].split(",")]
    task = small_task(pause=True)
    *_, tuning = tune(baseline(task), facts(), budget_s=20.0, only=chosen, keep_in=Path(sys.argv[1]))
    assert isinstance(tuning, Tuning)
    reasons = " ".join(trial.reason for trial in tuning.trials)
    sys.stdout.write(f"plan: {', '.join(tuning.plan.names)}; {reasons}; {tuning.remark}\n")


if __name__ == "__main__":
    main()
