"""Which trainings with and without a technique are made, in which order and for how long."""

import math

import pytest
import torch

from hasten.machine.set_threads import threads_set
from hasten.training.recipe import baseline
from hasten.training.task import Stop
from hasten.tuning import run_cache
from hasten.tuning.budget import Budget, now_s
from hasten.tuning.busy import Free
from hasten.tuning.context import Plan, open_laboratory
from hasten.tuning.convergence import _affordable_seeds, _trained
from hasten.tuning.learning_curve import Course
from hasten.tuning.run_cache import Trainings

from planted import MACHINE, TIME, AnotherPath, small_task

pytestmark = pytest.mark.usefixtures("planted")

PATH: Plan = (AnotherPath(),)


class Noted(Trainings):
    """Trainings that end at once, with the metric of their seed; notes which are made."""

    def course(self, plan: Plan, number: int, *, limit_s: float = math.inf) -> Course:
        if (frozenset(plan), number) not in self.done:
            self.made.append((plan, number, limit_s))
            metric = 0.1 if plan and number == self.late else 0.95
            self.done[frozenset(plan), number] = Course(((1.0, metric),), True, 1.0, True)
        return self.done[frozenset(plan), number]


def noted(*, target: float | None = None, late: int | None = None) -> Noted:
    lab = open_laboratory(baseline(small_task(stop=Stop(epochs=2, target=target))), MACHINE, budget_s=100.0)
    found = Noted(lab, lab.recipe, ())
    found.made, found.late = [], late
    return found


def test_whole_trainings_use_the_threads_that_are_fast_beside_other_work(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = list[int]()
    monkeypatch.setattr(run_cache, "run_course", lambda *_, **__: seen.append(torch.get_num_threads()))
    lab = open_laboratory(baseline(small_task()), MACHINE, budget_s=100.0)
    made = Trainings(lab, lab.recipe, ())
    with threads_set(2):
        for number, lab.free in enumerate((Free(), Free(1), Free(1, 15.0))):
            made.course((), number)
        assert seen == [2, 2, 1]
        assert torch.get_num_threads() == 2


def test_which_side_trains_first_is_a_coin() -> None:
    trainings = noted()
    assert _trained(trainings, (), PATH, range(1, 41)) == list(range(1, 41))
    pairs = [trainings.made[at : at + 2] for at in range(1, 81, 2)]  # the first is the plain one that tells the limit
    assert all(first[1] == second[1] and first[0] != second[0] for first, second in pairs)
    assert 10 < sum(first[0] == PATH for first, _ in pairs) < 30
    assert all(limit_s == (3.0 if plan else math.inf) for plan, _, limit_s in trainings.made)


def test_the_comparison_ends_at_the_first_seed_that_misses_the_target() -> None:
    assert _trained(noted(target=0.9, late=3), (), PATH, range(1, 10)) == [1, 2, 3]
    assert _trained(noted(target=0.9), (), PATH, range(1, 5)) == [1, 2, 3, 4]
    assert _trained(noted(late=3), (), PATH, range(1, 5)) == [1, 2, 3, 4]  # no target: it is not known yet


@pytest.mark.parametrize(("left_s", "seeds"), [(1000.0, 10), (12.1, 6), (6.1, 3), (5.0, 2), (1.0, 0), (-5.0, 0)])
def test_half_of_the_time_left_is_used_since_the_other_half_measures_afresh(left_s: float, seeds: int) -> None:
    assert max(0, _affordable_seeds(Budget(left_s, now_s()), 1.0)) == seeds


def test_the_hard_stop_does_not_move_with_the_clock() -> None:
    budget = Budget(10.0)
    moment_s = budget.hard_stop_s
    assert moment_s == pytest.approx(now_s() + 10.0, abs=0.1)
    TIME.now += 6 * 10**9
    assert budget.hard_stop_s == moment_s
    assert budget.left_s() == pytest.approx(4.0, abs=0.1)
