"""Evidence that workers share: a study in Optuna's storage, with one trial for each worker process.

A study holds what is known of one training on machines of one kind, so evidence of another kind is never mixed in. Each
trial has the blocks of its worker, in whole groups, and the value of an ended one is the logarithm of what its plan
gained. What others report in the course of a search joins its readings between two groups: its intervals hold at all
times, however many readings there are, and no matter which worker made them.

Workers on one machine would disturb each other's times. One measures at a time there; the next waits for its end.
"""

import fcntl
import importlib
import math
import platform
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

import msgspec

from hasten.base.errors import BadInput, error_text
from hasten.base.records.known import Keys, Known
from hasten.base.records.machine import Machine
from hasten.base.records.record import Interval
from hasten.training.recipe import Recipe
from hasten.tuning.known import FOLDER, by_clock, differing, evidence_name, first_group, merged, versions_of_evidence

_MISSING = "--study needs the package optuna. Install it with: pip install 'hasten[study]'"
EVIDENCE, VERSIONS, HOST, UNDER_WAY = "evidence", "versions", "host", "under way"
"""User attributes of a trial; the first one is a `Known` as JSON."""
IGNORED = "ignored up to"
"""User attribute of a study: the last trial whose evidence has led to a plan that is not faster."""
_SQLITE_WAITS_S = 60
_LOOK_EVERY_S, _AGAIN_S = 0.2, 1.0


class StudyStore:
    """The evidence of other workers, and the trial of this one; see `hasten.tuning.known.EvidenceStore`.

    Args:
        study: of this training on machines of this kind.
        versions: of what decides how fast and how exact a technique is; evidence of others is not used.
        host: name of this machine, on which no other worker measures now.
        fresh: ignore what is in the study already.
    """

    kept = True

    def __init__(self, study: Any, *, versions: dict[str, str], host: str, fresh: bool) -> None:
        self.note = ""
        self._study, self._versions, self._host = study, versions, host
        self._left_open = _ended_without_a_word(study, host)
        self._own = set[int]()  # its trials
        self._told = self._told_before = 0  # groups of its blocks, in all its trials and in those before the last one
        self._begin()
        self._ignored = self._trial.number if fresh else -1
        self._threads: int | None = None
        self._groups: dict[int, int] = {}  # trial -> groups of its blocks that were taken up

    def _begin(self) -> None:
        self._trial: Any = self._study.ask()
        self._own.add(self._trial.number)
        self._told_before = self._told
        self._trial.set_user_attr(VERSIONS, self._versions)
        self._trial.set_user_attr(HOST, self._host)

    def shown(self, threads: int | None) -> Known:
        """Return what other workers have shown; each has a budget of its own, so their time does not count."""
        self._threads, self._groups = threads, {}
        found = msgspec.structs.replace(self.news(), under_way=self._left_open)
        others = {_versions_text(one, self._versions) for one in self._others()} - {""}
        if others:
            self.note = f"Evidence of workers with {'; '.join(sorted(others))} is not used."
        return found

    def news(self) -> Known:
        """Return what other workers have shown since it was asked last."""
        found = Known(versions=self._versions, threads=self._threads)
        for trial in self._others():
            if trial.user_attrs.get(VERSIONS) == self._versions and EVIDENCE in trial.user_attrs:
                theirs = by_clock(msgspec.json.decode(trial.user_attrs[EVIDENCE], type=Known), self._threads)
                before = self._groups.get(trial.number, 0)
                self._groups[trial.number] = first_group(theirs)
                blocks = tuple(block for block in theirs.blocks if block[1] >= before)
                found = merged(found, msgspec.structs.replace(theirs, blocks=blocks))
        return msgspec.structs.replace(found, spent_s=0.0)

    def keep(self, own: Known) -> None:
        """Report what this worker has shown so far."""
        self._go_on()
        blocks = tuple(block for block in own.blocks if block[1] >= self._told_before)
        self._trial.set_user_attr(EVIDENCE, msgspec.json.encode(msgspec.structs.replace(own, blocks=blocks)).decode())
        self._trial.set_user_attr(UNDER_WAY, None)
        self._told = first_group(own)

    def mark(self, under_way: Keys) -> None:
        """Report which setting is being set up now, so that the next worker knows if this one never ends."""
        self._go_on()
        self._trial.set_user_attr(UNDER_WAY, under_way)

    def forget(self) -> None:
        """Let nobody use what has led to a plan that is not faster."""
        self._study.set_user_attr(IGNORED, self._trial.number)

    def conclude(self, speedup: Interval | None) -> None:
        """End the trial with what the plan gained; 0 where no plan is faster."""
        self._go_on()
        self._study.tell(self._trial, 0.0 if speedup is None else math.log(speedup.value))

    def give_up(self) -> None:
        """End the trial, unless it has ended, without a value; what it has shown stays."""
        self._study.tell(self._trial, state=_states().FAIL, skip_if_finished=True)

    def _go_on(self) -> None:
        """Go on in a new trial where another worker took this one for dead.

        It does where both have the name of one machine and not its cache folder, which lets one measure at a time.
        """
        trials = self._study.get_trials(deepcopy=False, states=(_states().FAIL,))
        if any(one.number == self._trial.number for one in trials):
            self._begin()

    def _others(self) -> Iterator[Any]:
        ignored = max(self._ignored, self._study.user_attrs.get(IGNORED, -1))
        for one in self._study.get_trials(deepcopy=False):
            if one.number not in self._own and one.number > ignored:
                yield one


