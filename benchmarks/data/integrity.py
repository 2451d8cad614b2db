"""A thousand flipped bytes and cut files in packed stores: is each found before it reaches a model, and at what cost?

Each fault hits one file of one store (raw and encoded images, texts, a table, tokens; columns, offsets, manifest): one
byte becomes another one, or the file ends early. The store is then opened and read for an epoch, shuffled, as a
training reads it, and each batch compared with what was packed. A fault is found if the reading ends with an error
that names the file and a range that holds the byte, before any batch differs. `hasten verify` is asked besides.

The cost is that of an epoch of images whose file the system no longer holds in memory, with and without checking, in
turn: fetched only, and trained on by a small CNN.

    python -m benchmarks.data.integrity [--faults 1000] [--images 100000] [--rounds 60] [--trainings 8]
        [--folder .]
"""

import argparse
import ctypes
import gc
import math
import mmap
import os
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import perf_counter

import numpy as np
import torch
from torch.utils.data import TensorDataset

from benchmarks.data.bound import model
from benchmarks.data.integrity_stores import Kind, epoch, kinds, packed
from benchmarks.recording import ratio, record, told
from hasten import Data, Task, Update
from hasten.base.errors import BadInput
from hasten.data.augmentation.normalize import Normalize
from hasten.data.batch import Batch
from hasten.data.loading.loaders import gathered
from hasten.data.loading.order import shuffled
from hasten.data.packing.pack_arrays import pack_arrays
from hasten.data.store.pack import pack
from hasten.data.store.reader import Store, StoreSamples, open_store
from hasten.data.store.verify import verify
from hasten.training.building import build
from hasten.training.recipe import baseline
from hasten.training.step import step

_COLD = 0.01  # share of a file that may still be in memory
_BYTES = re.compile(r"bytes (\d+) to (\d+)|all (\d+) bytes")


@dataclass(frozen=True)
class Fault:
    """What is done to one file: a byte that becomes another one, or the place at which it ends."""

    file: str
    place: int
    byte: int | None  # the new value; None where the file is cut

    def apply(self, content: bytes) -> bytes:
        """Return the content of the file after it."""
        if self.byte is None:
            return content[: self.place]
        return content[: self.place] + bytes([self.byte]) + content[self.place + 1 :]


def drawn(chance: random.Random, whole: dict[str, bytes]) -> Fault:
    """Return a fault of one of the files, each as likely as the others however large it is."""
    file = chance.choice(sorted(whole))
    place = chance.randrange(len(whole[file]))
    if chance.random() < 0.3:
        return Fault(file, place, None)
    return Fault(file, place, (whole[file][place] + chance.randrange(1, 256)) % 256)


def outcome(kind: Kind, store: Path, fault: Fault, truth: Sequence[Batch]) -> str:
    """Return how reading a damaged store went: "found", or what was wrong with the finding."""
    try:
        for batch, right in zip(epoch(kind, store), truth, strict=True):
            if not all(map(torch.equal, batch, right)):
                return "reached the model"
    except BadInput as error:
        return _told(str(error), store / fault.file, fault)
    return "not found"


def _told(message: str, path: Path, fault: Fault) -> str:
    if not message.startswith(str(path)):
        return "found, another file named"
    where = _BYTES.search(message)
    first, last = (where[1] or 0, where[2] or where[3]) if where else (0, -1)
    return "found" if int(first) <= fault.place <= int(last) else "found, another place named"


def told_of_verify(store: Path, fault: Fault) -> bool:
    """Return whether `verify` names the damaged file."""
    try:
        return {damage.file for damage in verify(store).damage} == {fault.file}
    except BadInput as error:
        return str(error).startswith(str(store / fault.file))


def all_faults(folder: Path, count: int) -> list[dict[str, object]]:
    """Return what became of each of so many faults."""
    chance, rows = random.Random(0), list[dict[str, object]]()
    made = [(kind, packed(kind, folder)) for kind in kinds(folder)]
    truths = {kind.name: list(epoch(kind, store)) for kind, store in made}
    for number in range(count):
        kind, store = made[number % len(made)]
        whole = {file.name: file.read_bytes() for file in store.iterdir()}
        fault = drawn(chance, whole)
        path = store / fault.file
        path.write_bytes(fault.apply(whole[fault.file]))
        found, verified = outcome(kind, store, fault, truths[kind.name]), told_of_verify(store, fault)
        path.write_bytes(whole[fault.file])
        rows.append(
            {"store": kind.name, "file": fault.file, "fault": "cut" if fault.byte is None else "flip",
             "place": fault.place, "byte": fault.byte, "reading": found, "verify": verified}
        )  # fmt: skip
    return rows


def show_faults(rows: Sequence[dict[str, object]]) -> None:
    """Print how many faults of each file were found."""
    print(f"\n{'store':16} {'file':20} {'flips':>6} {'cuts':>6} {'found':>6} {'verify':>6}")
    for store, file in sorted({(str(row["store"]), str(row["file"])) for row in rows}):
        mine = [row for row in rows if (row["store"], row["file"]) == (store, file)]
        flips = sum(row["fault"] == "flip" for row in mine)
        found, verified = sum(row["reading"] == "found" for row in mine), sum(bool(row["verify"]) for row in mine)
        print(f"{store:16} {file:20} {flips:6} {len(mine) - flips:6} {found:6} {verified:6}")
    print(f"all {len(rows)}: {dict(Counter(str(row['reading']) for row in rows))}")


