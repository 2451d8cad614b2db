"""The budget is used where something is open, the likeliest first, and nothing runs past its hard stop."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from hasten.base.records.card import Card
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.stages import Guarantee
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe, baseline
from hasten.training.task import Stop
from hasten.tuning.budget import Budget, OutOfTime, alarm, check_time, ends_by, now_s
from hasten.tuning.context import Hints, open_laboratory, proof_s
from hasten.tuning.tune import tune

from planted import MACHINE, TIME, Planted, card, small_task


def tuned(only: list[str], *, budget_s: float, **more: Any) -> Tuning:
    *_, tuning = tune(baseline(small_task(pause=True)), MACHINE, budget_s=budget_s, only=only, **more)
    assert isinstance(tuning, Tuning)
    return tuning


def latest(tuning: Tuning) -> dict[str, Trial]:
    return {trial.technique: trial for trial in tuning.trials}


@pytest.mark.usefixtures("planted")
def test_a_budget_counts_what_is_spent() -> None:
    budget = Budget(10.0)
    assert budget.holds(10.0 - 0.1)
    TIME.now += 6 * 10**9
    assert budget.spent_s == pytest.approx(6.0, abs=0.01)
    assert budget.left_s(0.8) == pytest.approx(2.0, abs=0.01)
    assert budget.holds(10.0 - 6.1)
    assert not budget.holds(10.0 - 5.9)


@pytest.mark.usefixtures("planted")
def test_an_earlier_deadline_stays_in_force() -> None:
    with ends_by(now_s() + 1.0), ends_by(now_s() + 5.0):
        check_time()
        TIME.now += 2 * 10**9
        with pytest.raises(OutOfTime):
            check_time()
    check_time()


def test_an_alarm_interrupts_what_only_waits() -> None:
    began = time.perf_counter()
    with pytest.raises(OutOfTime), alarm(0.2):
        threading.Event().wait(20)
    assert time.perf_counter() - began < 5


@dataclass(frozen=True)
class Endless(Planted):
    """Every step of it takes 50 s."""

    card: ClassVar[Card] = card("endless")

    def apply(self, recipe: Recipe) -> Recipe:
        def wrap(function: Callable[..., Any]) -> Callable[..., Any]:
            def slow(*args: Any) -> Any:
                TIME.pass_s(2.5)
                return function(*args)

            return slow

        return recipe.wrap(wrap)


@pytest.mark.usefixtures("planted")
def test_a_candidate_that_never_ends_its_warm_up_is_stopped_and_the_rest_is_kept(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(techniques(), "endless", Endless)
    began = TIME.now
    tuning = tuned(["endless", "no_pause"], budget_s=60.0, hints=Hints(gains={"endless": 3.0}))
    assert (TIME.now - began) * 1e-9 < 60.0
    found = latest(tuning)
    assert found["endless"].verdict in (Verdict.INCONCLUSIVE, Verdict.SLOWER)
    assert tuning.plan.names == ("no_pause",)


@pytest.mark.usefixtures("planted")
def test_the_likeliest_is_measured_where_the_budget_holds_only_some() -> None:
    every = ["nothing", "slower", "lays_ground", "protects", "no_pause"]
    predicted = tuned(every, budget_s=22.0, hints=Hints(gains={"no_pause": 2.5}))
    assert latest(predicted)["no_pause"].speedup is not None
    left_out = [trial for trial in predicted.trials if "likelier" in trial.reason]
    assert all(trial.technique != "no_pause" for trial in left_out)


@dataclass(frozen=True)
class SlightlyFaster(Planted):
    """Gains 4 %, which a few pairs at 3 % noise cannot show."""

    card: ClassVar[Card] = card("slightly_faster")

    def apply(self, recipe: Recipe) -> Recipe:
        def shorten(model: Any) -> Any:
            for layer in model.modules():
                if hasattr(layer, "duration_s"):
                    layer.duration_s /= 1.04
            return model

        return recipe.with_surgery(shorten)


@pytest.mark.usefixtures("planted")
def test_what_is_inconclusive_gets_what_is_left_of_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(techniques(), "slightly_faster", SlightlyFaster)
    tuning = tuned(["slightly_faster", "raises", "refuses"], budget_s=60.0)
    trial = latest(tuning)["slightly_faster"]
    used = tuning.spent_s / tuning.budget_s
    assert trial.verdict is not Verdict.INCONCLUSIVE or used > 0.8, (trial.reason, used)


@pytest.mark.usefixtures("planted")
def test_an_accepted_technique_is_kept_though_its_gate_fails_and_the_plan_says_so() -> None:
    tuning = tuned(["faster_but_wrong"], budget_s=60.0, accept=["faster_but_wrong"])
    trial = latest(tuning)["faster_but_wrong"]
    assert trial.verdict is Verdict.KEPT
    assert trial.accepted
    assert trial.gate is not None
    assert not trial.gate.passed
    assert tuning.plan.choices[0].note.startswith("accepted without proof: ")
    proven = tuned(["no_pause"], budget_s=60.0, accept=["no_pause"])
    assert not latest(proven)["no_pause"].accepted
    assert proven.plan.choices[0].note == ""


def test_what_no_gate_proves_cannot_be_accepted() -> None:
    from hasten.base.errors import BadInput

    with pytest.raises(BadInput, match="--allow trajectory"):
        tune(baseline(small_task()), MACHINE, budget_s=1.0, only=["one_cycle"], accept=["one_cycle"])


@pytest.mark.usefixtures("planted")
def test_what_the_budget_can_decide_is_told_before_it_is_spent() -> None:
    said, at = list[str](), list[float]()

    def tell(text: str) -> None:
        said.append(text)
        at.append(now_s() - began)

    began = now_s()
    tuned(["slower", "raises"], budget_s=20.0, tell=tell)
    (text,) = said
    assert text.startswith("tuning ends within 20.0 s: about ")
    assert "% or more (2 techniques to try)" in text
    assert at[0] < 3.0
    said.clear()
    *_, _ = tune(baseline(small_task(stop=Stop(steps=100))), MACHINE, budget_s=20.0, only=["slower"], tell=tell)
    assert "one training takes only 2.0" in said[1]


@pytest.mark.usefixtures("planted")
def test_a_gate_that_takes_longer_than_planned_ends_with_the_budget(monkeypatch: pytest.MonkeyPatch) -> None:
    def slow(*_: object) -> None:
        for _ in range(1000):
            TIME.pass_s(0.5)
            check_time()

    monkeypatch.setattr("hasten.tuning.proving.judge", slow)
    began = TIME.now
    tuning = tuned(["no_pause"], budget_s=20.0)
    assert (TIME.now - began) * 1e-9 < 20.5
    assert tuning.plan.choices == ()


def test_a_proof_that_lasted_longer_is_planned_to_last_as_long() -> None:
    lab = open_laboratory(baseline(small_task()), MACHINE, 100.0)
    lab.step_s = 0.1
    assert proof_s(lab, Guarantee.EXACT) == pytest.approx(3 * 40 * 0.1)
    lab.gate_s[Guarantee.EXACT] = 9.0
    assert proof_s(lab, Guarantee.EXACT) == 9.0