def _versions_text(trial: Any, versions: dict[str, str]) -> str:
    return differing(trial.user_attrs.get(VERSIONS, versions), versions)


def _ended_without_a_word(study: Any, host: str) -> Keys | None:
    """Mark trials of this machine that still run as failed, since nobody measures here now.

    Return the setting that the newest of them was setting up.
    """
    found: Keys | None = None
    for one in study.get_trials(deepcopy=False, states=(_states().RUNNING,)):
        if one.user_attrs.get(HOST) == host:
            study.tell(one.number, state=_states().FAIL)
            left = one.user_attrs.get(UNDER_WAY)
            found = found if left is None else tuple(left)
    return found


@contextmanager
def joined(url: str, recipe: Recipe, machine: Machine, *, fresh: bool) -> Generator[StudyStore]:
    """Take part in the study of a training for the body, as the only worker that measures on this machine.

    Builds the model, whose layers and sizes tell tasks apart.

    Args:
        url: of the database: "sqlite:///FILE", "postgresql://USER:PASSWORD@HOST/DATABASE".
        recipe: the baseline.
        machine: what it runs on.
        fresh: ignore what is in the study already.

    Raises:
        BadInput: if optuna is not installed, or the database cannot be used.
    """
    with _storage(url) as storage:
        name = evidence_name(recipe, machine)
        study = _optuna().create_study(storage=storage, study_name=name, direction="maximize", load_if_exists=True)
        store = StudyStore(study, versions=versions_of_evidence(machine), host=platform.node(), fresh=fresh)
        try:
            yield store
        finally:
            store.give_up()


def check_study(url: str) -> None:
    """Raise `BadInput` unless a study can be kept in that database."""
    with _storage(url):
        pass


@contextmanager
def alone(folder: Path, tell: Callable[[str], object]) -> Generator[None]:
    """Let no other worker on this machine measure during the body; wait until none does.

    The system lets go of the machine however the process ends.

    Args:
        folder: the cache folder, which the workers of this machine share.
        tell: called with what is waited for.

    Raises:
        BadInput: if the folder cannot be written.
    """
    path = folder / FOLDER / f"measuring-{platform.node()}.lock"
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("a")
    except OSError as error:
        why = error.strerror or error
        raise BadInput(f"cannot write {path}: {why}. Set XDG_CACHE_HOME to another folder.") from error
    with file:
        if not _held(file):
            tell("another worker measures on this machine: waiting for its end")
            while not _held(file):
                time.sleep(_LOOK_EVERY_S)
        yield


def _held(file: IO[str]) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@contextmanager
def _storage(url: str) -> Generator[Any]:
    """Open a database for the body.

    Raises:
        BadInput: if optuna is not installed, or the database cannot be used; a password is not shown.
    """
    optuna, shown = _optuna(), "what was passed"
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        shown = importlib.import_module("sqlalchemy.engine").make_url(url).render_as_string(hide_password=True)
        waits = {"connect_args": {"timeout": _SQLITE_WAITS_S}} if url.startswith("sqlite") else {}
        try:
            storage = optuna.storages.RDBStorage(url, engine_kwargs=waits)
        except importlib.import_module("sqlalchemy.exc").DBAPIError:  # another worker has made the tables meanwhile
            time.sleep(_AGAIN_S)
            storage = optuna.storages.RDBStorage(url, engine_kwargs=waits)
    except Exception as error:
        raise BadInput(
            f"the database of --study cannot be used: {shown}: {error_text(error)}. Pass sqlite:///FILE or "
            "postgresql://USER:PASSWORD@HOST/DATABASE."
        ) from error
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def _optuna() -> Any:
    """Return the package, which takes a second to import and need not be installed."""
    try:
        return importlib.import_module("optuna")
    except ImportError as error:
        raise BadInput(_MISSING) from error


def _states() -> Any:
    return _optuna().trial.TrialState
