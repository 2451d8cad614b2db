"""The disk is read, not the memory; and where that cannot be, it is said."""

import os
from pathlib import Path

import pytest

from hasten.machine import disk
from hasten.machine.disk import measure_disk

MIB = 1 << 20
needs_fadvise = pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="the system cannot drop a file")


@needs_fadvise
def test_reads_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_is_in_memory", lambda folder: False)  # the test folder may be in memory
    folder = tmp_path / "new" / "folder"
    peak, note = measure_disk(folder, file_bytes=8 * MIB, budget_s=1.0)
    assert note == ""
    assert peak is not None
    assert (peak.kind, peak.size) == ("disk", (8 * MIB,))
    assert peak.rate > 0
    assert list(folder.iterdir()) == []


@needs_fadvise
@pytest.mark.skipif(not Path("/dev/shm").is_dir(), reason="no folder that is surely in memory")
def test_a_folder_in_memory_is_no_disk() -> None:
    peak, note = measure_disk(Path("/dev/shm"), file_bytes=4 * MIB, budget_s=1.0)
    assert peak is None
    assert "in memory" in note


def test_too_little_room(tmp_path: Path) -> None:
    peak, note = measure_disk(tmp_path, file_bytes=1 << 60, budget_s=1.0)
    assert peak is None
    assert "free" in note


def test_unusable_folder(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    peak, note = measure_disk(tmp_path / "file", file_bytes=MIB, budget_s=1.0)
    assert peak is None
    assert "cannot be used" in note


def test_system_that_cannot_drop_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "posix_fadvise", raising=False)
    peak, note = measure_disk(tmp_path, file_bytes=MIB, budget_s=1.0)
    assert peak is None
    assert "cannot drop a file" in note


@needs_fadvise
def test_slow_writing_makes_the_file_smaller(tmp_path: Path) -> None:
    with disk._file_on_disk(tmp_path, 64 * MIB, 0.0) as (descriptor, written_bytes):
        assert os.fstat(descriptor).st_size == written_bytes == 4 * MIB
    assert list(tmp_path.iterdir()) == []


@needs_fadvise
def test_a_disk_too_slow_for_the_budget(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disk, "_is_in_memory", lambda folder: False)
    peak, note = measure_disk(tmp_path, file_bytes=64 * MIB, budget_s=0.0)
    assert peak is None
    assert "took more" in note
