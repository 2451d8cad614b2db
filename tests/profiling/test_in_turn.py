"""Steps of two recipes, timed in turn: what differs between them is seen, and nothing is left behind."""

import time
from typing import Any

import pytest
import torch

from hasten import Data, Task
from hasten.base.records.profile import StepAnatomy
from hasten.profiling.in_turn import anatomies_in_turn
from hasten.training.recipe import baseline

from tiny_tasks import mlp_task


class Slow:
    """A dataset that takes a while for each sample."""

    def __init__(self, of: Any, delay_s: float) -> None:
        self.of, self.delay_s = of, delay_s

    def __len__(self) -> int:
        return len(self.of)

    def __getitem__(self, index: int) -> Any:
        time.sleep(self.delay_s)
        return self.of[index]


def slow(task: Task, delay_s: float) -> Task:
    return mlp_task(samples=64, data=Data(train=Slow(task.data.train, delay_s), valid=task.data.valid))


def parts(found: StepAnatomy) -> dict[str, float]:
    return {part.name: part.seconds for part in found.parts}


def test_the_part_that_differs_is_seen_and_the_parts_sum_to_the_step() -> None:
    plain = mlp_task(samples=64)
    before, after = anatomies_in_turn([(baseline(slow(plain, 1e-3)), ()), (baseline(plain), ("fast",))], budget_s=0.5)
    assert (before.plan, after.plan) == ((), ("fast",))
    assert parts(before)["input"] > 10 * parts(after)["input"]
    for one in (before, after):
        inside = [time_s for name, time_s in parts(one).items() if name not in ("evaluation", "checkpoint", "hiccups")]
        assert sum(inside) == pytest.approx(one.step_s.value)
        assert sum(part.share for part in one.parts) == pytest.approx(1)
        assert one.steps >= 4
    assert before.step_peaks == after.step_peaks, "the same step needs the same memory"
    assert len(after.step_peaks) == 5


def test_a_round_of_each_is_made_however_short_the_time_is() -> None:
    recipe = baseline(mlp_task(samples=64))
    assert [one.steps >= 2 for one in anatomies_in_turn([(recipe, ()), (recipe, ())], budget_s=1e-6)] == [True, True]


def test_random_numbers_go_on_as_if_nothing_had_been_timed() -> None:
    recipe = baseline(mlp_task(samples=64))
    torch.manual_seed(1)
    expected = torch.rand(3)
    torch.manual_seed(1)
    anatomies_in_turn([(recipe, ()), (recipe, ())], budget_s=0.05)
    assert torch.equal(torch.rand(3), expected)
