"""Workers share what they have shown in a study, and one at a time measures on a machine."""

import math
import platform
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from hasten.base.errors import BadInput
from hasten.base.records.known import Known
from hasten.base.records.record import Interval
from hasten.base.records.trial import Tuning
from hasten.training.recipe import baseline
from hasten.tuning.begin import NOISE_BLOCKS
from hasten.tuning.known import known_of
from hasten.tuning.search.model import Readings
from hasten.tuning.study import EVIDENCE, HOST, UNDER_WAY, StudyStore, alone, check_study
from hasten.tuning.tune import tune

from planted import MACHINE, small_task

optuna = pytest.importorskip("optuna", reason="optuna is an extra (hasten[study])")
pytestmark = pytest.mark.usefixtures("planted")
VERSIONS = {"torch": "1"}
EVERY = ["no_pause", "slower", "raises"]


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'study.db'}"


@pytest.fixture(autouse=True)
def closed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Close every database that a test opens."""
    opened: list[Any] = []
    plain = optuna.storages.RDBStorage.__init__

    def noted(self: Any, *args: Any, **more: Any) -> None:
        opened.append(self)
        plain(self, *args, **more)

    monkeypatch.setattr(optuna.storages.RDBStorage, "__init__", noted)
    yield
    for one in opened:
        if hasattr(one, "engine"):  # else it could not be opened
            one.engine.dispose()


def study_in(url: str, name: str = "small") -> Any:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    storage = optuna.storages.RDBStorage(url)
    return optuna.create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)


def worker(study: Any, host: str = "here", *, fresh: bool = False, versions: dict[str, str] = VERSIONS) -> StudyStore:
    return StudyStore(study, versions=versions, host=host, fresh=fresh)


def shown(*groups: tuple[float, ...], **more: Any) -> Known:
    """Evidence of the baseline and one technique, in groups of blocks."""
    readings = Readings()
    for number, logs in enumerate(groups):
        for place, log_s in enumerate(logs):
            readings.add(frozenset({0} if place % 2 else ()), 10 * number, log_s)
    return msgspec.structs.replace(known_of(readings, {0: "technique"}), **more)


def logs(known: Known) -> list[tuple[int, float]]:
    return [(group, log_s) for _, group, log_s in known.blocks]


def test_each_group_of_another_worker_arrives_once(url: str) -> None:
    study = study_in(url)
    one, other = worker(study, "a"), worker(study, "b")
    assert logs(one.shown(None)) == []
    other.keep(shown((1.0, 2.0)))
    assert logs(one.news()) == [(0, 1.0), (0, 2.0)]
    assert logs(one.news()) == []
    other.keep(shown((1.0, 2.0), (3.0, 4.0)))
    found = one.news()
    assert logs(found) == [(0, 3.0), (0, 4.0)] or logs(found) == [(1, 3.0), (1, 4.0)]
    assert found.settings == ((), ("technique",))
    assert logs(other.news()) == []  # its own do not come back
    late = worker(study, "c").shown(None)
    assert [log_s for _, log_s in logs(late)] == [1.0, 2.0, 3.0, 4.0]
    assert late.spent_s == 0.0


def test_groups_of_several_workers_stay_apart(url: str) -> None:
    study = study_in(url)
    for number, host in enumerate("ab"):
        worker(study, host).keep(shown((1.0 + number, 2.0), (3.0, 4.0)))
    found = worker(study, "c").shown(None)
    assert sorted({group for group, _ in logs(found)}) == [0, 1, 2, 3]
    assert len(found.blocks) == 8


def test_what_is_proven_or_unusable_is_shared_too(url: str) -> None:
    study = study_in(url)
    one, other = worker(study, "a"), worker(study, "b")
    one.shown(None)
    other.keep(shown((1.0,), setup_s={"technique": 3.0}))
    assert one.news().setup_s == {"technique": 3.0}


@pytest.mark.parametrize("what", ["versions", "clock", "machine", "fresh", "forgotten"])
def test_evidence_of_another_kind_is_not_mixed_in(url: str, what: str) -> None:
    study = study_in(url)
    other = worker(study, "b", versions={"torch": "2"} if what == "versions" else VERSIONS)
    other.keep(shown((1.0, 2.0), threads=1 if what == "clock" else None))
    if what == "forgotten":
        other.forget()
    mine = study_in(url, "another machine") if what == "machine" else study
    one = worker(mine, "a", fresh=what == "fresh")
    assert logs(one.shown(None)) == []
    assert ("torch 2 (now 1)" in one.note) is (what == "versions")
    if what == "fresh":
        later = worker(study, "c")
        later.keep(shown((7.0,)))
        assert [log_s for _, log_s in logs(one.news())] == [7.0]


def test_a_worker_that_ended_without_a_word_is_found_by_the_next_on_its_machine(url: str) -> None:
    study = study_in(url)
    dead = worker(study, "a")
    dead.keep(shown((1.0, 2.0)))
    dead.mark(("technique",))
    elsewhere = worker(study, "b").shown(None)
    assert elsewhere.under_way is None
    found = worker(study, "a").shown(None)
    assert found.under_way == ("technique",)
    assert len(found.blocks) == 2, "what it had shown stays"
    states = {one.user_attrs[HOST] + str(one.number): one.state.name for one in study.get_trials()}
    assert states["a0"] == "FAIL"
    assert states["b1"] == "RUNNING"
    assert study.get_trials()[0].user_attrs[UNDER_WAY] == ["technique"]


def test_a_worker_that_was_taken_for_dead_goes_on(url: str) -> None:
    study = study_in(url)
    one = worker(study, "a")
    one.keep(shown((1.0, 2.0)))
    other = worker(study, "a")  # with another cache folder, so that it did not wait
    assert [log_s for _, log_s in logs(other.shown(None))] == [1.0, 2.0]
    one.mark(("technique",))
    one.keep(shown((1.0, 2.0), (3.0, 4.0)))
    assert [log_s for _, log_s in logs(other.news())] == [3.0, 4.0], "each block once"
    assert logs(one.news()) == [], "its own do not come back"
    one.conclude(Interval(value=2.0, low=1.5, high=2.5, n=5))
    assert [trial.state.name for trial in study.get_trials()] == ["FAIL", "RUNNING", "COMPLETE"]
    assert [log_s for _, log_s in logs(worker(study, "c").shown(None))] == [1.0, 2.0, 3.0, 4.0]


def tuned(url: str, **more: Any) -> Tuning:
    recipe = baseline(small_task(pause=True))
    *_, tuning = tune(recipe, MACHINE, budget_s=60.0, only=EVERY, study=url, **more)
    assert isinstance(tuning, Tuning)
    return tuning


def test_a_second_worker_starts_from_what_the_first_has_shown(url: str) -> None:
    first, second = tuned(url), tuned(url)
    assert first.plan.names == second.plan.names == ("no_pause",)
    verdicts = [{trial.technique: trial.verdict for trial in tuning.trials} for tuning in (first, second)]
    assert verdicts[0] == verdicts[1]
    (name,) = optuna.get_all_study_names(storage=url)
    assert name.startswith("small-")
    trials = study_in(url, name).get_trials()
    assert [one.state.name for one in trials] == ["COMPLETE", "COMPLETE"]
    blocks = [len(msgspec.json.decode(one.user_attrs[EVIDENCE], type=Known).blocks) for one in trials]
    assert blocks[0] > 2 * NOISE_BLOCKS
    assert blocks[1] <= NOISE_BLOCKS, "all was decided by then; only the noise is looked at, and the plan afresh"
    assert first.speedup is not None
    assert trials[0].value == pytest.approx(math.log(first.speedup.value))


def test_a_tuning_that_is_left_ends_its_trial(url: str) -> None:
    recipe = baseline(small_task(pause=True))
    items = tune(recipe, MACHINE, budget_s=60.0, only=EVERY, study=url)
    next(items)
    items.close()  # type: ignore[attr-defined]
    (name,) = optuna.get_all_study_names(storage=url)
    assert [one.state.name for one in study_in(url, name).get_trials()] == ["FAIL"]
    assert tuned(url).plan.names == ("no_pause",)


def test_one_worker_measures_on_a_machine_at_a_time(tmp_path: Path) -> None:
    said, order = list[str](), list[str]()

    def second() -> None:
        with alone(tmp_path, said.append):
            order.append("second")

    thread = threading.Thread(target=second)
    with alone(tmp_path, said.append):
        thread.start()
        while not said:
            time.sleep(0.01)
        order.append("first")
    thread.join(10)
    assert order == ["first", "second"]
    assert said == ["another worker measures on this machine: waiting for its end"]
    (lock,) = (tmp_path / "tuning").iterdir()
    assert platform.node() in lock.name


@pytest.mark.parametrize("bad", ["file.db", "sqlite:////no/such/folder/file.db", "oracle+nothing://x"])
def test_a_database_that_cannot_be_used_is_told(bad: str) -> None:
    with pytest.raises(BadInput, match="the database of --study cannot be used"):
        check_study(bad)


def test_a_worker_that_loses_the_race_for_the_tables_opens_them(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from sqlalchemy.exc import OperationalError

    plain, failing = optuna.storages.RDBStorage, iter([True])

    def opened(*args: Any, **more: Any) -> Any:
        if next(failing, False):
            raise OperationalError("create", {}, Exception("table study_directions already exists"))
        return plain(*args, **more)

    monkeypatch.setattr(optuna.storages, "RDBStorage", opened)
    monkeypatch.setattr("hasten.tuning.study._AGAIN_S", 0.0)
    check_study(url)
    assert next(failing, None) is None


def test_a_password_is_not_shown() -> None:
    with pytest.raises(BadInput) as caught:
        check_study("postgresql+nothing://user:secret@host/base")
    assert "secret" not in str(caught.value)


def test_a_plan_that_is_not_faster_ends_with_nothing_gained(url: str) -> None:
    study = study_in(url)
    one = worker(study)
    one.conclude(None)
    one.give_up()
    other = worker(study)
    other.conclude(Interval(value=2.0, low=1.5, high=2.5, n=9))
    assert [one.value for one in study.get_trials()] == [0.0, pytest.approx(math.log(2))]
