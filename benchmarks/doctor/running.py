"""Run a case under the doctor and keep what it saw; a case that is already kept is not run again."""

import time
import traceback
from pathlib import Path

import msgspec

import hasten
from benchmarks.doctor.cases import Case, digest, source
from benchmarks.doctor.programs import trained
from hasten.base.errors import BadInput
from hasten.base.files import write_atomically
from hasten.base.records.health import Health
from hasten.base.records.record import Record


class Run(Record, frozen=True, kw_only=True):
    """What a run of a case gave."""

    kind: str
    program: str
    dose: float
    seed: int
    digest: int  # of the program
    quality: float | None  # higher is better; None where it is not finite or the program failed
    seconds: float
    error: str = ""  # how the program failed
    health: msgspec.Raw  # a `Health` as MessagePack, which keeps NaN, or None where the doctor saw no step

    @property
    def case(self) -> Case:
        """The case that was run."""
        return Case(self.kind, self.program, self.dose, self.seed)


def path_of(case: Case, room: Path) -> Path:
    """Return the file that keeps a run."""
    return room / "runs" / f"{case.name}.msgpack"


def written(case: Case, room: Path) -> Path:
    """Write the program of a case into the room and return its path."""
    text = source(case)
    if text is None:
        raise ValueError(f"{case.kind} does not apply to {case.program}")
    path = room / "programs" / f"{case.name.replace('-', '_').replace('.', '_')}.py"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


def run(case: Case, room: Path) -> Run:
    """Run a case, keep what the doctor saw, and return it."""
    program, quality, error, health = written(case, room), None, "", msgspec.msgpack.encode(None)
    begin = time.perf_counter()
    with hasten.diagnosing(case.program) as doctor:
        try:
            quality = trained(program, case.seed)
        except Exception:  # noqa: BLE001  (a faulty program may fail; the run says how)
            error = traceback.format_exc()
    seconds = time.perf_counter() - begin
    try:
        health = msgspec.msgpack.encode(doctor.seen())
    except BadInput as none_seen:
        error += str(none_seen)
    made = Run(
        kind=case.kind,
        program=case.program,
        dose=case.dose,
        seed=case.seed,
        digest=digest(case),
        quality=quality,
        seconds=seconds,
        error=error,
        health=msgspec.Raw(health),
    )
    path = path_of(case, room)
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, lambda file: file.write(msgspec.msgpack.encode(made)))
    return made


def kept(case: Case, room: Path) -> Run | None:
    """Return the run that is kept of a case; None where there is none, or its program or the form of health changed."""
    try:
        found = msgspec.msgpack.decode(path_of(case, room).read_bytes(), type=Run)
        health_of(found)
    except (FileNotFoundError, msgspec.DecodeError):
        return None
    return found if found.digest == digest(case) else None


def health_of(kept_run: Run) -> Health | None:
    """Return what the doctor saw in a run; None where it saw no step."""
    return msgspec.msgpack.decode(kept_run.health, type=Health | None)
