"""Tuning finds what was planted, keeps to its budget and leaves everything as it was."""

from collections.abc import Iterator
from typing import Any

import msgspec
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from hasten.base.errors import BadInput
from hasten.base.records.record import Interval, to_json
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.base.seeds import random_state
from hasten.base.stages import FREE, Guarantee, Stage
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.step import step
from hasten.training.task import Stop
from hasten.tuning.budget import OutOfTime
from hasten.tuning.context import Hints
from hasten.tuning.exact import fingerprint
from hasten.tuning.tune import tune

from planted import MACHINE, TIME, Costly, small_task

pytestmark = pytest.mark.usefixtures("planted")


def run(only: list[str], *, budget_s: float = 30.0, **task: Any) -> tuple[dict[str, Trial], Tuning]:
    """Return the last trial of each technique, and the tuning."""
    items = list(tune(baseline(small_task(**task)), MACHINE, budget_s=budget_s, only=only))
    *trials, tuning = items
    assert isinstance(tuning, Tuning)
    assert tuple(trials) == tuning.trials
    named = [trial.technique for trial in trials]
    assert len(set(named)) == len(named), "what is told once must not be taken back"
    return {trial.technique: trial for trial in tuning.trials}, tuning


def test_verdicts_are_those_planted() -> None:
    found, tuning = run(["slower", "nothing", "no_pause", "faster_but_wrong", "raises", "refuses"], pause=True)
    assert found["slower"].verdict is Verdict.SLOWER
    assert found["slower"].speedup is not None
    assert found["slower"].speedup.high < 1
    assert found["no_pause"].verdict is Verdict.KEPT
    assert found["no_pause"].gate is not None
    assert found["no_pause"].gate.passed
    assert found["nothing"].verdict in {Verdict.NO_DIFFERENCE, Verdict.INCONCLUSIVE}
    assert found["faster_but_wrong"].verdict is Verdict.INACCURATE
    assert "gradient" in found["faster_but_wrong"].reason
    assert found["raises"].verdict is Verdict.NOT_APPLICABLE, "a dry run of one step fails"
    assert "planted failure" in found["raises"].reason
    assert found["refuses"].verdict is Verdict.NOT_APPLICABLE
    assert found["refuses"].reason == "planted is not for this"
    assert tuning.plan.names == ("no_pause",)
    assert tuning.speedup is not None
    assert tuning.speedup.low > 1.5
    assert tuning.plan.choices[0].gain == found["no_pause"].speedup
    to_json(tuning)


def test_of_two_that_do_the_same_one_is_not_needed() -> None:
    found, tuning = run(["no_pause", "no_pause_either"], pause=True)
    assert len(tuning.plan.names) == 1
    verdicts = {trial.verdict for trial in found.values()}
    assert verdicts <= {Verdict.KEPT, Verdict.NO_DIFFERENCE, Verdict.INCONCLUSIVE}
    assert Verdict.KEPT in verdicts


def test_conflicting_techniques_are_never_combined() -> None:
    found, tuning = run(["no_pause", "no_pause_conflicting"], pause=True)
    assert len(tuning.plan.names) == 1
    loser = ({"no_pause", "no_pause_conflicting"} - set(tuning.plan.names)).pop()
    assert found[loser].verdict in {Verdict.NO_DIFFERENCE, Verdict.INCONCLUSIVE}
    assert f"instead of {tuning.plan.names[0]}" in found[loser].reason


def test_what_gains_only_with_another_is_tried_with_it_and_both_are_kept() -> None:
    found, tuning = run(["lays_ground", "on_ground"], pause=True)
    assert set(tuning.plan.names) == {"lays_ground", "on_ground"}
    assert found["on_ground"].verdict is Verdict.KEPT
    assert tuning.speedup is not None
    assert tuning.speedup.low > 1.5


def test_without_its_company_it_is_tried_alone_and_not_kept() -> None:
    found, tuning = run(["on_ground"], pause=True)
    assert found["on_ground"].verdict in (Verdict.NO_DIFFERENCE, Verdict.INCONCLUSIVE)
    assert tuning.plan.choices == ()


