"""How much of a training the gates look at, by what the catalog and the architecture promise."""

from typing import Any

import pytest

from hasten.base.stages import Guarantee
from hasten.training.building import build
from hasten.training.recipe import Recipe, baseline
from hasten.training.session import Session
from hasten.tuning import precision, rounding
from hasten.tuning.branch import branch, twins
from hasten.tuning.budget import Budget, now_s
from hasten.tuning.exact import exact_gate, trace
from hasten.tuning.gates import Reference, judge, steps_of
from hasten.tuning.precision import compare_gradients
from hasten.tuning.reference_step import state_of
from hasten.tuning.rounding import states_of

from planted import small_task


def changed_in_step(number: int) -> Recipe:
    """The baseline, but for one last bit of the gradient in one step."""
    seen = iter(range(1, 100))

    def nudge(parameters: Any) -> bool:
        if next(seen) == number:
            next(iter(parameters.values())).grad.mul_(1 + 1e-6)
        return True

    return baseline(small_task()).with_gradient(nudge)


@pytest.mark.parametrize(("number", "passes"), [(1, False), (20, False), (21, True)])
def test_exact_compares_20_steps(number: int, passes: bool) -> None:
    recipe = baseline(small_task())
    expected = trace(recipe)
    assert len(expected) == 20
    gate = exact_gate(changed_in_step(number), recipe, expected)
    assert gate.passed is passes
    assert passes or f"in step {number}" in gate.detail


def test_rounding_compares_3_batches_at_the_start_and_after_20_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = baseline(small_task())
    states = states_of(recipe)
    assert [state.position.step for state in states] == [0, 20]
    observed: list[int] = []
    real = rounding.observe
    monkeypatch.setattr(rounding, "observe", lambda *args, **more: (observed.append(1), real(*args, **more))[1])
    reference = Reference(recipe)
    reference.__dict__["states"] = states
    assert judge(recipe, Guarantee.ROUNDING, reference).passed
    assert len(observed) == 1 + 2 * 3 * 3  # float64 is tried once; 2 states, 3 batches, 3 sessions


def test_the_branch_has_48_steps_16_compared_gradients_and_3_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    compared: list[int] = []
    own = precision.gradients_of

    def counted(run: Session, batch: Any, *, seed: int | None) -> Any:
        compared.append(seed or 0)
        return own(run, batch, seed=seed)

    monkeypatch.setattr(precision, "gradients_of", counted)
    recipe = baseline(small_task())
    run, state = build(recipe), state_of(build(recipe))
    _, walked = compare_gradients(run, build(recipe), state)
    assert compared == list(range(0, 48, 3))
    assert len(walked.losses) == len(branch(run, state).losses) == 48
    found = twins(run, state)
    assert len(found) == 3
    assert found[0].losses[0] == walked.losses[0], "they start from the same state"


def test_everything_ends_within_the_budget() -> None:
    budget = Budget(10.0, started_s=100.0)
    assert budget.hard_stop_s == 110.0
    assert Budget(10.0, started_s=now_s()).holds(9.9)
    assert not Budget(10.0, started_s=now_s()).holds(10.1)


def test_the_time_of_a_gate_is_planned_by_its_steps() -> None:
    assert steps_of(Guarantee.EXACT) == 2 * 20
    assert steps_of(Guarantee.ROUNDING) == 2 * 3 * 5 + 2 * 8
    assert steps_of(Guarantee.PRECISION) == 2 * 48 + 16
