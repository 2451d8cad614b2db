"""A plan that was proven before is proven again, and says where and with what it was."""

import math
from pathlib import Path

import msgspec
import pytest

import hasten
from hasten import Choice, Plan, Stop, api
from hasten.base.errors import BadInput
from hasten.base.records.notices import Note
from hasten.base.records.record import Interval
from hasten.base.records.reproof import Standing
from hasten.machine.facts import facts
from hasten.pipeline import proving
from hasten.pipeline.proving import changed_since
from hasten.techniques.plan_file import read_plan, write_plan
from hasten.tuning.known import versions_of

from tiny_tasks import mlp_task

GATHER = Plan(task="tiny", choices=(Choice(technique="batched_gather"),))
HERE = msgspec.structs.replace(GATHER, machine=facts().cpu, versions=versions_of(facts()))


@pytest.mark.parametrize(
    ("versions", "said"),
    [
        ({}, "on AMD EPYC 9B14 96-Core Processor."),
        ({"torch": "2.13.0+cpu", "hasten": "0.1.0", "python": "3.12.3"}, "with torch 2.13.0+cpu, hasten 0.1.0, python"),
    ],
)
def test_a_plan_file_says_what_it_was_measured_on(versions: dict[str, str], said: str, tmp_path: Path) -> None:
    plan = msgspec.structs.replace(GATHER, machine="AMD EPYC 9B14 96-Core Processor", versions=versions)
    write_plan(plan, tmp_path / "plan.toml")
    assert said in (tmp_path / "plan.toml").read_text()
    again = read_plan(tmp_path / "plan.toml")
    assert (again.machine, again.versions) == (plan.machine, versions)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({}, ""),
        ({"machine": ""}, ""),
        ({"machine": "a Z80 with torch"}, f"on a Z80 with torch (now {facts().cpu})"),
        ({"versions": {"torch": "1.0"}}, f"with torch 1.0 (now {facts().torch})"),
        ({"versions": {}}, ""),
    ],
)
def test_what_has_changed_since_a_plan_was_proven(changed: dict[str, object], said: str) -> None:
    assert changed_since(msgspec.structs.replace(HERE, **changed), facts()) == said


def test_a_training_with_a_plan_of_another_machine_says_so_once() -> None:
    shown: list[object] = []
    plan = msgspec.structs.replace(HERE, versions={"torch": "1.0"})
    hasten.train(mlp_task(stop=Stop(steps=2)), plan, runs=None, show=shown.append)
    notes = [one.text for one in shown if isinstance(one, Note) and "proven" in one.text]
    assert notes == [
        f"the plan was proven with torch 1.0 (now {facts().torch}): hasten tune TASK --verify PLAN proves it again"
    ]
    shown.clear()
    hasten.train(mlp_task(stop=Stop(steps=2)), HERE, runs=None, show=shown.append)
    assert not [one for one in shown if isinstance(one, Note) and "proven" in one.text]


@pytest.mark.parametrize(
    ("interval", "standing"),
    [
        ((1.3, 1.2, 1.4), Standing.STILL_FASTER),
        ((0.9, 0.8, 0.95), Standing.NO_LONGER),
        ((1.0, 0.99, 1.005), Standing.NO_LONGER),
        ((1.1, 0.9, 1.3), Standing.NOT_PROVEN),
        (None, Standing.NOT_PROVEN),
    ],
)
def test_standing_follows_the_interval(
    interval: tuple[float, float, float] | None, standing: Standing, monkeypatch: pytest.MonkeyPatch
) -> None:
    speedup = None if interval is None else Interval(value=interval[0], low=interval[1], high=interval[2], n=9)
    monkeypatch.setattr(proving, "measured_again", lambda *_, **__: (speedup, ""))
    found = api.verify_plan(mlp_task(), msgspec.structs.replace(HERE, versions={"torch": "1.0"}))
    assert (found.standing, found.speedup) == (standing, speedup)
    assert "torch 1.0" in found.changed


@pytest.mark.slow
def test_a_plan_is_measured_again_in_pairs() -> None:
    found = api.verify_plan(mlp_task(), HERE, budget="4s")
    assert found.speedup is not None
    assert found.speedup.n >= 5
    assert math.isfinite(found.speedup.high)


def test_a_budget_that_is_too_short_proves_nothing() -> None:
    found = api.verify_plan(mlp_task(), HERE, budget="0.001s")
    assert found.standing is Standing.NOT_PROVEN
    assert "too short" in found.remark


def test_there_is_nothing_to_prove_in_an_empty_plan() -> None:
    with pytest.raises(BadInput, match="no technique"):
        api.verify_plan(mlp_task(), Plan(task="tiny"))


def test_a_plan_for_another_task_is_not_proven_again() -> None:
    with pytest.raises(BadInput, match="the plan is for the task 'large', not for 'tiny'"):
        api.verify_plan(mlp_task(), msgspec.structs.replace(HERE, task="large"))
