"""What is left when the disk is full or the process is killed, each in a process of its own."""

import resource
import signal
import time

import numpy as np

from hasten.data.store import writer
from hasten.data.store.manifest import Layout
from hasten.data.store.pack import Chunk, Packing, pack
from hasten.data.store.verify import verify
from hasten.data.store.writer import ColumnSchema

from forked import Forked

SAMPLES = 60


def packing_of(source):
    values = np.arange(SAMPLES * 4).reshape(SAMPLES, 4)

    def chunks(position):
        return (Chunk(i + 1, {"x": values[i : i + 1]}) for i in range(position, SAMPLES))

    columns = (ColumnSchema(name="x", layout=Layout.FIXED, dtype="<i8", shape=(4,)),)
    return Packing(kind="test", source=source, columns=columns, num_items=SAMPLES, chunks=chunks)


def contents(folder):
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def test_a_full_disk_is_one_message_and_nothing_is_lost(tmp_path):
    """A limit on the size of files stands for the full disk: both are an OSError of the same write."""
    source, store = tmp_path / "source", tmp_path / "s"
    source.write_text("old")
    pack(packing_of(source), store)
    before = contents(store)
    source.write_text("new")

    def pack_with_little_room():
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1100, 1100))
        pack(packing_of(source), store, replace=True)

    with Forked(pack_with_little_room) as process:
        message = process.stderr.read()
    assert f"BadInput: {store} must be writable; found after 30 samples: File too large. What was noted" in message
    assert contents(store) == before


def test_after_a_kill_there_is_no_store_and_the_next_call_completes_it(tmp_path):
    source, store = tmp_path / "source", tmp_path / "s"
    source.write_text("x")
    progress = tmp_path / "s.partial" / "progress.json"

    def pack_slowly():
        writer._NOTE_EVERY_BYTES = 100
        pack(packing_of(source), store, progress=lambda *_: time.sleep(0.1))

    with Forked(pack_slowly) as process:
        deadline = time.monotonic() + 60
        while not progress.exists() and time.monotonic() < deadline:
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert progress.exists()
    assert not store.exists()
    positions = []
    pack(packing_of(source), store, progress=lambda done, _: positions.append(done))
    assert positions[0] > 1  # it went on, rather than starting again
    assert np.load(store / "x.npy").tolist() == np.arange(SAMPLES * 4).reshape(SAMPLES, 4).tolist()
    assert verify(store).damage == ()
