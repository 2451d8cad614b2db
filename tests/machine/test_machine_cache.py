"""A measured machine is kept, found again, and not believed when damaged or of another machine."""

import logging
from pathlib import Path

import msgspec
import pytest

from hasten.base.cache_folder import cache_folder
from hasten.base.records.machine import Gpu, Machine, Peak
from hasten.machine import cache
from hasten.machine.cache import cache_file, load_cached, machine_key, store_cached
from hasten.machine.facts import facts

PEAK = Peak(kind="gemm", format="float32", backend="mkl", size=(8, 8, 8), rate=1.25e9, spread=0.01, stable=True)
OTHERS = {
    "cpu": "another processor",
    "isa": ("other",),
    "cores": 77,
    "threads": 78,
    "memory_bytes": 5 << 40,
    "gpu": Gpu(name="a GPU", capability=(9, 0), memory_bytes=1 << 36),
    "compiler": "/opt/bin/other-c++",
    "python": "3.99.0",
    "torch": "9.9.9",
}


def _measured(rate: float = PEAK.rate) -> Machine:
    peak = msgspec.structs.replace(PEAK, rate=rate)
    return msgspec.structs.replace(facts(), peaks=(peak,), remarks=("a remark",), measured_s=1.5)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> list[bool]:
    """How often, and whether quickly, the machine was measured; each time is told apart by its rate."""
    calls: list[bool] = []

    def measure(*, quick: bool, disk_folder: Path) -> Machine:
        calls.append(quick)
        return _measured(rate=float(len(calls)))

    monkeypatch.setattr(cache, "measure", measure)
    return calls


def test_measured_once_and_found_again(counted: list[bool], tmp_path: Path) -> None:
    first = load_cached(folder=tmp_path)
    assert load_cached(folder=tmp_path) == first
    assert counted == [False]
    assert first.peaks[0].rate == 1.0


def test_full_serves_for_quick_but_not_the_other_way(counted: list[bool], tmp_path: Path) -> None:
    load_cached(quick=True, folder=tmp_path)
    load_cached(folder=tmp_path)
    assert load_cached(quick=True, folder=tmp_path).peaks[0].rate == 2.0
    assert counted == [True, False]


@pytest.mark.parametrize("damage", ["cut", "digit", "not json", "empty", "other schema"])
def test_a_damaged_file_is_measured_again(
    counted: list[bool], tmp_path: Path, damage: str, caplog: pytest.LogCaptureFixture
) -> None:
    path = store_cached(_measured(), folder=tmp_path)
    content = path.read_text()
    path.write_text(
        {
            "cut": content[: len(content) // 2],
            "digit": content.replace("1250000000.0", "1350000000.0"),
            "not json": "\x00\x01",
            "empty": "",
            "other schema": '{"machine": {"cpu": "x"}, "sha256": ""}',
        }[damage]
    )
    assert path.read_text() != content
    with caplog.at_level(logging.WARNING):
        machine = load_cached(folder=tmp_path)
    assert counted == [False]
    assert machine.peaks[0].rate == 1.0
    assert machine.remarks[-1].startswith("cached measurement not used")
    assert path.name in machine.remarks[-1]
    assert "not used" in caplog.text
    assert load_cached(folder=tmp_path).peaks == machine.peaks
    assert counted == [False]


def test_a_damaged_full_one_leaves_the_quick_one(counted: list[bool], tmp_path: Path) -> None:
    store_cached(_measured(), folder=tmp_path).write_text("")
    store_cached(_measured(rate=7.0), quick=True, folder=tmp_path)
    machine = load_cached(quick=True, folder=tmp_path)
    assert machine.peaks[0].rate == 7.0
    assert machine.remarks[-1].startswith("cached measurement not used")
    assert counted == []


def test_a_file_of_another_machine_is_not_believed(counted: list[bool], tmp_path: Path) -> None:
    other = msgspec.structs.replace(_measured(), cpu="another processor")
    store_cached(other, folder=tmp_path).rename(cache_file(facts(), "full", tmp_path))
    assert "another processor" in load_cached(folder=tmp_path).remarks[-1]
    assert counted == [False]


def test_an_unsteady_measurement_is_not_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    shaky = msgspec.structs.replace(PEAK, stable=False)
    machine = msgspec.structs.replace(_measured(), peaks=(PEAK, shaky, shaky))
    monkeypatch.setattr(cache, "measure", lambda **_: machine)
    assert load_cached(folder=tmp_path).remarks[-1].startswith("not cached: most rates are too noisy")
    assert list(tmp_path.iterdir()) == []
    assert not cache.is_steady(facts())


def test_a_folder_that_cannot_be_written_is_told(counted: list[bool], tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    machine = load_cached(folder=tmp_path / "file")
    assert machine.peaks[0].rate == 1.0
    assert machine.remarks[-1].startswith("measurement not cached")


@pytest.mark.parametrize("field", OTHERS)
def test_key_changes_with_hardware_and_versions(field: str) -> None:
    machine = facts()
    assert machine_key(msgspec.structs.replace(machine, **{field: OTHERS[field]})) != machine_key(machine)


def test_key_changes_with_the_schema(monkeypatch: pytest.MonkeyPatch) -> None:
    before = machine_key(facts())
    monkeypatch.setattr(cache, "_SCHEMA", 10**6)
    assert machine_key(facts()) != before


def test_key_ignores_what_does_not_matter() -> None:
    machine = msgspec.structs.replace(facts(), memory_bytes=8 << 30)
    same = msgspec.structs.replace(
        machine, memory_bytes=(8 << 30) - (1 << 20), platform="another kernel", peaks=(PEAK,), measured_s=3.0
    )
    assert machine_key(same) == machine_key(machine)


def test_folder_follows_the_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder() == tmp_path / "hasten"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == Path.home() / ".cache" / "hasten"
