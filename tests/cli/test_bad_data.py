"""Bad data, each kind from the words typed to the one message: where it is, what was expected and found, the way out.

Under `--skip-bad` the same source is read without what is bad, which is named and counted.
"""

import gzip
import io
import os
import resource
import signal
import subprocess
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import numpy as np
import psutil
import pytest
from typer.testing import CliRunner, Result

from hasten.cli.main import app
from hasten.data.store.manifest import MANIFEST

ROWS = "size,color,price\n" + "".join(f"{i}.5,{('red', 'blue')[i % 2]},{i}.25\n" for i in range(30))


def invoke(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def refused(*words: object) -> str:
    """Return the one message that a command ends with."""
    ended = invoke(*words)
    assert ended.exit_code == 2, ended.output
    assert ended.stderr.startswith("hasten: error: "), ended.stderr
    assert ended.stderr.count("\n") == 1, ended.stderr
    return ended.stderr


@pytest.fixture
def photos(tmp_path: Path) -> Path:
    image = pytest.importorskip("PIL.Image", reason="Pillow is not installed")
    for place in range(20):
        path = tmp_path / "photos" / ("a", "b")[place % 2] / f"{place:02}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image.fromarray(np.random.default_rng(place).integers(0, 256, (8, 8, 3), np.uint8)).save(path)
    return tmp_path / "photos"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    (tmp_path / "t.csv").write_text(ROWS)
    return tmp_path / "t.csv"


@pytest.fixture
def store(tmp_path: Path) -> Path:
    np.savez(tmp_path / "a.npz", x=np.arange(300.0).reshape(100, 3), y=np.arange(100))
    assert invoke("pack", tmp_path / "a.npz", tmp_path / "s").exit_code == 0
    return tmp_path / "s"


def flip(path: Path, place: int) -> None:
    content = bytearray(path.read_bytes())
    content[place] ^= 0x40
    path.write_bytes(bytes(content))


def cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


def test_a_flipped_byte_of_a_store(store: Path) -> None:
    flip(store / "x.npy", 500)
    ended = invoke("verify", store)
    assert ended.exit_code == 2
    words = " ".join(ended.output.split())
    assert "damaged: x.npy, block 0, bytes 128 to 2527, samples 0 to 99: expected" in words
    assert f"is damaged in 1 of 2 blocks. Pack it again: hasten pack SOURCE {store} --replace." in words


def test_a_store_that_is_cut_off(store: Path) -> None:
    cut(store / "y.npy", 400)
    words = " ".join(invoke("verify", store).output.split())
    assert "damaged: y.npy" in words
    assert "928 bytes; found 400 bytes" in words


def test_a_store_of_another_version(store: Path) -> None:
    manifest = store / MANIFEST
    manifest.write_text(manifest.read_text().replace('"schema_version": 1', '"schema_version": 9'))
    message = refused("verify", store)
    assert str(store) in message
    assert "--replace" in message


def test_a_store_whose_source_changed(store: Path, tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.ones((5, 3)), y=np.arange(5))
    assert "changed: 1 file of" in " ".join(invoke("verify", store).output.split())
    message = refused("pack", tmp_path / "a.npz", store)
    assert "must be free or hold this source with these options; found what" in message
    assert "--replace" in message


@pytest.mark.parametrize("damage", [lambda path: flip(path, 60), lambda path: cut(path, 60)])
def test_a_compressed_file_that_is_damaged(table: Path, damage: Callable[[Path], None]) -> None:
    packed = table.with_name("t.csv.gz")
    packed.write_bytes(gzip.compress(table.read_bytes()))
    damage(packed)
    message = refused("train", "table", "--data", packed)
    assert f"{packed} must be a whole gzip file; found" in message
    assert "Get the file again." in message


def test_an_image_that_does_not_decode(photos: Path, tmp_path: Path) -> None:
    flip(photos / "a" / "02.png", 60)
    message = refused("pack", photos, tmp_path / "s")
    assert f"{photos}/a/02.png must be an image that can be decoded; found" in message
    ended = invoke("pack", photos, tmp_path / "s", "--skip-bad")
    assert "19 samples" in ended.output
    assert "1 skipped" in ended.output


def test_images_that_do_not_decode_are_left_out_of_a_training_and_counted(
    photos: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (photos / "a" / "00.png").write_bytes(b"no image")
    flip(photos / "b" / "03.png", 60)
    (photos / "c").mkdir()
    words = ("train", "images", "--data", photos, "--epochs", "1", "--runs", tmp_path / "runs")
    assert f"{photos} must have a file in every class folder; found none in c." in refused(*words)
    (photos / "c").rmdir()
    assert f"{photos}/a/00.png must be an image that can be decoded; found 8 bytes" in refused(*words)
    (photos / "c").mkdir()
    ended = invoke(*words, "--skip-bad")
    assert ended.exit_code == 0, ended.output
    assert f"hasten: note: {photos}: 3 left out; the first: {photos} must have a file in every" in ended.stderr


def test_rows_with_faults_are_left_out_of_a_training_and_counted(table: Path, tmp_path: Path) -> None:
    table.write_text(ROWS + "1,red,2,3\n4.5,blue,\n")
    words = ("train", "table", "--data", table, "--epochs", "1", "--runs", tmp_path / "runs")
    assert "found 4 in row 31 (line 32)" in refused(*words)
    ended = invoke(*words, "--skip-bad")
    assert ended.exit_code == 0, ended.output
    assert f"hasten: note: {table}: 2 left out; the first: {table} must have 3 fields in every row" in ended.stderr


def test_skipping_is_for_tasks_that_read_files_of_samples() -> None:
    message = refused("train", "digits", "--skip-bad")
    assert "--skip-bad is for the tasks images, imdb, table; the task is 'digits'. Leave it out." in message


def test_a_row_with_too_many_fields(table: Path, tmp_path: Path) -> None:
    lines = ROWS.splitlines()
    table.write_text("\n".join([*lines[:7], "1,red,2,3", *lines[7:]]))
    message = refused("pack", table, tmp_path / "s")
    assert f"{table} must have 3 fields in every row" in message
    assert "found 4 in row 7 (line 8): 1, red, 2, 3." in message
    ended = invoke("pack", table, tmp_path / "s", "--skip-bad")
    assert "30 samples" in ended.output
    assert "1 skipped" in ended.output
    assert "row 7 (line 8)" in " ".join(ended.output.split())


def test_a_target_that_is_missing(table: Path, tmp_path: Path) -> None:
    table.write_text(ROWS + "3.5,red,\n")
    message = refused("pack", table, tmp_path / "s")
    assert f"{table}, row 31 (line 32), column 'price'" in message
    assert "30 samples" in invoke("pack", table, tmp_path / "s", "--skip-bad").output


def test_an_empty_class(photos: Path, tmp_path: Path) -> None:
    (photos / "c").mkdir()
    message = refused("pack", photos, tmp_path / "s")
    assert f"{photos} must have a file in every class folder; found none in c." in message
    assert "20 samples" in invoke("pack", photos, tmp_path / "s", "--skip-bad").output


def test_a_folder_without_classes(tmp_path: Path) -> None:
    (tmp_path / "flat").mkdir()
    (tmp_path / "flat" / "a.png").write_bytes(b"")
    message = refused("inspect", tmp_path / "flat")
    assert f"{tmp_path / 'flat'} must have" in message
    assert "class folder" in message


def test_a_class_and_a_category_unknown_in_training(table: Path, tmp_path: Path) -> None:
    parts = tmp_path / "parts"
    parts.mkdir()
    (parts / "train.csv").write_text(ROWS)
    (parts / "valid.csv").write_text("size,color,price\n1.5,green,3.25\n2.5,red,4.25\n")
    message = refused("train", "table", "--data", parts, "--column", "color", "--epochs", "1")
    assert f"{parts / 'valid.csv'}" in message
    assert "'green'" in message
    known = invoke("train", "table", "--data", parts, "--epochs", "1", "--runs", tmp_path / "runs")
    assert known.exit_code == 0, "a category that training never had is taken as other"
    assert (
        f"hasten: note: {parts / 'valid.csv'}: column 'color' has a value that is rare or absent in training in 1 row"
        in known.stderr
    )


@pytest.mark.parametrize(("name", "words"), [("t.csv", ("train", "table", "--data")), ("t.txt", ("inspect",))])
def test_wrong_encoding(tmp_path: Path, name: str, words: tuple[str, ...]) -> None:
    path = tmp_path / name
    path.write_bytes(ROWS.encode() + "4.5,grün,1\n".encode("latin-1"))
    offset = len(ROWS) + len("4.5,gr")
    message = refused(*words, path)
    assert f"{path} must be UTF-8 text; found the byte 0xfc at byte offset {offset} (line 32)" in message
    assert "iconv" in message


def test_advice_about_a_table_can_be_typed(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("zip,x,y\n" + "".join(f"{i},{i % 7}.5,{i % 3}\n" for i in range(40)) + "unset,1,2\n7,l0,1\n")
    words = ("inspect", path, "--json")
    message = refused(*words)
    assert "column 'zip': expected a number, as in 41 of 42 rows; found 'unset'" in message
    assert "--missing unset" in message
    assert "--text zip" in message
    assert "found 'l0'" in refused(*words, "--text", "zip")
    assert "found 'l0'" in refused(*words, "--missing", "unset")
    for way in (("--drop", "x"), ("--text", "x"), ("--skip-bad",), ("--missing", "l0")):
        assert invoke(*words, "--text", "zip", *way).exit_code == 0
    assert "must have 1 fields" not in invoke(*words, "--delimiter", ";").output
    assert "unknown target kind" in refused(*words, "--target-kind", "letters")


def test_escape_sequences_in_names_and_classes_do_not_reach_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    kinds = ("re\x1b[31md", "b\u202elue")
    rows = "".join(f"{i}.5,{kinds[i % 2]}\n" for i in range(40))
    path.write_text("si\x1b]0;x\x07ze,ki\x9bnd\n" + rows)
    for words in (("inspect", path), ("train", "table", "--data", path, "--epochs", "1", "--runs", tmp_path / "r")):
        ended = invoke(*words)
        assert ended.exit_code == 0, ended.output
        assert not {"\x1b", "\x07", "\x9b", "\u202e"} & {*ended.output, *ended.stderr}
    message = refused("inspect", path, "--column", "no\x1b[1m")
    assert "\\x1b]0;x" in message
    assert "\x1b" not in message


def test_a_bomb_is_refused_with_one_message(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("hasten.data.sources.decompression.ALWAYS_BYTES", 1 << 20)
    (tmp_path / "bomb.csv.gz").write_bytes(gzip.compress(b"1,2,3\n" * (1 << 20)))
    message = refused("train", "table", "--data", tmp_path / "bomb.csv.gz")
    assert "decompresses to more than" in message


def test_an_archive_whose_paths_leave_the_folder(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "x.tar", "w") as tar:
        entry = tarfile.TarInfo("../../evil.png")
        tar.addfile(entry, io.BytesIO(b""))
    message = refused("inspect", tmp_path / "x.tar")
    assert f"{tmp_path / 'x.tar'} must hold only paths inside its own folder; found '../../evil.png'" in message


def test_a_disk_that_is_full_while_packing(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", x=np.zeros((5000, 8)))
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        message = refused("pack", tmp_path / "a.npz", tmp_path / "s")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert f"{tmp_path / 's'} must be writable; found after" in message
    assert "Free some space" in message
    assert not (tmp_path / "s").exists()
    assert invoke("pack", tmp_path / "a.npz", tmp_path / "s").exit_code == 0


def started(*words: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-c", "from hasten.cli.main import main; main()", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def killed_when(process: subprocess.Popen[bytes], ready: Callable[[], bool]) -> list[int]:
    """Kill a process once it is ready, and return the numbers of the processes that it had started."""
    end = monotonic() + 120
    while not ready() and process.poll() is None and monotonic() < end:
        sleep(0.02)
    assert process.poll() is None, "it ended before it could be killed"
    children = [child.pid for child in psutil.Process(process.pid).children(recursive=True)]
    process.kill()
    process.wait()
    return children


@pytest.mark.slow
def test_a_kill_in_the_middle_of_an_epoch_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(
        """
import time, torch
from torch import nn
from hasten import Data, Stop, Task

class Slow(torch.utils.data.Dataset):
    def __len__(self):
        return 4000
    def __getitem__(self, index):
        time.sleep(0.002)
        return torch.arange(5.0) + index, index % 2

def task():
    few = torch.utils.data.Subset(Slow(), range(8))
    return Task(name="mine", data=Data(train=Slow(), valid=few), model=lambda: nn.Linear(5, 2),
                batch_size=16, stop=Stop(steps=2000, evaluate_every=10))
"""
    )
    (tmp_path / "plan.toml").write_text('task = "mine"\n\n[loader_process]\n\n[prefetch]\n')
    shared = Path("/dev/shm")
    before = set(os.listdir(shared)) if shared.is_dir() else set()
    runs = tmp_path / "runs"
    process = started("train", tmp_path / "mine.py", "--plan", tmp_path / "plan.toml", "--runs", runs)
    children = killed_when(process, lambda: any("evaluation" in path.read_text() for path in runs.glob("*/*.jsonl")))
    end = monotonic() + 60
    while any(map(psutil.pid_exists, children)) and monotonic() < end:
        sleep(0.1)
    assert children
    assert not [pid for pid in children if psutil.pid_exists(pid)]
    assert not {name for name in set(os.listdir(shared)) - before if name.startswith("torch_")}
    assert not list(tmp_path.rglob("*.tmp"))


@pytest.mark.slow
def test_a_kill_while_packing_leaves_no_store_and_the_same_command_completes_it(photos: Path, tmp_path: Path) -> None:
    image = pytest.importorskip("PIL.Image")
    for place in range(1500):
        pixels = np.random.default_rng(place).integers(0, 256, (64, 64, 3), np.uint8)
        image.fromarray(pixels).save(photos / "a" / f"more{place}.png")
    store = tmp_path / "s"
    killed_when(started("pack", photos, store, "--size", 32), (tmp_path / "s.partial").exists)
    assert not store.exists()
    assert invoke("verify", store).exit_code == 2
    assert "1,520 samples" in invoke("pack", photos, store, "--size", 32).output
    assert invoke("verify", store).exit_code == 0
    assert not (tmp_path / "s.partial").exists()
