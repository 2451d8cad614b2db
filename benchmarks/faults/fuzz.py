"""Damage files at random and read them: a reader returns or raises `BadInput`, and does so within seconds.

Each case is a whole file of a kind, changed at 1 to 8 places (bits flipped, numbers set to extremes, parts cut,
repeated, exchanged or taken from a file of another kind), that is read as a person's would be. A case is named by its
kind and number and is always the same. Readers run in a process of their own with 4 GiB of memory: one that dies or
hangs is seen, and the next case goes on in another.

    python -m benchmarks.faults.fuzz [--seconds 3600] [--only idx,csv] [--case csv:17]
"""

import argparse
import faulthandler
import io
import random
import resource
import subprocess
import sys
import tarfile
import tempfile
import threading
import time
import traceback
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from queue import Empty, Queue
from typing import NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from PIL import Image

from benchmarks.recording import record
from hasten import Plan
from hasten.base.errors import BadInput
from hasten.base.records.health import Health
from hasten.base.records.plan import Choice
from hasten.data.inspect.inspect import inspect
from hasten.data.packing.pack_arrays import pack_arrays
from hasten.data.sources.source import read_source
from hasten.data.store.pack import pack
from hasten.data.store.reader import open_store
from hasten.data.store.verify import verify
from hasten.techniques.plan_file import read_plan, write_plan
from hasten.training.checkpoint_file import read_checkpoint, write_checkpoint
from hasten.training.run_folder import METRICS, append_event, read_events, read_health, write_health

MEMORY = 4 << 30
HANGS_AFTER_S = 20.0
EXTREMES = (0, 1, 0x7F, 0x80, 0xFF, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFF, 0x7FFFFFFFFFFFFFFF, 0xFFFFFFFFFFFFFFFF)
WORDS = (
    b"nan",
    b"1e999",
    b"-1",
    b"\x00",
    b"[[[[[[[[",
    b'"',
    b"../../x",
    b"/etc/passwd",
    b"\xff\xfe",
    b"\r\n",
    b"=",
    b"{}",
)


class Kind(NamedTuple):
    """A kind of file: how a whole one is made in a folder, and how it is read."""

    make: Callable[[Path], Path]
    read: Callable[[Path], object]


def looked_at(path: Path) -> object:
    """Read a data source to the last sample, as `hasten inspect` does."""
    return inspect(read_source(path))


def used(path: Path) -> object:
    """Open a store, check it and read every sample."""
    store = open_store(path)
    verify(path)
    for name in ("image", "target"):
        store.take(name, torch.arange(len(store)))
    return store


def make_idx(folder: Path) -> Path:
    """Twelve images of 5 x 4."""
    path = folder / "images-idx3-ubyte"
    numbers = np.arange(240, dtype=np.uint8)
    path.write_bytes(bytes([0, 0, 8, 3]) + np.array([12, 5, 4], ">i4").tobytes() + numbers.tobytes())
    return path


def make_npy(folder: Path) -> Path:
    """One array."""
    path = folder / "x.npy"
    np.save(path, np.arange(60, dtype=np.float32).reshape(12, 5))
    return path


def make_csv(folder: Path) -> Path:
    """A table with quotes, missing values and texts."""
    path = folder / "table.csv"
    rows = [f'{n},"{n % 3} a, b",{n / 7:.3f},{"" if n % 5 else "?"},{"yes" if n % 2 else "no"}' for n in range(60)]
    path.write_text("\n".join(["size,kind,share,rest,target", *rows]) + "\n")
    return path


def make_parquet(folder: Path) -> Path:
    """The same in Parquet."""
    path = folder / "table.parquet"
    table = {"size": list(range(60)), "kind": [f"k{n % 3}" for n in range(60)], "target": [n % 2 for n in range(60)]}
    pq.write_table(pa.table(table), path)
    return path


def images() -> dict[str, bytes]:
    """Return small pictures in two classes, by name."""
    found = dict[str, bytes]()
    for number in range(6):
        for form in ("PNG", "JPEG"):
            memory = io.BytesIO()
            Image.fromarray(np.full((6, 7, 3), 40 * number, np.uint8)).save(memory, form)
            found[f"class{number % 2}/{number}.{form.lower()}"] = memory.getvalue()
    return found


