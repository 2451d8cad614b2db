"""What is said where a measurement, a proof or a comparison cannot be had."""

import math
from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import torch
from torch import nn

from hasten import Data, Stop, Task
from hasten.base.errors import BadInput, Refused
from hasten.base.records.record import Interval
from hasten.base.records.trial import Gate, Trial, Verdict
from hasten.base.stages import Guarantee
from hasten.training.recipe import Recipe, baseline
from hasten.training.technique import Technique
from hasten.tuning import context, convergence, messages, proving
from hasten.tuning.bench import Bench
from hasten.tuning.budget import OutOfTime
from hasten.tuning.busy import Free
from hasten.tuning.context import Laboratory, bench_of, open_laboratory
from hasten.tuning.float64 import in_float64, to_single, with_own_tensors
from hasten.tuning.gates import Reference, judge
from hasten.tuning.learning_curve import Course
from hasten.tuning.proving import proven, unproven
from hasten.tuning.reference_step import NoReference
from hasten.tuning.run_cache import Trainings
from hasten.tuning.search.search import USUAL_PROOF
from hasten.tuning.trials import blank
from hasten.tuning.tune import _about_noise, _Found, _measured_afresh, _tuning, tune

from planted import MACHINE, AnotherPath, HalfTheWork, NoPause, NoPauseConflicting, Nothing, Refuses, small_task

pytestmark = pytest.mark.usefixtures("planted")

ONE, OTHER, PATH = NoPause(), HalfTheWork(), AnotherPath()


def laboratory(**task: Any) -> Laboratory:
    lab = open_laboratory(baseline(small_task(**task)), MACHINE, budget_s=100.0)
    lab.step_s = 0.02
    return lab


# Benches


def test_a_step_of_a_stream_advances_by_its_batch() -> None:
    x, y = torch.randn(8, 6), torch.zeros(8, dtype=torch.int64)
    batches = [(x[:4], y[:4]), (x[4:], y[4:])]
    data = Data(train=lambda: iter(batches), valid=small_task().data.valid)
    plain = small_task()
    recipe = baseline(Task(name="t", data=data, model=plain.model, update=plain.update, stop=Stop(steps=20)))
    assert Bench(recipe).samples_per_step == 4


def test_a_watched_step_is_one_step_and_is_taken_back() -> None:
    bench = Bench(baseline(small_task()))
    before = [parameter.detach().clone() for parameter in bench.run.parameters]
    seen = bench.watched_step()
    assert len([call for call in seen.products if call.name == "aten::addmm"]) == 2, "two layers, once"
    assert all(torch.equal(one, other) for one, other in zip(before, bench.run.parameters, strict=True))
    assert bench.run.position.step == 0


def test_an_error_of_a_bench_passes_on_where_a_dry_run_finds_none(monkeypatch: pytest.MonkeyPatch) -> None:
    for error in (Refused("planted refusal"), RuntimeError("planted, in the second step")):

        def fail(recipe: Recipe, error: Exception = error, **_: Any) -> None:
            raise error

        monkeypatch.setattr(context, "Bench", fail)
        with pytest.raises(type(error), match="planted"):
            bench_of(laboratory(), (ONE,))


# Noise


def test_a_machine_that_is_busy_or_not_steady_is_told() -> None:
    lab = laboratory()
    steady, unsteady = (Interval(value=1.2, low=low, high=1.5, n=4) for low in (0.9, 1.1))
    assert _about_noise(lab, None) == _about_noise(lab, steady) == []
    assert "differs by a factor of 1.20" in _about_noise(lab, unsteady)[0]
    lab.free = Free(1)
    assert _about_noise(lab, unsteady) == [
        "Other work keeps this machine busy: blocks were timed by the processor on 1 thread."
    ]
    assert _tuning(lab, _Found()).threads is None, "steps on all threads were not seen to be slow"
    lab.free = Free(1, 15.0)
    assert _tuning(lab, _Found()).threads == 1
    assert _about_noise(lab, None)[0].endswith(
        "on 1 thread. A step on all threads took 15.0x as long: while that work lasts, train with OMP_NUM_THREADS=1."
    )


# Proofs