def test_company_that_adds_nothing_to_the_plan_stays_out() -> None:
    _, tuning = run(["no_pause", "lays_ground", "on_ground"], pause=True)
    assert tuning.plan.names in (("no_pause",), ("lays_ground", "on_ground"))


def test_nothing_helpful_leaves_the_plan_empty() -> None:
    _, tuning = run(["nothing", "slower"], budget_s=6.0)
    assert tuning.plan.choices == ()
    assert tuning.remark.startswith("No technique was proven to make training faster here.")
    assert tuning.noise is not None
    assert tuning.smallest_difference >= 0.01


def test_a_plan_that_is_not_faster_when_measured_afresh_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing_gained = Interval(value=1.001, low=0.99, high=1.01, n=9)
    monkeypatch.setattr("hasten.tuning.tune.confirmed", lambda *_, **__: nothing_gained)
    found, tuning = run(["no_pause"], pause=True)
    assert found["no_pause"].verdict is Verdict.INCONCLUSIVE
    assert "not significant; dropped" in tuning.remark
    assert tuning.plan.choices == ()
    assert tuning.speedup is None


def test_a_plan_that_fails_when_measured_afresh_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise RuntimeError("planted late failure")

    monkeypatch.setattr("hasten.tuning.tune.confirmed", fail)
    _, tuning = run(["no_pause"], pause=True)
    assert "planted late failure" in tuning.remark
    assert tuning.plan.choices == ()


def test_where_the_end_comes_in_a_block_the_tuning_ends_with_its_record(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(*_: object) -> float:
        raise OutOfTime

    monkeypatch.setattr("hasten.tuning.timing.Timing.block", late)
    _, tuning = run(["no_pause"], pause=True)
    assert tuning.plan.choices == ()


def test_what_is_not_allowed_is_not_tried() -> None:
    found, tuning = run(["another_path"], budget_s=1.0)
    assert found["another_path"].verdict is Verdict.NOT_ALLOWED
    assert "allow trajectory" in found["another_path"].reason
    assert tuning.noise is None
    assert tuning.spent_s < 1.0


def hints(share: float, *, step_s: float = 0.02) -> Hints:
    return Hints(stage_s={Stage.FORWARD: share * step_s, Stage.UPDATE: 0.3 * step_s}, step_s=step_s)


def tuned(only: list[str], *, budget_s: float, pause: bool = False, **more: Any) -> Tuning:
    *_, tuning = tune(baseline(small_task(pause=pause)), MACHINE, budget_s=budget_s, only=only, **more)
    assert isinstance(tuning, Tuning)
    return tuning


def test_a_stage_that_takes_no_time_has_nothing_to_gain() -> None:
    tuning = tuned(["nothing", "protects"], budget_s=5.0, hints=hints(0.01))
    found = {trial.technique: trial for trial in tuning.trials}
    assert {trial.verdict for trial in tuning.trials} == {Verdict.NOT_APPLICABLE}
    assert "forward takes 1.0 % of a step" in found["nothing"].reason
    assert "does not save time" in found["protects"].reason


@pytest.mark.parametrize(
    "unsure",
    [
        Hints(),  # a profile that is not sure says nothing of any stage
        hints(0.01, step_s=1.0),  # profiled on a busy machine: tuning measures steps of 20 ms, of which 10 ms are half
    ],
)
def test_a_stage_whose_share_is_not_sure_rules_nothing_out(unsure: Hints) -> None:
    tuning = tuned(["half_the_work"], budget_s=30.0, hints=unsure)
    assert tuning.plan.names == ("half_the_work",)


def test_what_costs_more_once_than_the_training_takes_is_refused_before_it_is_paid(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Costly, "card", msgspec.structs.replace(Costly.card, setup_s=5.0))
    found, tuning = run(["costly"], budget_s=60.0, pause=True, stop=Stop(steps=100))
    assert found["costly"].verdict is Verdict.NOT_APPLICABLE
    assert "5.00 s or more once, and the whole training takes only 5.0" in found["costly"].reason
    assert tuning.spent_s < 10.0


def test_what_costs_more_once_than_it_saves_is_not_kept() -> None:
    found, tuning = run(["costly"], budget_s=60.0, pause=True, stop=Stop(steps=100))
    assert found["costly"].verdict is Verdict.SLOWER
    assert found["costly"].setup_s == pytest.approx(5.0, rel=0.2)
    assert "s once and saves only" in found["costly"].reason
    assert tuning.plan.choices == ()


def test_what_costs_much_once_is_tried_last_and_beside_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Costly, "card", msgspec.structs.replace(Costly.card, setup_s=5.0))
    found, tuning = run(["costly", "half_the_work"], budget_s=90.0, pause=True)
    assert found["half_the_work"].verdict is Verdict.KEPT
    assert [trial.base for trial in tuning.trials if trial.technique == "costly"] == [("half_the_work",)]
    assert set(tuning.plan.names) == {"costly", "half_the_work"}
    short, _ = run(["costly"], budget_s=4.0, pause=True)
    assert short["costly"].verdict is Verdict.INCONCLUSIVE
    assert "budget" in short["costly"].reason


