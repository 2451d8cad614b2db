"""What a tuning has shown is kept: the next one of the same task starts from it and measures the plan alone."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest

from hasten.base.records.card import Card
from hasten.base.records.known import AGAIN, Known
from hasten.base.records.record import Interval
from hasten.base.records.sealed import load_sealed, save_sealed
from hasten.base.records.trial import Trial, Tuning, Verdict
from hasten.techniques.registry import techniques
from hasten.training.recipe import Recipe, baseline
from hasten.training.technique import Technique
from hasten.tuning.busy import Free
from hasten.tuning.context import open_laboratory
from hasten.tuning.known import FileStore, differing, key_of, known_of, merged, opened, readings_of
from hasten.tuning.search.model import Readings
from hasten.tuning.selection import Selection
from hasten.tuning.tune import tune

from planted import MACHINE, NoPause, NoPauseEither, Nothing, Planted, _awake, card, small_task

pytestmark = pytest.mark.usefixtures("planted")
EVERY = ["no_pause", "slower", "raises"]


def tuned(folder: Path, only: list[Any] = EVERY, *, budget_s: float = 60.0, **more: Any) -> Tuning:
    task = more.pop("task", None) or small_task(pause=True)
    *_, tuning = tune(baseline(task), MACHINE, budget_s=budget_s, only=only, keep_in=folder, **more)
    assert isinstance(tuning, Tuning)
    return tuning


def verdicts(tuning: Tuning) -> dict[str, Verdict]:
    return {trial.technique: trial.verdict for trial in tuning.trials}


def the_file(folder: Path) -> Path:
    (path,) = (folder / "tuning").iterdir()
    return path


def test_a_second_tuning_measures_its_plan_alone(tmp_path: Path) -> None:
    first, second = tuned(tmp_path), tuned(tmp_path)
    assert first.plan.names == second.plan.names
    assert set(first.plan.names) == {"no_pause"}
    assert verdicts(first) == verdicts(second)
    assert second.spent_s < 0.4 * first.spent_s
    assert second.speedup is not None
    assert second.speedup != first.speedup, "measured afresh"
    assert second.forecast is not None
    assert second.forecast.measured == second.speedup
    assert second.forecast.expected not in (None, second.speedup)
    gates = {trial.technique: trial.gate for trial in first.trials if trial.verdict is Verdict.KEPT}
    assert {one.technique: one.gate for one in second.trials if one.verdict is Verdict.KEPT} == gates
    assert "Earlier tuning" in second.remark


def test_an_interrupted_tuning_goes_on_where_it_was(tmp_path: Path) -> None:
    items = tune(baseline(small_task(pause=True)), MACHINE, budget_s=24.0, only=EVERY, keep_in=tmp_path)
    for item in items:
        if isinstance(item, Trial) and item.verdict is Verdict.SLOWER:
            items.close()  # type: ignore[attr-defined]
    before = load_sealed(Known, the_file(tmp_path))
    assert before.blocks
    second = tuned(tmp_path, budget_s=24.0)
    assert set(second.plan.names) == {"no_pause"}
    assert second.spent_s < 29.0 - before.spent_s, "10 pairs are timed in any case"
    assert load_sealed(Known, the_file(tmp_path)).blocks[: len(before.blocks)] == before.blocks


def kept(folder: Path, **task: Any) -> FileStore:
    """Return the store of the task with something in it that was written."""
    store = opened(baseline(small_task(**task)), MACHINE, folder, fresh=False)
    store.keep(Known(spent_s=5.0))
    return store


@pytest.mark.parametrize("damage", ["cut", "digit", "other form", "other torch", "other code"])
def test_evidence_that_cannot_be_believed_is_ignored_with_a_note(tmp_path: Path, damage: str) -> None:
    path = kept(tmp_path).path
    assert path is not None
    content = path.read_text()
    what = damage.removeprefix("other ")
    if what in ("torch", "code"):
        known = load_sealed(Known, path)
        save_sealed(msgspec.structs.replace(known, versions=known.versions | {what: "1.0"}), path)
    else:
        changed = {"cut": content[:-20], "digit": content.replace("5.0", "6.0"), "other form": '{"form": 9}'}[damage]
        path.write_text(changed)
    store = opened(baseline(small_task()), MACHINE, tmp_path, fresh=False)
    assert store.known.spent_s == 0.0
    assert store.note.startswith("Earlier evidence is not used")
    assert (f"{what} 1.0" in store.note) is (what in ("torch", "code"))
    store.keep(Known())
    assert opened(baseline(small_task()), MACHINE, tmp_path, fresh=False).note == ""


@pytest.mark.parametrize(
    ("changes", "known_s"),
    [({"batch_size": 16}, 0.0), ({"pause": True}, 0.0), ({"name": "other"}, 0.0), ({"seed": 3}, 5.0)],
)
def test_evidence_is_of_one_training_on_any_seed(tmp_path: Path, changes: dict[str, Any], known_s: float) -> None:
    kept(tmp_path)
    recipe = baseline(small_task(**changes))
    assert opened(recipe, MACHINE, tmp_path, fresh=False).known.spent_s == known_s
    assert opened(recipe, MACHINE, tmp_path, fresh=True).known.spent_s == 0.0
    other = msgspec.structs.replace(MACHINE, cores=2)
    assert opened(recipe, other, tmp_path, fresh=False).known.spent_s == 0.0


def test_blocks_of_another_clock_are_not_compared() -> None:
    lab = open_laboratory(baseline(small_task()), MACHINE, 10.0)
    keys, blocks = ((), (key_of(Nothing()),)), ((0, 0, 1.0), (1, 0, 1.0))
    lab.store = FileStore(known=Known(threads=None, settings=keys, blocks=blocks, spent_s=3.0))
    assert len(Selection(lab, [Nothing()], share=1.0).search.readings) == 2
    lab.free, lab.earlier_s = Free(1), 0.0
    assert len(Selection(lab, [Nothing()], share=1.0).search.readings) == 0
    assert lab.earlier_s == 0.0


def test_what_took_no_part_before_has_the_time_for_it() -> None:
    lab = open_laboratory(baseline(small_task()), MACHINE, 10.0)
    lab.store = FileStore(known=Known(settings=((), (key_of(Nothing()),)), spent_s=8.0))
    for chosen, earlier_s in (([Nothing()], 8.0), ([Nothing(), NoPause()], 4.0)):
        Selection(lab, chosen, share=1.0)
        assert lab.earlier_s == earlier_s


def test_a_plan_that_is_not_faster_afresh_takes_its_evidence_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nothing_gained = Interval(value=1, low=0.9, high=1.1, n=9)
    monkeypatch.setattr("hasten.tuning.tune.confirmed", lambda *_, **__: nothing_gained)
    found = tuned(tmp_path, ["no_pause"], budget_s=20.0)
    assert not list((tmp_path / "tuning").iterdir())
    assert found.speedup is None
    assert found.forecast is not None, "a prediction that failed is reported, too"
    assert found.forecast.plan == ("no_pause",)
    assert found.forecast.measured == nothing_gained
    assert found.forecast.expected is not None
    assert found.forecast.expected.low > 1


def test_evidence_that_cannot_be_written_is_told_once(tmp_path: Path) -> None:
    (tmp_path / "tuning").write_text("")
    store = kept(tmp_path)
    assert "not kept" in store.note
    assert not store.kept


def test_a_technique_whose_code_has_changed_is_another_one() -> None:
    @dataclass(frozen=True)
    class NoPause(Planted):  # the name of one in `planted`, with other code
        card: ClassVar[Card] = card("no_pause")

        def apply(self, recipe: Recipe) -> Recipe:
            return recipe.with_surgery(_awake)

    assert key_of(NoPause()) != key_of(techniques()["no_pause"]())
    assert key_of(NoPause()) == key_of(NoPause())


def test_readings_of_other_techniques_stay() -> None:
    one, other = key_of(NoPause()), key_of(NoPauseEither())
    first = Readings()
    for setting in (frozenset[int](), frozenset({0}), frozenset({0, 1})):
        first.add(setting, 0, 1.0 + len(setting))
    known = known_of(first, {0: one, 1: other})
    alone = readings_of(known, {one: 5, AGAIN: 6})
    assert alone.settings == [frozenset(), frozenset({5})]
    more = Readings()
    more.add(frozenset({6}), 7, 9.0)
    both = readings_of(merged(known, known_of(more, {5: one, 6: AGAIN})), {one: 0, other: 1, AGAIN: 2})
    assert sorted(zip(both.groups, both.logs, strict=True)) == [(0, 1.0), (0, 2.0), (0, 3.0), (1, 9.0)]
    assert both.groups == sorted(both.groups)


def test_versions_that_differ_are_named() -> None:
    assert (
        differing({"torch": "2.12"}, {"torch": "2.13", "hasten": "1"})
        == "torch 2.12 (now 2.13), hasten unknown (now 1)"
    )
    assert differing({"torch": "2.13"}, {"torch": "2.13"}) == ""
    assert isinstance(Nothing(), Technique)