def resident_share(path: Path) -> float:
    """Return which share of the pages of a file the system holds in memory (mincore)."""
    libc = ctypes.CDLL(None, use_errno=True)
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_COPY) as mapped:
        pages = np.zeros(-(-len(mapped) // mmap.PAGESIZE), np.uint8)
        view = np.frombuffer(mapped, np.uint8)
        address = ctypes.c_void_p(view.ctypes.data)
        failed = libc.mincore(address, ctypes.c_size_t(len(mapped)), ctypes.c_void_p(pages.ctypes.data))
        del view
    if failed:
        raise OSError(ctypes.get_errno(), "mincore")
    return float((pages & 1).mean())


def forget(store: Path) -> float:
    """Let the system drop the files of a store from its memory, and return the largest share that it kept."""
    gc.collect()  # what is still mapped is not dropped
    for path in store.glob("*.npy"):
        with path.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
    return max(resident_share(path) for path in store.glob("*.npy"))


def trusting(store: Store) -> Store:
    """Return the store as if all of it had been checked."""
    for array in store._arrays.values():
        array._num_unchecked = 0
    return store


Pass = Callable[[StoreSamples], None]


def fetch_all(samples: StoreSamples) -> None:
    """Fetch an epoch."""
    for _ in gathered(samples, 256)(shuffled(len(samples), seed=0, epoch=0)):
        pass


def training() -> Pass:
    """Return what fetches an epoch and trains a small CNN on it."""
    pixels = TensorDataset(torch.zeros(2, 32, 32, 3, dtype=torch.uint8), torch.zeros(2, dtype=torch.int64))
    task = Task(
        name="images",
        data=Data(train=pixels, valid=pixels),
        model=partial(model, 8),
        update=Update(optimizer="momentum", lr=0.01),
        batch_size=2,
        batch_transforms=(Normalize((127.5, 127.5, 127.5), (64.0, 64.0, 64.0)),),
    )
    run = build(baseline(task))

    def work(samples: StoreSamples) -> None:
        for _, batch in gathered(samples, 256)(shuffled(len(samples), seed=0, epoch=0)):
            step(run, run.delivered(batch))

    return work


def compared(folder: Path, work: Pass, rounds: int) -> dict[str, object]:
    """Return how many times as long a cold epoch takes with checking, from rounds in random order."""
    coin, kept = random.Random(0), list[float]()
    times: dict[str, list[float]] = {"checked": [], "unchecked": []}
    for _ in range(rounds):
        for name in coin.sample(sorted(times), 2):
            kept.append(forget(folder))
            begin = perf_counter()
            store = open_store(folder)
            work(StoreSamples(store if name == "checked" else trusting(store), ("x", "y")))
            times[name].append(perf_counter() - begin)
            del store
    pairs = zip(times["checked"], times["unchecked"], strict=True)
    found = ratio([math.log(checked / unchecked) for checked, unchecked in pairs])
    print(f"  {median(times['unchecked']):.3f} s unchecked; with checking {told(found)} times as long")
    if max(kept) > _COLD:
        print(f"  not cold: before an epoch the system still held {max(kept):.0%} of a file in memory")
    return {"ratio": found, "seconds": times, "largest_share_in_memory_before": max(kept)}


def costs(folder: Path, images: int, rounds: int, trainings: int) -> dict[str, object]:
    """Return what checking costs a cold epoch of images of 32 x 32, fetched only and trained on."""
    chance, store = np.random.default_rng(0), folder / "cold"
    arrays = {"x": chance.integers(0, 256, (images, 32, 32, 3), np.uint8), "y": chance.integers(0, 10, images)}
    pack(pack_arrays(arrays, source="drawn"), store)
    del arrays
    print(f"\na cold epoch of {images:,} images, fetched only")
    fetched = compared(store, fetch_all, rounds)
    print("the same, trained on by a small CNN")
    trained = compared(store, training(), trainings)
    return {"images": images, "fetched": fetched, "trained": trained}


def main() -> None:
    """Plant the faults, time cold epochs, print both, keep the results."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faults", type=int, default=1000)
    parser.add_argument("--images", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=60)
    parser.add_argument("--trainings", type=int, default=8)
    parser.add_argument("--folder", type=Path, default=Path(), help="where stores are made: on a disk, not in memory")
    options = parser.parse_args()
    with TemporaryDirectory(dir=options.folder) as name:
        rows = all_faults(Path(name), options.faults)
        show_faults(rows)
        cost = costs(Path(name), options.images, options.rounds, options.trainings)
    counts = {"found_in_reading": sum(row["reading"] == "found" for row in rows),
              "told_of_verify": sum(bool(row["verify"]) for row in rows),
              "slipped_through": sum(row["reading"] in ("not found", "reached the model") for row in rows)}  # fmt: skip
    print(counts)
    print(record("data_integrity", {"faults": len(rows), **counts, "cost": cost, "each": rows}))


if __name__ == "__main__":
    main()