def make_zip(folder: Path) -> Path:
    """Pictures in a zip."""
    path = folder / "images.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in images().items():
            archive.writestr(name, content)
    return path


def make_tar(folder: Path) -> Path:
    """Pictures in a tar.gz."""
    path = folder / "images.tar.gz"
    with tarfile.open(path, "w:gz") as archive:
        for name, content in images().items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return path


def make_plain_tar(folder: Path) -> Path:
    """The same without compression, so that names and sizes are hit."""
    path = folder / "images.tar"
    with tarfile.open(make_tar(folder)) as packed, tarfile.open(path, "w") as archive:
        for member in packed:
            archive.addfile(member, packed.extractfile(member))
    (folder / "images.tar.gz").unlink()
    return path


def make_pictures(folder: Path) -> Path:
    """Pictures in folders."""
    path = folder / "images"
    for name, content in images().items():
        (path / name).parent.mkdir(parents=True, exist_ok=True)
        (path / name).write_bytes(content)
    return path


def make_store(folder: Path) -> Path:
    """A packed store."""
    arrays = {"image": np.arange(600, dtype=np.uint8).reshape(60, 10), "target": np.arange(60) % 3}
    pack(pack_arrays(arrays, source="arrays"), folder / "x.store")
    return folder / "x.store"


def make_plan(folder: Path) -> Path:
    """A plan with knobs."""
    write_plan(
        Plan(task="digits", choices=(Choice("bf16"), Choice("cpu_runtime", {"threads": 1}))), folder / "plan.toml"
    )
    return folder / "plan.toml"


def make_checkpoint(folder: Path) -> Path:
    """A checkpoint."""
    content = {"model": {"w": torch.arange(60.0)}, "step": 3, "list": [1, 2.5, None, "x"]}
    write_checkpoint(folder / "last.pt", content)
    return folder / "last.pt"


def make_metrics(folder: Path) -> Path:
    """The events of a run."""
    from hasten.base.records.run import Finished, Progress, StopReason

    for step in range(1, 6):
        append_event(folder, Progress(step=step, epoch=0, elapsed_s=1.0 * step, losses=(0.5,), samples_per_s=9.0))
    append_event(folder, Finished(reason=StopReason.STEPS, step=5, epoch=0, elapsed_s=6.0))
    return folder / METRICS


def make_health(folder: Path) -> Path:
    """What the doctor saw."""
    write_health(folder, Health(name="x", steps=8))
    return folder / "health.msgpack"


KINDS: dict[str, Kind] = {
    "idx": Kind(make_idx, looked_at),
    "npy": Kind(make_npy, looked_at),
    "csv": Kind(make_csv, looked_at),
    "parquet": Kind(make_parquet, looked_at),
    "zip": Kind(make_zip, looked_at),
    "tar.gz": Kind(make_tar, looked_at),
    "tar": Kind(make_plain_tar, looked_at),
    "images": Kind(make_pictures, looked_at),
    "store": Kind(make_store, used),
    "plan": Kind(make_plan, read_plan),
    "checkpoint": Kind(make_checkpoint, read_checkpoint),
    "metrics": Kind(make_metrics, lambda path: read_events(path.parent)),
    "health": Kind(make_health, lambda path: read_health(path.parent)),
}


def damaged(content: bytes, others: list[bytes], chance: random.Random) -> bytes:
    """Return a content with 1 to 8 faults."""
    made = bytearray(content)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        place = chance.randrange(len(made) + 1)
        length = min(len(made) - place, chance.choice((1, 2, 4, 8, 40, 400)))
        match chance.randrange(8):
            case 0 if made:
                made[place % len(made)] ^= 1 << chance.randrange(8)
            case 1:
                number, width = chance.choice(EXTREMES), chance.choice((1, 2, 4, 8))
                order = chance.choice(("little", "big"))
                made[place : place + width] = (number & (256**width - 1)).to_bytes(width, order)
            case 2:
                del made[place : place + length]
            case 3:
                made[place:place] = made[place : place + length] * chance.choice((1, 2, 50))
            case 4:
                del made[place:]
            case 5:
                made[place : place + chance.choice((0, length))] = chance.choice(WORDS)
            case 6:
                other = chance.choice(others)
                start = chance.randrange(len(other))
                made[place : place + length] = other[start : start + length]
            case _:
                made[place : place + length] = chance.randbytes(length)
    return bytes(made)