@pytest.mark.parametrize("budget_s", [1.0, 6.0, 12.0])
def test_budget_is_kept(budget_s: float) -> None:
    began = TIME.now
    every = ["nothing", "slower", "no_pause", "no_pause_either", "raises"]
    found, tuning = run(every, budget_s=budget_s, pause=True)
    assert (TIME.now - began) * 1e-9 < budget_s
    assert tuning.spent_s <= (TIME.now - began) * 1e-9
    late = [trial for trial in found.values() if "budget" in trial.reason]
    assert all(trial.verdict is Verdict.INCONCLUSIVE for trial in late)
    if budget_s == 1.0:
        assert len(late) == len(every)
        assert "too short for one comparison" in tuning.remark


@pytest.mark.parametrize("budget_s", [0.0, -1.0])
def test_a_budget_must_be_positive(budget_s: float) -> None:
    with pytest.raises(BadInput, match="budget"):
        tune(baseline(small_task()), MACHINE, budget_s=budget_s)


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(BadInput, match="no_pause"):
        tune(baseline(small_task()), MACHINE, budget_s=1.0, only=["no_paus"])


def hashes(session: Any) -> dict[str, Any]:
    """Everything that the next step of a session depends on, and the process's generators, as digests."""
    state = session.state()
    flat: dict[str, Any] = {}

    def walk(name: str, value: Any) -> None:
        if isinstance(value, torch.Tensor):
            flat[name] = fingerprint(value)
        elif isinstance(value, dict):
            for key, inner in value.items():
                walk(f"{name}.{key}", inner)
        else:
            flat[name] = repr(value)

    walk("", state)
    return flat


@settings(max_examples=3, deadline=None)
@given(seed=st.integers(0, 2**31), steps=st.integers(0, 9), optimizer=st.sampled_from(["momentum", "adam"]))
def test_a_live_session_and_the_process_are_as_before(seed: int, steps: int, optimizer: str) -> None:
    task = small_task(pause=True, dropout=0.2, seed=seed)
    live = build(baseline(task))
    batches = live.batches()
    for _ in range(steps):
        ids, batch = next(batches)
        step(live, batch)
        live.advance(len(ids), 0.0)
    before = hashes(live), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()
    items: Iterator[Any] = tune(baseline(task), MACHINE, budget_s=0.7, only=["no_pause", "raises", "onednn_fp32"])
    for _ in items:
        assert hashes(live) == before[0], "between two items too"
    assert (hashes(live), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled()) == before


def test_leaving_early_leaves_the_process_as_before() -> None:
    before = fingerprint(random_state()["torch"])
    items = tune(baseline(small_task(pause=True)), MACHINE, budget_s=1.0, only=["no_pause", "slower"], allow=FREE)
    next(iter(items))
    assert fingerprint(random_state()["torch"]) == before
    items.close()  # type: ignore[attr-defined]
    assert fingerprint(random_state()["torch"]) == before
    assert Guarantee.TRAJECTORY not in FREE
