"""What tuning expected and what came of it is kept, also where the plan was not faster."""

from pathlib import Path

from hasten.base.records.history import Forecast, Outcome
from hasten.base.records.machine import Machine
from hasten.base.records.record import Interval
from hasten.machine import facts
from hasten.training.recipe import baseline
from hasten.tuning.history import MOST_OUTCOMES, remembered

from tiny_tasks import mlp_task

MACHINE: Machine = facts()


def outcome(day: int) -> Outcome:
    ratio = Interval(value=1.2, low=1.1, high=1.3, n=8)
    return Outcome(made_at=f"day {day}", forecast=Forecast(plan=("bf16",), expected=ratio, measured=None))


def test_outcomes_are_added_to_what_was_there(tmp_path: Path) -> None:
    recipe = baseline(mlp_task(samples=64))
    assert remembered(recipe, MACHINE, tmp_path, None) == ((), "")
    assert not list(tmp_path.rglob("*.json")), "reading makes no file"
    remembered(recipe, MACHINE, tmp_path, outcome(1))
    found, note = remembered(recipe, MACHINE, tmp_path, outcome(2))
    assert [one.made_at for one in found] == ["day 1", "day 2"]
    assert note == ""
    assert remembered(recipe, MACHINE, tmp_path, None)[0] == found


def test_another_training_has_a_history_of_its_own(tmp_path: Path) -> None:
    remembered(baseline(mlp_task(samples=64)), MACHINE, tmp_path, outcome(1))
    assert remembered(baseline(mlp_task(samples=128)), MACHINE, tmp_path, None)[0] == ()


def test_the_oldest_outcomes_are_dropped(tmp_path: Path) -> None:
    recipe = baseline(mlp_task(samples=64))
    found: tuple[Outcome, ...] = ()
    for day in range(MOST_OUTCOMES + 2):
        found, _ = remembered(recipe, MACHINE, tmp_path, outcome(day))
    assert len(found) == MOST_OUTCOMES
    assert (found[0].made_at, found[-1].made_at) == ("day 2", f"day {MOST_OUTCOMES + 1}")


def test_a_damaged_history_is_told_and_starts_anew(tmp_path: Path) -> None:
    recipe = baseline(mlp_task(samples=64))
    remembered(recipe, MACHINE, tmp_path, outcome(1))
    (path,) = tmp_path.rglob("*.history.json")
    path.write_text(path.read_text().replace("day 1", "day 9"))
    found, note = remembered(recipe, MACHINE, tmp_path, outcome(2))
    assert [one.made_at for one in found] == ["day 2"]
    assert "starts anew" in note
    assert str(path) in note


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "tuning").write_text("")
    found, note = remembered(baseline(mlp_task(samples=64)), MACHINE, tmp_path, outcome(1))
    assert [one.made_at for one in found] == ["day 1"]
    assert "not kept" in note