def outcome(name: str, number: int, wholes: dict[str, bytes]) -> str:
    """Damage a file and read it; return what came of it."""
    chance = random.Random(f"{name}:{number}")
    with tempfile.TemporaryDirectory() as folder:
        path = KINDS[name].make(Path(folder))
        files = sorted(one for one in path.rglob("*") if one.is_file()) if path.is_dir() else [path]
        file = chance.choice(files)
        file.write_bytes(damaged(file.read_bytes(), list(wholes.values()), chance))
        try:
            KINDS[name].read(path)
        except BadInput as error:
            return "refused" if "\n" not in str(error).strip() else "refused, in several lines"
        except Exception as error:  # noqa: BLE001  (what it looks for)
            frame = traceback.extract_tb(error.__traceback__)[-1]
            return f"crash: {type(error).__name__}: {str(error)[:120]!r} at {Path(frame.filename).name}:{frame.lineno}"
    return "read"


def whole_files() -> dict[str, bytes]:
    """Return the content of a whole file of each kind, to take parts from."""
    found = dict[str, bytes]()
    for name, kind in KINDS.items():
        with tempfile.TemporaryDirectory() as folder:
            path = kind.make(Path(folder))
            found[name] = next(one for one in (path, *sorted(path.rglob("*"))) if one.is_file()).read_bytes()
    return found


def work() -> None:
    """Read cases from standard input, and print the outcome of each."""
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))
    warnings.simplefilter("ignore")
    out, sys.stdout = sys.stdout, sys.stderr
    wholes = whole_files()
    for line in sys.stdin:
        name, _, number = line.strip().rpartition(":")
        faulthandler.dump_traceback_later(HANGS_AFTER_S, exit=True)
        print(outcome(name, int(number), wholes).replace("\n", " "), file=out, flush=True)
        faulthandler.cancel_dump_traceback_later()


class Worker:
    """A process that reads cases; started again when it has died."""

    def __init__(self) -> None:
        self._start()

    def _start(self) -> None:
        command = [sys.executable, "-m", "benchmarks.faults.fuzz", "--work"]
        self._process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
        lines = self._lines = Queue[str]()
        stdout = self._process.stdout
        assert stdout is not None

        def listen() -> None:
            for line in stdout:
                lines.put(line)
            lines.put("")

        threading.Thread(target=listen, daemon=True).start()

    def outcome(self, case: str) -> str:
        """Return the outcome of one case."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{case}\n")
        self._process.stdin.flush()
        try:
            line = self._lines.get(timeout=4 * HANGS_AFTER_S)
        except Empty:
            line = ""
        if line:
            return line.strip()
        self._process.kill()
        code = self._process.wait()
        self._start()
        return "hang" if code in (1, -9) else f"died: signal {-code}"

    def close(self) -> None:
        """End the process."""
        self._process.kill()
        self._process.wait()


def main() -> None:
    """Run cases of all kinds in turn until the time is up, and keep what came of them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3600.0)
    parser.add_argument("--only", default=",".join(KINDS))
    parser.add_argument("--case", help="read one case in this process")
    parser.add_argument("--first", type=int, default=0, help="number of the first case of each kind")
    parser.add_argument("--work", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        work()
        return
    if options.case:
        name, _, number = options.case.rpartition(":")
        print(outcome(name, int(number), whole_files()))
        return
    names, counts, failed = options.only.split(","), {name: Counter[str]() for name in KINDS}, dict[str, str]()
    began, number, worker = time.monotonic(), options.first, Worker()
    while time.monotonic() - began < options.seconds:
        for name in names:
            found = worker.outcome(f"{name}:{number}")
            counts[name][found.partition(":")[0]] += 1
            if found not in ("read", "refused"):
                failed[f"{name}:{number}"] = found
                print(f"{name}:{number} {found}", flush=True)
        number += 1
    worker.close()
    for name in names:
        print(f"{name:12} {dict(counts[name])}")
    seconds = time.monotonic() - began
    print(record("fuzz", {"seconds": seconds, "first": options.first, "counts": counts, "failed": failed}))
    raise SystemExit(bool(failed))


if __name__ == "__main__":
    main()