def test_what_came_to_a_proven_plan_is_blamed_without_another_gate(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = laboratory()
    gates(monkeypatch, {3: False})
    lab.proven = {frozenset({ONE, Nothing()}): None, frozenset({ONE}): None}
    broken, proof = unproven(lab, [ONE, Nothing(), OTHER], dict.fromkeys([ONE, Nothing(), OTHER], "1.50x"), {})
    assert proof is None
    assert broken.keys() == {OTHER}
    assert (broken[OTHER].technique, broken[OTHER].base) == (OTHER.card.name, (ONE.card.name, "nothing"))
    assert broken[OTHER].verdict is Verdict.INACCURATE


def faster() -> Trial:
    return blank(ONE, Verdict.KEPT, "1.50x")


def gates(monkeypatch: pytest.MonkeyPatch, answers: dict[int, bool]) -> None:
    """Let the gate of a plan of so many techniques pass or fail; recipes are told apart by their number."""

    def judged(candidate: int, guarantee: Guarantee, reference: Any) -> Gate:
        passed = answers[candidate]
        return Gate(guarantee=guarantee, passed=passed, measured=0.0, bound=0, detail=f"of {candidate}")

    monkeypatch.setattr(proving, "recipe_with", lambda lab, plan: len(plan))
    monkeypatch.setattr(proving, "judge", judged)


@pytest.mark.parametrize(
    ("answers", "tried", "verdict", "accepted"),
    [
        ({2: True}, ONE, Verdict.KEPT, False),
        ({2: False, 1: True}, ONE, Verdict.KEPT, False),  # the rest keeps its guarantee without the accepted one
        ({2: False, 1: False}, ONE, Verdict.INACCURATE, False),
        ({2: False, 1: True}, Nothing(), Verdict.KEPT, True),
    ],
)
def test_beside_an_accepted_technique_the_rest_is_proven(
    answers: dict[int, bool], tried: Any, verdict: Verdict, accepted: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab = laboratory()
    lab.accept = frozenset({"nothing"})
    gates(monkeypatch, answers)
    trial = proven(lab, (Nothing(), ONE), msgspec.structs.replace(faster(), technique=tried.card.name))
    assert (trial.verdict, trial.accepted) == (verdict, accepted)
    assert (frozenset({Nothing(), ONE}) in lab.proven) is (verdict is Verdict.KEPT)
    assert ("accepted without proof: of 2" in trial.reason) is accepted


def test_a_proof_that_the_budget_does_not_hold_or_that_has_no_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    lab = laboratory()
    lab.step_s = 10.0
    trial = proven(lab, (ONE,), faster())
    assert trial.verdict is Verdict.INCONCLUSIVE
    assert trial.reason == "budget: likely faster (1.50x), but its proof needs about 20.0 min"
    lab.step_s, lab.gate_s = 0.02, {Guarantee.EXACT: (lab.budget.left_s() - 0.1) / USUAL_PROOF}
    trial = proven(lab, (ONE,), faster())
    assert trial.verdict is Verdict.INCONCLUSIVE, "there would be no time left to measure the plan afresh"
    lab.gate_s = {}

    def none(*_: object) -> None:
        raise NoReference("planted: nothing to compare with")

    monkeypatch.setattr(proving, "judge", none)
    trial = proven(lab, (ONE,), faster())
    assert (trial.verdict, trial.reason) == (
        Verdict.INCONCLUSIVE,
        "faster (1.50x), but planted: nothing to compare with",
    )
    assert not lab.proven


# Whole trainings


def trainings(ends: list[float | None], *, target: float | None = None) -> Trainings:
    lab = laboratory(stop=Stop(epochs=4, target=target))
    found = Trainings(lab, lab.recipe, (), note=" (noted)")
    for number, end in enumerate(ends):
        points = () if end is None else ((1.0, end),)
        found.done[frozenset(), number] = Course(points, True, 2.0, True)
    return found


def test_a_training_without_a_finite_metric_is_nothing_to_compare_with() -> None:
    nothing = trainings([None, None, None])
    why = "the plain training has no finite metric to compare with"
    assert convergence._best_variant(nothing, PATH, ()) == convergence._Look(PATH, 0.0, why)
    nothing.done |= {(frozenset({PATH}), number): course for (_, number), course in nothing.done.items()}
    outcome = convergence._compared(nothing, (), (PATH,), [0, 1, 2])
    assert (outcome.verdict, outcome.ratio) == (Verdict.INCONCLUSIVE, None)
    assert "no finite metric" in outcome.text


def look(one: Technique, *, ratio: float = 1.5) -> convergence._Look:
    return convergence._Look(one, ratio, "not said")


def test_what_cannot_be_compared_over_seeds_says_why() -> None:
    trial = convergence._over_seeds(trainings([0.9]), look(Refuses()), ())
    assert trial.verdict is Verdict.NOT_APPLICABLE
    assert trial.reason == "1.50x on the first seed, but planted is not for this, which gains more"
    trial = convergence._over_seeds(trainings([0.9]), look(NoPauseConflicting()), (NoPause(),))
    assert trial.verdict is Verdict.NOT_APPLICABLE
    assert "cannot be combined" in trial.reason
    slow = trainings([0.9])
    slow.done[frozenset(), 0] = Course(((1.0, 0.9),), True, 100.0, True)
    trial = convergence._over_seeds(slow, look(PATH, ratio=2.0), ())
    assert trial.verdict is Verdict.INCONCLUSIVE
    assert (
        trial.reason
        == "budget: 2.00x on the first seed (noted), but 3 seeds, and as many to measure it afresh, need about 15.0 min"
    )


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (1.01, 2.0, Verdict.KEPT),
        (1.0, 2.0, Verdict.INCONCLUSIVE),
        (0.5, 1.0, Verdict.INCONCLUSIVE),
        (0.5, 0.99, Verdict.SLOWER),
        (0.5, 1.5, Verdict.INCONCLUSIVE),
    ],
)
def test_the_verdict_of_trainings_needs_an_interval_clear_of_one(low: float, high: float, verdict: Verdict) -> None:
    ratio = Interval(value=(low + high) / 2, low=low, high=high, n=3)
    trial = convergence._judged(PATH, (), convergence._outcome_of(ratio, "to 0.9"))
    assert (trial.verdict, trial.speedup) == (verdict, ratio)
    assert ("within the spread between seeds" in trial.reason) is (verdict is Verdict.INCONCLUSIVE)


@pytest.mark.parametrize(("high", "shown"), [(10.0, "[1.00, 10.00]"), (10.1, "[interval too wide to report]")])
def test_an_interval_of_more_than_a_factor_of_ten_is_not_reported(high: float, shown: str) -> None:
    assert messages.ratio(Interval(value=2.0, low=1.0, high=high, n=3)) == f"2.00x {shown}"


# Gates without a reference


def no_gradient(parameters: Any) -> bool:
    for parameter in parameters.values():
        parameter.grad = None
    return True


def infinite(parameters: Any) -> bool:
    next(iter(parameters.values())).grad.fill_(math.inf)
    return True


def test_without_gradients_there_is_nothing_to_compare() -> None:
    recipe = baseline(small_task())
    with pytest.raises(NoReference, match="no gradient reaches the update"):
        judge(recipe.with_gradient(no_gradient), Guarantee.PRECISION, Reference(recipe))


def test_a_baseline_that_is_not_finite_is_no_reference() -> None:
    recipe = baseline(small_task()).with_gradient(infinite)
    with pytest.raises(NoReference, match="the plain training is not finite"):
        judge(recipe, Guarantee.ROUNDING, Reference(recipe))


def test_float64_is_undone_and_other_errors_pass() -> None:
    model = nn.Linear(2, 2).double()
    assert to_single(model) is model
    assert model.weight.dtype is torch.float32
    recipe = in_float64(baseline(small_task()))
    assert recipe.model[-1].undo is to_single
    function = with_own_tensors(lambda output, batch: output @ batch)
    mixed = function(torch.ones(2, 3, dtype=torch.float64), torch.ones(3, 1))
    assert mixed.dtype is torch.float64
    with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
        function(torch.ones(2, 3), torch.ones(2, 1))


# Tuning


def test_a_name_to_exclude_must_be_known() -> None:
    with pytest.raises(BadInput, match="unknown technique 'no_paus'"):
        tune(baseline(small_task()), MACHINE, budget_s=1.0, exclude=["no_paus"])


def test_a_plan_that_is_not_measured_afresh_in_time_is_dropped(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object, **__: object) -> Iterator[Any]:
        raise OutOfTime

    monkeypatch.setattr("hasten.tuning.tune.confirmed", late)
    assert _measured_afresh(laboratory(), {ONE: faster()}, None, share=1.0) == (
        None,
        None,
        "no_pause: dropped, since the budget ended before the plan could be measured afresh.",
    )


@pytest.mark.parametrize(
    ("expected", "kept", "said"),
    [
        (None, 3.1, "Measured afresh, the plan is 3.10x [2.90, 3.40] as fast."),
        ((2.2, 2.0, 2.4), 2.2, "as fast, and 2.20x [2.00, 3.40] by all blocks before, which counts"),
        ((1.1, 0.9, 1.2), None, "no_pause: re-measured at 3.10x [2.90, 3.40], and 1.10x [0.90, 3.40] by all blocks"),
    ],
)
def test_of_two_measurements_the_lower_one_counts(
    expected: tuple[float, float, float] | None, kept: float | None, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured = Interval(value=3.1, low=2.9, high=3.4, n=3)
    before = None if expected is None else Interval(value=expected[0], low=expected[1], high=expected[2], n=40)
    monkeypatch.setattr("hasten.tuning.tune.confirmed", lambda *_, **__: measured)
    found, speedup, remark = _measured_afresh(laboratory(), {ONE: faster()}, before, share=1.0)
    assert found == measured
    assert (None if speedup is None else speedup.value) == kept
    assert said in remark
